"""Takes secrets out of what an attempt leaves behind: its log, its failure, its words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from flowkit.authoring.secrets import MASK, Secret, longest_masked, mask, masked_spans
from flowkit.errors import SecretError
from flowkit.fingerprint.observed import HIDDEN
from flowkit.graph.arguments import SETTLED, replace_leaves
from flowkit.records import Failure, ObservedInput, StepResult

_PIECE = 1 << 20


def secrets_in(arguments: Mapping[str, Any]) -> list[tuple[str, Secret[str]]]:
    """Return every secret in argument trees, with its parameter."""
    found: list[tuple[str, Secret[str]]] = []
    for parameter, tree in arguments.items():
        if type(tree) in SETTLED:
            continue

        def note(item: Any, _: Any, parameter: str = parameter) -> Any:
            if isinstance(item, Secret):
                found.append((parameter, item))
            return item

        replace_leaves(tree, note)
    return found


def read_secrets(arguments: Mapping[str, Any]) -> None:
    """Read every secret in an attempt's arguments, so that it can be masked and a missing one is told at once.

    Raises:
        SecretError: One is not set; the message names its parameter.
    """
    for parameter, secret in secrets_in(arguments):
        try:
            _ = secret.value
        except SecretError as error:
            raise error.with_facts(("parameter", parameter)) from None


def learn_secrets(names: tuple[str, ...]) -> None:
    """Read the secrets of a step that another process ran, to mask them in the log that it left."""
    for name in names:
        # What is not set here could not be read there either.
        with suppress(SecretError):
            _ = Secret(name).value


def mask_result(result: StepResult) -> StepResult:
    """Return a result without secrets in its texts."""
    if not longest_masked():
        return result
    return replace(
        result,
        failure=_mask_failure(result.failure) if result.failure is not None else None,
        skipped=mask(result.skipped) if result.skipped is not None else None,
        warnings=tuple(map(mask, result.warnings)),
        uncached=mask(result.uncached) if result.uncached is not None else None,
    )


def mask_observed(inputs: Iterable[ObservedInput]) -> tuple[tuple[ObservedInput, ...], tuple[ObservedInput, ...]]:
    """Return what a step read undeclared as it may be kept, and those of it whose names held a secret."""
    kept: dict[tuple[str, str], ObservedInput] = {}
    hidden: dict[tuple[str, str], ObservedInput] = {}
    for item in inputs:
        name = mask(item.name)
        if name == item.name:
            kept[item.kind, name] = item
        else:
            # Not its digest either: a variable's is keyed by its name.
            hidden[item.kind, name] = ObservedInput(item.kind, name, HIDDEN)
    return tuple({**kept, **hidden}.values()), tuple(hidden.values())


def _mask_failure(failure: Failure) -> Failure:
    return replace(
        failure,
        message=mask(failure.message),
        facts=tuple((label, mask(value)) for label, value in failure.facts),
        hint=mask(failure.hint),
        traceback=mask(failure.traceback),
    )


def copy_masked(descriptor: int, start: int, end: int, write: Callable[[bytes], Any]) -> None:
    """Write the bytes from `start` to `end` of an open file, with `***` in place of every secret.

    A secret that only begins, or only ends, between them is left out as well.
    """
    edge = max(longest_masked() - 1, 0)
    size = os.fstat(descriptor).st_size
    position, stop = max(start - edge, 0), min(end + edge, size)
    # A piece is looked at with what follows it, so that no secret hides on the border of two.
    while position < end:
        piece = os.pread(descriptor, min(_PIECE + edge, stop - position), position)
        if not piece:
            return
        own = min(_PIECE, end - position, len(piece))
        taken = _write_piece(piece, own, max(start - position, 0), write)
        position += taken
        start = max(start, position)


def _write_piece(piece: bytes, own: int, begin: int, write: Callable[[bytes], Any]) -> int:
    """Write `piece[begin:own]` without secrets; return how many bytes are dealt with, more where one reaches beyond."""
    at = begin
    for first, last in masked_spans(piece):
        if first >= own:
            break
        if last <= begin:
            continue
        write(piece[at:first] if first > at else b"")
        write(MASK.encode())
        at = last
    if at < own:
        write(piece[at:own])
    return max(at, own)
