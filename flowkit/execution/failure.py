"""From an exception to the record of a failure: what kind, in which words, and whether to try again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from flowkit.authoring.types import Skip
from flowkit.errors import (
    CodecError,
    CodeMismatchError,
    ContractError,
    EncodingError,
    FlowkitError,
    InputError,
    LostArtifactError,
    StepExitError,
    StepLimitError,
    StepRaisedError,
    StoreError,
    ValueTypeError,
)
from flowkit.execution.compute_failure import explain_compute
from flowkit.execution.input_failure import blame_input
from flowkit.execution.traces import format_trace, innermost_own_line, legible, text_of
from flowkit.records import Failure, FailureKind

_KINDS: tuple[tuple[type[FlowkitError], FailureKind], ...] = (
    (InputError, FailureKind.INPUT),
    (ContractError, FailureKind.CONTRACT),
    (ValueTypeError, FailureKind.TYPE),
    (CodecError, FailureKind.CODEC),
    (EncodingError, FailureKind.CODEC),
    (CodeMismatchError, FailureKind.CODE),
    (StepExitError, FailureKind.EXITED),
    (LostArtifactError, FailureKind.LOST),
    (StoreError, FailureKind.STORE),
)


class Circumstances(Struct, frozen=True):
    """What is known of an attempt when something is raised in it.

    Attributes:
        root: The project's root, from which places are told.
        files: The declared input files and folders.
    """

    step: str
    root: Path
    files: Sequence[Path] = ()


def describe_failure(error: BaseException, around: Circumstances) -> Failure:
    """Return the record of what ended an attempt."""
    blamed = blame_input(error, around.step, around.files)
    if blamed is not None:
        # The place is enough: what the library went through to find the file wanting says no more.
        where = innermost_own_line(error, str(around.root))
        told = blamed.with_facts(("at", where)) if where else blamed
        return record_failure(_seen_from(told, around.root), FailureKind.INPUT)
    if isinstance(error, FlowkitError):
        return _describe_own(_seen_from(error, around.root), around.step)
    if isinstance(error, SystemExit):
        exited = StepExitError.for_sys_exit(around.step, error.code)
        return record_failure(exited, FailureKind.EXITED, format_trace(error))
    if isinstance(error, KeyboardInterrupt):
        return record_failure(StepExitError.for_interrupt(around.step), FailureKind.EXITED, format_trace(error))
    if isinstance(error, MemoryError):
        full = StepLimitError.for_memory_error(around.step, text_of(error))
        return record_failure(full, FailureKind.MEMORY, format_trace(error))
    lost = explain_compute(error, around.step)
    if lost is not None:
        return record_failure(lost, FailureKind.RAISED, format_trace(error))
    return _describe_raised(error, around)


def record_failure(error: FlowkitError, kind: FailureKind, trace: str = "") -> Failure:
    """Return the record of an error of flowkit's own."""
    return _record(kind, error, trace, retryable=bool(getattr(error, "retryable", True)))


def skip_reason(error: BaseException) -> str | None:
    """Return why a step skips its node, None where `error` is something else."""
    return text_of(error) if isinstance(error, Skip) else None


def _seen_from(error: FlowkitError, root: Path) -> FlowkitError:
    """Return the error with the paths below the project's root told from there, but for where a file is missing."""
    folder = f"{root}/"
    facts = [(label, value if label == "looked at" else value.replace(folder, "")) for label, value in error.facts]
    near = type(error)(error.message.replace(folder, ""), facts, error.hint)
    return near.with_traceback(error.__traceback__)


def _describe_own(error: FlowkitError, step: str) -> Failure:
    kind = next((kind for family, kind in _KINDS if isinstance(error, family)), FailureKind.RAISED)
    if "step" not in dict(error.facts) and step not in error.message:
        error = type(error)(error.message, (("step", step), *error.facts), error.hint).with_traceback(
            error.__traceback__
        )
    retryable = kind not in (FailureKind.LOST, FailureKind.STORE) and bool(getattr(error, "retryable", False))
    return _record(kind, error, format_trace(error), retryable=retryable)


def _record(kind: FailureKind, error: FlowkitError, trace: str, *, retryable: bool) -> Failure:
    facts = tuple((label, legible(value)) for label, value in error.facts)
    return Failure(kind, legible(error.message), facts, error.hint, trace, retryable)


def _describe_raised(error: BaseException, around: Circumstances) -> Failure:
    where = innermost_own_line(error, str(around.root))
    told = StepRaisedError.for_exception(around.step, error, text_of(error), where)
    return record_failure(told, FailureKind.RAISED, format_trace(error))
