"""Checks of single steps and values: is a result the same twice, does a value survive being stored."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from flowkit.authoring.step import Step
from flowkit.authoring.types import give_places
from flowkit.codecs.custom import find_custom
from flowkit.codecs.registry import CodecRegistry
from flowkit.execution.borders import OutputBorder, StepBorders
from flowkit.execution.outputs import OutputWriter
from flowkit.records import RETURN, Output, OutputSpecification
from flowkit.store.folder import StoreFolder
from flowkit.store.local import LocalStore

P = ParamSpec("P")
T = TypeVar("T")


def assert_deterministic(step: Step[P, Any], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a step twice with equal arguments and check that both results would be stored as the same bytes.

    Args:
        step: The step.
        *args: Its arguments; each call gets a copy of its own.
        **kwargs: Its arguments by name.

    Raises:
        AssertionError: The results differ; the message names the outputs.
        FlowkitError: A result breaks the step's annotation or contract, or cannot be stored.
    """
    specification = step.specification
    borders = StepBorders.of(specification)
    with _stored() as (store, codecs, folder):
        writer = OutputWriter(store, codecs)
        digests = []
        for attempt in ("first", "second"):
            place = folder / attempt
            kept = folder / f"{attempt}-checkpoints"
            for path in (place, kept):
                path.mkdir()
            given, named = copy.deepcopy((args, kwargs))
            attempted = copy_context()
            attempted.run(give_places, place, partial(Path, kept))
            returned = attempted.run(specification.function, *given, **named)
            outputs, _ = attempted.run(writer.write, returned, borders)
            digests.append({output.name: output.artifact.digest for output in outputs})
    differing = [name for name, digest in digests[0].items() if digests[1][name] != digest]
    if differing:
        raise AssertionError(
            f"Step '{specification.name}' gave other results the second time: {', '.join(differing)}.\n"
            "Hint: pass a seed, sort what has no order, and take times and random names out of the result; "
            "where it is meant to differ, say cache=False."
        )


def assert_round_trip(value: T, annotation: Any = None) -> T:
    """Store a value as a step's result is stored, read it back, and check that nothing was lost.

    Args:
        value: What a step would return.
        annotation: The step's return annotation; the value's class by default.

    Returns:
        The value that a consumer would receive.

    Raises:
        AssertionError: What was read back is of another class, unequal, or would be stored as other bytes.
        FlowkitError: The value breaks the annotation or its contract, or cannot be stored.
    """
    hint = type(value) if annotation is None else annotation
    borders = StepBorders("assert_round_trip", (), (OutputBorder.of(OutputSpecification(RETURN, hint)),), hint, False)
    with _stored() as (store, codecs, folder):
        writer = OutputWriter(store, codecs)
        first = _only(writer.write(value, borders)[0])
        place = folder / "read"
        place.mkdir()
        back: T = codecs.decode(store.open(first.artifact), hint, place)
        second = _only(writer.write(back, borders)[0])
    if first.artifact.digest != second.artifact.digest:
        raise AssertionError(f"{_name(value)} is stored as other bytes after it was read back once.")
    if find_custom(value, hint) is not None:
        _compare(value, back)
    return back


def _compare(value: object, back: object) -> None:
    """Compare where a codec of the project's own is at work: equal bytes may be equally incomplete."""
    if type(back) is not type(value):
        raise AssertionError(f"{_name(value)} was read back as {_name(back)}.")
    if type(value).__eq__ is not object.__eq__ and not bool(value == back):
        raise AssertionError(f"{_name(value)} was read back unequal: {back!r} instead of {value!r}.")


def _name(value: object) -> str:
    return f"a {type(value).__name__}"


def _only(outputs: tuple[Output, ...]) -> Output:
    (output,) = outputs
    return output


@contextmanager
def _stored() -> Iterator[tuple[LocalStore, CodecRegistry, Path]]:
    with tempfile.TemporaryDirectory(prefix="flowkit-testing-") as name:
        folder = Path(name).resolve()
        yield LocalStore(StoreFolder.create_or_open(folder / "store")), CodecRegistry(), folder
