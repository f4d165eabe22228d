"""Why a node is not reused: the one place where that is put into a reason and into words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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

_VARIABLE = "variable "
"""Begins the name of a change of an environment variable."""


@dataclass(frozen=True, slots=True)
class Current:
    """What a node's key is made of now.

    Attributes:
        observed: What its latest success read undeclared, as that is now.
    """

    parts: KeyParts
    code: CodeFingerprint
    environment: EnvironmentFingerprint
    observed: tuple[ObservedInput, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs from the latest success; an absent side is None.

    Attributes:
        kind: Which part of the key: code, parameter, input, environment or observed.
        name: The function, parameter, package or variable.
    """

    kind: Reason
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a node runs: the first reason that holds, a sentence on it, and every difference found."""

    reason: Reason
    detail: str
    changes: tuple[Change, ...] = ()


def explain_miss(
    decided: Reason | None, *, failed_before: bool, latest: LatestSuccess | None, current: Current
) -> Miss:
    """Explain why a node is not reused, against its latest success in this store.

    Args:
        decided: What `decide_reuse` said already: forced, uncached, lost or expired.
        failed_before: Whether an attempt under this very key failed, and none succeeded.
        latest: The node's latest success, or None.
        current: What the key is made of now.
    """
    changes = () if latest is None else compare(latest, current)
    if decided is not None:
        return Miss(decided, _decided_detail(decided, current), changes)
    if failed_before:
        return Miss(Reason.FAILED, "it has never succeeded with this key", changes)
    if latest is None:
        return Miss(Reason.NEW, "it has not succeeded in this store yet", changes)
    for reason in (Reason.CODE, Reason.PARAMETER, Reason.INPUT, Reason.ENVIRONMENT, Reason.OBSERVED):
        of_kind = [change for change in changes if change.kind is reason]
        if of_kind:
            return Miss(reason, _describe(of_kind), changes)
    return Miss(Reason.UNCACHED, "its latest result was not kept for reuse", changes)


def _decided_detail(decided: Reason, current: Current) -> str:
    if decided is Reason.FORCED:
        return "it was asked for with --force"
    if decided is Reason.UNCACHED:
        return current.code.uncacheable or "it is declared with cache=False"
    if decided is Reason.EXPIRED:
        return "its result is older than max_age"
    return "its stored result is gone or damaged"


def _describe(changes: list[Change]) -> str:
    first = changes[0]
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    if first.kind is Reason.CODE:
        verb = "is new" if first.before is None else "is gone" if first.after is None else "changed"
        return f"{first.name} {verb}{more}"
    if first.kind is Reason.INPUT:
        return f"{first.name} changed{more}"
    if first.kind is Reason.OBSERVED:
        return f"{first.name}, which it read undeclared, {_happened(first)}{more}"
    if first.name.startswith(_VARIABLE):
        return f"{first.name} {_happened(first)}{more}"
    return f"{first.name}: {first.before or 'absent'} → {first.after or 'absent'}{more}"


def _happened(change: Change) -> str:
    if change.after == "absent":
        return "is gone"
    return "has appeared" if change.before == "absent" else "changed"


def compare(latest: LatestSuccess, current: Current) -> tuple[Change, ...]:
    """Return every difference between a node's latest success and now, in order of precedence."""
    return (
        *_compare_code(latest.code, current.code),
        *_compare_arguments(latest.parts, current.parts),
        *_compare_environment(latest.environment, current.environment),
        *_compare_observed(latest.observed, current.observed),
    )


def _compare_code(before: CodeFingerprint, after: CodeFingerprint) -> list[Change]:
    if before.digest == after.digest:
        return []
    old = {part.name: part for part in before.parts}
    new = {part.name: part for part in after.parts}
    own = after.parts[0].name if after.parts else None
    changes = [
        Change(Reason.CODE, _label(name, own), _source(old.get(name)), _source(new.get(name)))
        for name in {**new, **old}
        if _digest(old.get(name)) != _digest(new.get(name))
    ]
    return changes or [Change(Reason.CODE, "what it reaches", before.digest[:12], after.digest[:12])]


def _label(name: str, own: str | None) -> str:
    return name if name == own else f"helper {name}"


def _source(part: CodePart | None) -> str | None:
    return part.source if part is not None else None


def _digest(part: CodePart | None) -> str | None:
    return part.digest if part is not None else None


def _compare_arguments(before: KeyParts, after: KeyParts) -> list[Change]:
    old = {part.parameter: part for part in before.arguments}
    new = {part.parameter: part for part in after.arguments}
    changed = [name for name in {**new, **old} if _argument_digest(old, name) != _argument_digest(new, name)]
    changes = []
    for name in changed:
        part = new.get(name) or old[name]
        reason = Reason.INPUT if part.kind is ArgumentKind.INPUT else Reason.PARAMETER
        changes.append(Change(reason, name, _shown(old.get(name)), _shown(new.get(name))))
    return sorted(changes, key=lambda change: change.kind is Reason.INPUT)


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
        shown = [(value or "absent")[:12] for value in (before, after)]
        return Change(Reason.ENVIRONMENT, name.replace("variable:", _VARIABLE), *shown)
    return Change(Reason.ENVIRONMENT, name.replace("package:", ""), before, after)


def _compare_observed(before: Iterable[ObservedInput], after: Iterable[ObservedInput]) -> list[Change]:
    """Compare what was read then with the same names now; names that were not or cannot be looked at are left out."""
    now = {(item.kind, item.name): item.digest for item in after}
    return [
        Change(Reason.OBSERVED, f"{item.kind} {item.name}", item.digest[:12], now[item.kind, item.name][:12])
        for item in before
        if item.digest != HIDDEN and now.get((item.kind, item.name), item.digest) != item.digest
    ]
