"""Why a node is not reused: the one place where that is put into a reason and into words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from flowkit.cache.arguments import LONGEST_SHOWN
from flowkit.cache.code_changes import CONSTANT, compare_code
from flowkit.cache.content import DataChange
from flowkit.cache.current import Current
from flowkit.cache.inner import Differences, cut_text, differences_in_texts
from flowkit.cache.wording import describe_data, list_names
from flowkit.fingerprint.observed import HIDDEN
from flowkit.records import (
    ArgumentKind,
    ArgumentPart,
    CodeFingerprint,
    CodePart,
    EnvironmentFingerprint,
    KeyParts,
    LatestSuccess,
    ObservedInput,
    Reason,
)
from flowkit.records.comparison import ComparedInPart

_VARIABLE = "variable "
"""Begins the name of a change of an environment variable."""

_LONGEST_SIDE = 80
"""How much of a parameter's value stands in a reason."""

DataOf = Callable[["Change"], DataChange | None]
"""Gives how the artifacts of a changed input differ; None where nothing is known of them."""


class Change(ComparedInPart, frozen=True, eq=False):
    """One thing that differs from the latest success; an absent side is None.

    Attributes:
        kind: Which part of the key: code, parameter, input, environment or observed.
        name: The function, parameter, package or variable.
        path: Of code, the names through which the step reaches it, from its own on; None where that is not known. Two
            steps that reach one edit in different ways have the same change.
        note: What happened, where the two sides do not tell.
        within: What differs inside a parameter's value.
        data: What differs in an input's content.
    """

    uncompared = frozenset({"path"})

    kind: Reason
    name: str
    before: str | None
    after: str | None
    path: tuple[str, ...] | None = None
    note: str | None = None
    within: Differences | None = None
    data: DataChange | None = None


class Miss(Struct, frozen=True):
    """Why a node runs: the first reason that holds, a sentence on it, and every difference found."""

    reason: Reason
    detail: str
    changes: tuple[Change, ...] = ()


def explain_miss(
    decided: Reason | None,
    *,
    failed_before: bool,
    latest: LatestSuccess | None,
    current: Current,
    gone: Sequence[str] = (),
    dropped: str | None = None,
    is_ahead: bool = False,
) -> Miss:
    """Explain why a node is not reused, against its latest success in this store.

    Args:
        decided: What `decide_reuse` said already: forced, uncached, lost or expired.
        failed_before: Whether an attempt under this very key failed, and none succeeded.
        latest: The node's latest success, or None.
        current: What the key is made of now.
        gone: Of a lost result, the project's code that its values name and that is no longer there.
        dropped: Of a lost result, the day when a collection dropped it.
        is_ahead: Whether an expired result bears a time that has not come.
    """
    changes = () if latest is None else compare(latest, current)
    if decided is not None:
        return Miss(decided, _decided_detail(decided, current, gone, dropped, is_ahead=is_ahead), changes)
    if failed_before:
        return Miss(Reason.FAILED, "it has never succeeded with this key", changes)
    if latest is None:
        return Miss(Reason.NEW, "it has not succeeded in this store yet", changes)
    for reason in (Reason.CODE, Reason.PARAMETER, Reason.INPUT, Reason.ENVIRONMENT, Reason.OBSERVED):
        of_kind = [change for change in changes if change.kind is reason]
        if of_kind:
            return Miss(reason, _describe(of_kind), changes)
    cause = f": {latest.uncached}" if latest.uncached is not None else ""
    return Miss(Reason.UNCACHED, f"its latest result was not kept for reuse{cause}", changes)


def with_data(miss: Miss, data_of: DataOf) -> Miss:
    """Return an explanation that says of each changed input what differs in its content."""
    changes = add_data(miss.changes, data_of)
    if miss.reason is not Reason.INPUT:
        return replace(miss, changes=changes)
    of_kind = [change for change in changes if change.kind is miss.reason]
    return replace(miss, changes=changes, detail=_describe(of_kind))


def add_data(changes: Iterable[Change], data_of: DataOf) -> tuple[Change, ...]:
    """Return the changes, those of inputs with what differs in their content."""
    return tuple(
        replace(change, data=data_of(change))
        if change.kind is Reason.INPUT and change.before is not None and change.after is not None
        else change
        for change in changes
    )


def _decided_detail(
    decided: Reason, current: Current, gone: Sequence[str], dropped: str | None, *, is_ahead: bool
) -> str:
    if decided is Reason.FORCED:
        return "it was asked for with --force"
    if decided is Reason.UNCACHED:
        return current.code.uncacheable or "it is declared with cache=False"
    if decided is Reason.EXPIRED and is_ahead:
        return "its result bears a time that has not come, so its age is not known"
    if decided is Reason.EXPIRED:
        return "its result is older than max_age"
    if gone:
        return f"its stored result names code that is no longer there: {list_names(gone)}"
    if dropped is not None:
        return f"its stored result was dropped by gc on {dropped}"
    return "its stored result is gone or damaged"


def _describe(changes: list[Change]) -> str:
    first = changes[0]
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    if first.kind is Reason.CODE:
        return f"{first.name} {verb_of(first)}{more}"
    if first.kind is Reason.INPUT:
        told = "" if first.data is None else describe_data(first.data, first.before or "", first.after or "")
        return f"{first.name} changed{': ' if told else ''}{told}{more}"
    if first.kind is Reason.OBSERVED:
        return f"{first.name}, which it read undeclared, {_happened(first)}{more}"
    if first.name.startswith(_VARIABLE):
        return f"{first.name} {_happened(first)}{more}"
    return f"{_most_telling(first)}{more}"


def describe_reuse(current: Current) -> str:
    """Say what was found to be as it was where a node is reused."""
    proven = (
        (len(current.code.parts), "part of its code", "parts of its code"),
        (len(current.parts.arguments), "argument", "arguments"),
        (len(current.environment.values), "version or variable", "versions and variables"),
        (len(current.observed), "undeclared read", "undeclared reads"),
    )
    told = [f"{count:,} {one if count == 1 else many}" for count, one, many in proven if count]
    return f"nothing that counts has changed: {', '.join(told)}"


def verb_of(change: Change) -> str:
    """Return what happened to the thing that changed."""
    if change.kind is Reason.OBSERVED or change.name.startswith(_VARIABLE):
        return _happened(change)
    if change.before is None:
        return "is new"
    if change.after is not None:
        return "changed"
    if change.kind is Reason.CODE:
        # It may well stand where it stood.
        return "is no longer read" if change.name.startswith(CONSTANT) else "is no longer reached"
    return "is gone"


def _most_telling(change: Change) -> str:
    """Return both sides of a value, or of the first thing inside it that differs."""
    inside, length = change.within, len(change.before or "") + len(change.after or "")
    if inside is not None and inside.first and length > _LONGEST_SIDE:
        first = inside.first[0]
        others = f" and {inside.count - 1} more in it" if inside.count > 1 else ""
        return f"{first.name}: {first.before or 'absent'} → {first.after or 'absent'}{others}"
    before, after = (cut_text(side or "absent", _LONGEST_SIDE) for side in (change.before, change.after))
    return f"{change.name}: {before} → {after}"


def _happened(change: Change) -> str:
    if change.after == "absent":
        return "is gone"
    return "has appeared" if change.before == "absent" else "changed"


def compare(latest: LatestSuccess, current: Current) -> tuple[Change, ...]:
    """Return every difference between a node's latest success and now, in order of precedence."""
    return (
        *_compare_code(latest.code, current.code, current.parts.step),
        *_compare_arguments(latest.parts, current.parts),
        *_compare_environment(latest.environment, current.environment),
        *_compare_observed(latest.observed, current.observed, current.code.parts),
    )


def _compare_code(before: CodeFingerprint, after: CodeFingerprint, step: str) -> list[Change]:
    if before.digest == after.digest:
        return []
    changes = [
        Change(Reason.CODE, part.label, part.before, part.after, part.path, part.note)
        for part in compare_code(before, after, step)
    ]
    return changes or [Change(Reason.CODE, "what it reaches", before.digest[:12], after.digest[:12])]


def _compare_arguments(before: KeyParts, after: KeyParts) -> list[Change]:
    old = {part.parameter: part for part in before.arguments}
    new = {part.parameter: part for part in after.arguments}
    changed = [name for name in {**new, **old} if _argument_digest(old, name) != _argument_digest(new, name)]
    changes = []
    for name in changed:
        part = new.get(name) or old[name]
        if part.kind is ArgumentKind.INPUT:
            changes.append(Change(Reason.INPUT, name, _shown(old.get(name)), _shown(new.get(name))))
        else:
            changes.append(_parameter_change(name, _shown(old.get(name)), _shown(new.get(name))))
    return sorted(changes, key=lambda change: change.kind is Reason.INPUT)


def _parameter_change(name: str, before: str | None, after: str | None) -> Change:
    within = None if before is None or after is None else differences_in_texts(name, before, after)
    note = None
    if before == after and before is not None:
        note = "its text is the same: the code of its class is not"
        if len(before) >= LONGEST_SHOWN:
            note = "it differs beyond the text that is kept"
    return Change(Reason.PARAMETER, name, before, after, note=note, within=within)


def _argument_digest(parts: Mapping[str, ArgumentPart], name: str) -> str | None:
    return parts[name].digest if name in parts else None


def _shown(part: ArgumentPart | None) -> str | None:
    return None if part is None else part.shown


def _compare_environment(before: EnvironmentFingerprint, after: EnvironmentFingerprint) -> list[Change]:
    if before.digest == after.digest:
        return []
    old, new = before.values, after.values
    return [
        _environment_change(name, old.get(name), new.get(name))
        for name in sorted({**new, **old})
        if old.get(name) != new.get(name)
    ]


def _environment_change(name: str, before: str | None, after: str | None) -> Change:
    if name.startswith("variable:"):
        # Only digests are kept of a variable's values: nobody wants to read them whole.
        then, now = ((value or "absent")[:12] for value in (before, after))
        return Change(Reason.ENVIRONMENT, name.replace("variable:", _VARIABLE), then, now)
    return Change(Reason.ENVIRONMENT, name.replace("package:", ""), before, after)


def _compare_observed(
    before: Iterable[ObservedInput], after: Iterable[ObservedInput], code: Sequence[CodePart]
) -> list[Change]:
    """Compare what was read then with the same names now; names that were not or cannot be looked at are left out."""
    now = {(item.kind, item.name): item.digest for item in after}
    return [
        Change(
            Reason.OBSERVED,
            f"{item.kind} {item.name}",
            item.digest[:12],
            now[item.kind, item.name][:12],
            note=_where_named(item, code),
        )
        for item in before
        if item.digest != HIDDEN and now.get((item.kind, item.name), item.digest) != item.digest
    ]


def _where_named(item: ObservedInput, code: Sequence[CodePart]) -> str | None:
    """Say which code has the name of something undeclared in its text; who read it is not recorded."""
    spelled = re.compile(rf"(?<![\w.]){re.escape(os.path.basename(item.name))}(?!\w)")
    found = [part.name for part in code if ":" in part.name and spelled.search(part.source)]
    return f"its name stands in {list_names(found)}" if found else None
