"""From what a step returned to artifacts: split into the declared outputs, proven, encoded, stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from flowkit import execution
from flowkit.authoring.types import Metrics
from flowkit.codecs.registry import CodecRegistry
from flowkit.errors import CodecError, StepOutputError, ValueTypeError
from flowkit.execution.borders import OutputBorder, StepBorders
from flowkit.execution.dask_frames import is_dask_frame, names_dask_frame
from flowkit.graph.hint_text import format_hint
from flowkit.graph.valuecheck import check_value
from flowkit.records import RETURN, Output
from flowkit.store.base import Store


class OutputWriter(Struct, frozen=True):
    """Proves and stores results."""

    store: Store
    codecs: CodecRegistry

    def write(self, value: Any, borders: StepBorders) -> tuple[tuple[Output, ...], dict[str, float]]:
        """Store what a step returned; give its outputs and the metrics among them.

        All outputs are proven before the first of them is stored.

        Raises:
            ValueTypeError: An output is not of its annotated type, or their number is wrong.
            ContractError: A table breaks its contract.
            CodecError: A value cannot be stored.
            StoreError: The store cannot keep it.
        """
        if borders.unpacks:
            return self._write_elements(value, borders), {}
        step = borders.step
        proven = [(output, output.prove(item, step)) for output, item in split_outputs(value, borders)]
        metrics: dict[str, float] = {}
        for _, item in proven:
            if isinstance(item, Metrics):
                metrics.update(item)
        return tuple([self._store(item, output.name, output.hint, step) for output, item in proven]), metrics

    def _write_elements(self, items: Sequence[Any], borders: StepBorders) -> tuple[Output, ...]:
        """Store the elements of a list, which was proven as a whole when it was made."""
        hint = borders.outputs[0].hint
        return tuple(self._store(item, str(index), hint, borders.step) for index, item in enumerate(items))

    def _store(self, value: Any, name: str, hint: Any, step: str) -> Output:
        try:
            if is_dask_frame(value) and names_dask_frame(hint):
                encoded = execution.encode_dask_frame(value, self.store, self.codecs.pickle)
            else:
                encoded = self.codecs.encode(value, hint)
            return Output(name, self.store.put(encoded))
        except CodecError as error:
            raise error.with_facts(("step", step), ("output", name)) from error.__cause__


def split_outputs(value: Any, borders: StepBorders) -> list[tuple[OutputBorder, Any]]:
    """Return each declared output with its value.

    Raises:
        StepOutputError: The value is not made of that many outputs.
    """
    outputs = borders.outputs
    if len(outputs) == 1 and outputs[0].name == RETURN:
        return [(outputs[0], value)]
    names = [output.name for output in outputs]
    if all(name.isdecimal() for name in names):
        if not isinstance(value, tuple) or len(value) != len(outputs):
            raise StepOutputError.for_count(borders.step, names, _count(value))
        return list(zip(outputs, value, strict=True))
    problem = check_value(value, borders.hint)
    if problem is not None:
        wanted = format_hint(borders.hint)
        raise ValueTypeError.for_output(borders.step, RETURN, wanted, problem)
    return [(output, getattr(value, output.name)) for output in outputs]


def _count(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "None" if value is None else f"one {type(value).__name__}"
