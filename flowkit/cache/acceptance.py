"""Whether a result may stand for edited code: the one place where that is decided.

An edit may be accepted exactly where the node would be reused without it. So its key is put together as it was before
the edit, of the code that succeeded last and of all else as it is today, and is looked up as any key is. What that
finds is what the edited code is taken to give; where it finds nothing, more than the code has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flowkit.cache.reason import Change, Current, Miss, compare
from flowkit.records import CodePart, Entry, EnvironmentFingerprint, LatestSuccess, Reason

_VARIABLE = "variable:"
_NOT_AN_EDIT = frozenset({Reason.FORCED, Reason.UNCACHED, Reason.LOST, Reason.EXPIRED, Reason.FAILED})
"""Reasons that hold whatever the code was before: no edit made the node run."""


@dataclass(frozen=True, slots=True)
class Unedited:
    """What was decided on a node as it was before the edit.

    Attributes:
        before: The success whose code that is.
        entry: What the node would reuse; None where it would run.
        miss: Why it would run; None where it would be reused.
    """

    before: LatestSuccess
    entry: Entry | None
    miss: Miss | None


def undo_edit(current: Current, before: LatestSuccess, environment: EnvironmentFingerprint) -> Current:
    """Return what a node's key would be made of had its code not been edited.

    Args:
        current: What it is made of now.
        before: The success whose code counts.
        environment: What that code reaches and declared of the environment, as that is today.
    """
    parts = replace(current.parts, step=before.parts.step, code=before.code.digest, environment=environment.digest)
    return Current(parts, before.code, environment)


def is_edited(current: Current, before: LatestSuccess) -> bool:
    """Whether a node's code, or its step's name, is another than that of a success."""
    return (current.code.digest, current.parts.step) != (before.code.digest, before.parts.step)


def variables_of(environment: EnvironmentFingerprint) -> tuple[str, ...]:
    """Return the environment variables that a step had declared."""
    return tuple(name.removeprefix(_VARIABLE) for name in environment.values if name.startswith(_VARIABLE))


def decide_acceptance(miss: Miss, unedited: Sequence[Unedited]) -> Unedited | Miss:
    """Decide whether a node that would run may keep a result instead.

    Args:
        miss: Why it would run.
        unedited: What was decided on it with each earlier code, the latest first; none where it was not edited.

    Returns:
        What it may keep, or why it must run.
    """
    if miss.reason in _NOT_AN_EDIT:
        return miss
    for found in unedited:
        if found.entry is not None:
            return found
    # What was accepted before may be of other code than the latest success: that is no news, all else is.
    misses = [found.miss for found in unedited if found.miss is not None]
    return next((found for found in (*misses, miss) if found.reason not in (Reason.CODE, Reason.NEW)), miss)


def describe_edit(current: Current, before: LatestSuccess, environment: EnvironmentFingerprint) -> tuple[Change, ...]:
    """Return what an edit changed: code, and packages and variables that only one of the two codes asks for.

    Args:
        current: What the key is made of now.
        before: The success whose code it was.
        environment: What that code reaches and declared of the environment, as that is today.
    """
    parts = before.code.parts
    if parts and current.code.parts:
        # The step's own function is told as one change, also where it bears another name now.
        parts = (_named(parts[0], current.code.parts[0].name), *parts[1:])
    earlier = replace(before, code=replace(before.code, parts=parts), environment=environment)
    changes = compare(earlier, current)
    return tuple(change for change in changes if change.kind in (Reason.CODE, Reason.ENVIRONMENT))


def _named(part: CodePart, name: str) -> CodePart:
    return replace(part, name=name)
