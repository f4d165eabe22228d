"""What tells two fingerprints of one step apart, by the names and texts that a person wrote; most telling first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from flowkit.records import CodeFingerprint, CodePart

Parts = Mapping[str, CodePart]

_READ = {"ast": "source", "bytecode": "bytecode"}

_DECLARED = ("signature", "version")
"""Parts of the step's own declaration, which are no functions."""

CONSTANT = "constant "
"""Begins the label of a global that is read."""


class PartChange(Struct, frozen=True):
    """A part of a step's code that differs; an absent side is None.

    Attributes:
        label: What it is, and its name: `helper m:clean`, `constant m:RATE`; the step's own function by name alone.
        path: The names through which the step reaches it, its own name first; None where that was not recorded.
        note: What happened where the texts do not tell: it moved, or refers to something else now.
    """

    label: str
    before: str | None
    after: str | None
    path: tuple[str, ...] | None
    note: str | None = None


def compare_code(before: CodeFingerprint, after: CodeFingerprint, step: str) -> list[PartChange]:
    """Return the parts that differ: texts first, then values, then what is new or gone, then what only refers to it.

    Args:
        before: The fingerprint then.
        after: The fingerprint now.
        step: The step's name, with which a path begins.
    """
    if before.digest == after.digest:
        return []
    old = {part.name: part for part in before.parts}
    new = {part.name: part for part in after.parts}
    moved = _find_moved(old, new)
    ranked, carried = [], []
    for name in {**new, **old}:
        was, now = old.get(moved.get(name, name)), new.get(name)
        if name in moved.values() and now is None:
            continue
        if was is None or now is None or was.digest != now.digest:
            ranked.append((_rank(was, now), _part_change(was, now, old, new, step)))
        elif was.name != now.name:
            carried.append(_part_change(was, now, old, new, step))
    # What only moved along with something that changed is no news.
    return [change for _, change in sorted(ranked, key=lambda pair: pair[0])] or carried


def _find_moved(old: Parts, new: Parts) -> dict[str, str]:
    """Return new name → old name of parts that have another name.

    Functions and classes are known by their text, wherever they went; what else has one name in another module is taken
    to have moved there, and to have been edited besides.
    """
    gone = [part for name, part in old.items() if name not in new]
    appeared = [part for name, part in new.items() if name not in old]
    texts = {_nameless(part): part.name for part in gone if part.basis != "value"}
    moved = {part.name: texts[_nameless(part)] for part in appeared if _nameless(part) in texts}
    left = _by_qualified_name(part for part in gone if part.name not in moved.values())
    for key, parts in _by_qualified_name(part for part in appeared if part.name not in moved).items():
        if len(parts) == len(left.get(key, ())) == 1:
            moved[parts[0].name] = left[key][0].name
    return moved


def _by_qualified_name(parts: Iterable[CodePart]) -> dict[tuple[str, bool], list[CodePart]]:
    """Return parts by their name without the module, values apart from code."""
    found: dict[tuple[str, bool], list[CodePart]] = {}
    for part in parts:
        if qualified := part.name.partition(":")[2]:
            found.setdefault((qualified, part.basis == "value"), []).append(part)
    return found


def _nameless(part: CodePart) -> tuple[str, str]:
    """Return how a part was read, and its text without its own name."""
    name = re.split(r"[:.]", part.name.partition("#")[0])[-1]
    return part.basis, re.sub(rf"\b{re.escape(name)}\b", "", part.source)


def _rank(was: CodePart | None, now: CodePart | None) -> int:
    if was is None or now is None:
        return 2
    if was.name != now.name and _is_same_but_for_its_name(was, now):
        return 4
    if was.source == now.source:
        return 3
    return 1 if now.basis == "value" else 0


def _part_change(was: CodePart | None, now: CodePart | None, old: Parts, new: Parts, step: str) -> PartChange:
    part, parts = (now, new) if now is not None else (was, old)
    assert part is not None
    return PartChange(
        _label(part, parts),
        was.source if was is not None else None,
        now.source if now is not None else None,
        trace_path(part.name, parts, step),
        _note(was, now),
    )


def _note(was: CodePart | None, now: CodePart | None) -> str | None:
    if was is None or now is None:
        return None
    if was.name != now.name:
        return _describe_move(was, now)
    if was.basis != now.basis:
        then, today = (_READ.get(part.basis, part.basis) for part in (was, now))
        return f"it was read from its {then}, and is now from its {today}"
    if was.source == now.source and now.basis == "value":
        return "what differs in it is not shown"
    if was.source == now.source:
        return "its text is the same: what it refers to, or was made with, is not"
    return None


def _is_same_but_for_its_name(was: CodePart, now: CodePart) -> bool:
    return _nameless(was) == _nameless(now)


def _describe_move(was: CodePart, now: CodePart) -> str:
    module, _, name = was.name.partition(":")
    if name == now.name.partition(":")[2]:
        same = ", and its text is the same" if was.source == now.source else ""
        return f"it moved here from {module}{same}"
    return f"it was called {was.name}, and its text is otherwise the same"


def _label(part: CodePart, parts: Parts) -> str:
    if part.via is None and part.name == next(iter(parts), None):
        return part.name
    if part.name in _DECLARED:
        return part.name
    if part.basis == "value":
        return f"{CONSTANT}{part.name}"
    if part.basis == "module":
        return f"module {part.name}"
    return f"class {part.name}" if part.source.startswith("class ") else f"helper {part.name}"


def trace_path(name: str, parts: Parts, step: str) -> tuple[str, ...] | None:
    """Return the names that lead from a step to a part of its code, both included; None where one is not recorded."""
    own = next(iter(parts), None)
    found = [name]
    while found[-1] != own:
        via = parts[found[-1]].via
        if via is None or via in found or via not in parts:
            return None
        found.append(via)
    return (step, *reversed(found[:-1]))
