"""Whether a result may stand for edited code: the one place where that is decided.

An edit may be accepted exactly where the node would be reused without it. So its key is put together as it was before
the edit, of the code that succeeded last and of all else as it is today, and is looked up as any key is. What that
finds is what the edited code is taken to give; where it finds nothing, more than the code has changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from flowkit.cache.arguments import LONGEST_SHOWN
from flowkit.cache.current import Current
from flowkit.cache.reason import Change, Miss, compare
from flowkit.records import CodeFingerprint, Digest, Entry, EnvironmentFingerprint, KeyParts, LatestSuccess, Reason

Pairs = Sequence[tuple[str, Digest]]
"""(parameter, artifact) of what a node takes."""

_VARIABLE = "variable:"
_NOT_AN_EDIT = frozenset({Reason.FORCED, Reason.UNCACHED, Reason.LOST, Reason.EXPIRED, Reason.FAILED})
"""Reasons that hold whatever the code was before: no edit made the node run."""


class Unedited(Struct, frozen=True):
    """What was decided on a node as it was before the edit.

    Attributes:
        before: The success whose code that is.
        entry: What the node would reuse; None where it would run.
        miss: Why it would run; None where it would be reused.
    """

    before: LatestSuccess
    entry: Entry | None
    miss: Miss | None


def undo_edit(
    current: Current,
    before: LatestSuccess,
    environment: EnvironmentFingerprint,
    same_content: Collection[str] = (),
) -> Current:
    """Return what a node's key would be made of had its code not been edited.

    Args:
        current: What it is made of now.
        before: The success whose code counts.
        environment: What that code reaches and declared of the environment, as that is today.
        same_content: Parameters whose content is what it was: only code that the content names can differ there.
    """
    earlier = {part.parameter: part for part in before.parts.arguments}
    arguments = tuple(
        earlier.get(part.parameter, part) if part.parameter in same_content else part
        for part in current.parts.arguments
    )
    parts = KeyParts(before.parts.step, before.code.digest, environment.digest, arguments)
    return Current(parts, before.code, environment)


def find_same_content(
    current: KeyParts, before: KeyParts, taken: Pairs, taken_before: Pairs, plain: Collection[str]
) -> frozenset[str]:
    """Return the parameters whose digest differs though their content is the same.

    The digest of an argument counts the project's code that stored values name; an edit of that code is no change of
    data. Only arguments are judged that are nothing but artifacts, by those artifacts.

    Args:
        current: What the key is made of now.
        before: What it was made of.
        taken: The artifacts that the arguments name, with their parameters, in order.
        taken_before: The same, of then.
        plain: The parameters whose arguments are artifacts, alone or in lists, tuples and dicts.
    """
    earlier = {part.parameter: part for part in before.arguments}
    return frozenset(
        part.parameter
        for part in current.arguments
        if part.parameter in plain
        and part.parameter in earlier
        and part.digest != earlier[part.parameter].digest
        and part.shown == earlier[part.parameter].shown
        and len(part.shown) < LONGEST_SHOWN
        and _of(part.parameter, taken) == _of(part.parameter, taken_before) != []
    )


def _of(parameter: str, taken: Pairs) -> list[Digest]:
    return [digest for name, digest in taken if name == parameter]


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


def describe_edit(
    current: Current, before: LatestSuccess, environment: EnvironmentFingerprint, same_content: Collection[str] = ()
) -> tuple[Change, ...]:
    """Return what an edit changed: code, and packages and variables that only one of the two codes asks for.

    Args:
        current: What the key is made of now.
        before: The success whose code it was.
        environment: What that code reaches and declared of the environment, as that is today.
        same_content: Parameters of which only the code has changed that their content names.
    """
    earlier = replace(with_root_called(before, current.code), environment=environment)
    changes = [change for change in compare(earlier, current) if change.kind in (Reason.CODE, Reason.ENVIRONMENT)]
    digests = {part.parameter: part.digest for part in before.parts.arguments}
    named = [
        Change(Reason.CODE, f"code that {part.parameter!r} names", digests[part.parameter][:12], part.digest[:12])
        for part in current.parts.arguments
        if part.parameter in same_content
    ]
    return (*changes, *named)


def with_root_called(before: LatestSuccess, code: CodeFingerprint) -> LatestSuccess:
    """Return a success whose own function is called as in `code`: told as one change, whatever its name was."""
    parts = before.code.parts
    if not parts or not code.parts or parts[0].name == code.parts[0].name:
        return before
    parts = (replace(parts[0], name=code.parts[0].name), *parts[1:])
    return replace(before, code=replace(before.code, parts=parts))
