"""From what a step returned to artifacts: split into the declared outputs, proven, encoded, stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from flowkit.authoring.types import Metrics
from flowkit.codecs.registry import CodecRegistry
from flowkit.contracts import enforce
from flowkit.contracts.border import Border
from flowkit.errors import CodecError, StepOutputError, ValueTypeError
from flowkit.execution.dask_tables import encode_dask_frame, is_dask_frame, names_dask_frame
from flowkit.graph.hint_text import format_hint
from flowkit.graph.valuecheck import check_value
from flowkit.records import RETURN, Output, OutputSpecification, StepSpecification
from flowkit.store.base import Store


class OutputWriter(Struct, frozen=True):
    """Proves and stores results."""

    store: Store
    codecs: CodecRegistry

    def write(self, value: Any, specification: StepSpecification) -> tuple[tuple[Output, ...], dict[str, float]]:
        """Store what a step returned; give its outputs and the metrics among them.

        All outputs are proven before the first of them is stored.

        Raises:
            ValueTypeError: An output is not of its annotated type, or their number is wrong.
            ContractError: A table breaks its contract.
            CodecError: A value cannot be stored.
            StoreError: The store cannot keep it.
        """
        if specification.unpacks:
            return self._write_elements(value, specification), {}
        proven = [
            (output, _prove(item, output, specification.name)) for output, item in split_outputs(value, specification)
        ]
        metrics: dict[str, float] = {}
        for _, item in proven:
            if isinstance(item, Metrics):
                metrics.update(item)
        return tuple(self._store(item, output, specification.name) for output, item in proven), metrics

    def _write_elements(self, items: Sequence[Any], specification: StepSpecification) -> tuple[Output, ...]:
        """Store the elements of a list, which was proven as a whole when it was made."""
        hint = specification.outputs[0].hint
        return tuple(
            self._store(item, OutputSpecification(str(index), hint), specification.name)
            for index, item in enumerate(items)
        )

    def _store(self, value: Any, output: OutputSpecification, step: str) -> Output:
        try:
            if is_dask_frame(value) and names_dask_frame(output.hint):
                encoded = encode_dask_frame(value, self.store, self.codecs.pickle)
            else:
                encoded = self.codecs.encode(value, output.hint)
        except CodecError as error:
            raise error.with_facts(("step", step), ("output", output.name)) from error.__cause__
        return Output(output.name, self.store.put(encoded))


def split_outputs(value: Any, specification: StepSpecification) -> list[tuple[OutputSpecification, Any]]:
    """Return each declared output with its value.

    Raises:
        StepOutputError: The value is not made of that many outputs.
    """
    outputs = specification.outputs
    if len(outputs) == 1 and outputs[0].name == RETURN:
        return [(outputs[0], value)]
    names = [output.name for output in outputs]
    if all(name.isdecimal() for name in names):
        if not isinstance(value, tuple) or len(value) != len(outputs):
            raise StepOutputError.for_count(specification.name, names, _count(value))
        return list(zip(outputs, value, strict=True))
    problem = check_value(value, specification.hint)
    if problem is not None:
        wanted = format_hint(specification.hint)
        raise ValueTypeError.for_output(specification.name, RETURN, wanted, problem)
    return [(output, getattr(value, output.name)) for output in outputs]


def _count(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return "None" if value is None else f"one {type(value).__name__}"


def _prove(value: Any, output: OutputSpecification, step: str) -> Any:
    problem = check_value(value, output.hint)
    if problem is not None:
        raise ValueTypeError.for_output(step, output.name, format_hint(output.hint), problem)
    return enforce(value, output.hint, where=Border.output_of(step, output.name))
