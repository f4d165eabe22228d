"""What tells two fingerprints of one step apart, by the names and texts that a person wrote; most telling first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flowkit.records import CodeFingerprint, CodePart

Parts = Mapping[str, CodePart]

_READ = {"ast": "source", "bytecode": "bytecode"}

_DECLARED = ("signature", "version")
"""Parts of the step's own declaration, which are no functions."""


@dataclass(frozen=True, slots=True)
class PartChange:
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
    ranked = []
    for name in {**new, **old}:
        was, now = old.get(moved.get(name, name)), new.get(name)
        if name in moved.values() and now is None:
            continue
        if was is None or now is None or was.digest != now.digest or was.name != now.name:
            ranked.append((_rank(was, now), _part_change(was, now, old, new, step)))
    return [change for _, change in sorted(ranked, key=lambda pair: pair[0])]


def _find_moved(old: Parts, new: Parts) -> dict[str, str]:
    """Return new name → old name of the functions and classes that only have another name, or another module."""
    gone = {_nameless(part): name for name, part in old.items() if name not in new and part.basis != "value"}
    appeared = {name: _nameless(part) for name, part in new.items() if name not in old and part.basis != "value"}
    return {name: gone[text] for name, text in appeared.items() if text in gone}


def _nameless(part: CodePart) -> tuple[str, str]:
    """Return how a part was read, and its text without its own name."""
    name = re.split(r"[:.]", part.name.partition("#")[0])[-1]
    return part.basis, re.sub(rf"\b{re.escape(name)}\b", "", part.source)


def _rank(was: CodePart | None, now: CodePart | None) -> int:
    if was is None or now is None:
        return 2
    if was.name != now.name:
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
        return f"it was called {was.name}, and its text is otherwise the same"
    if was.basis != now.basis:
        then, today = (_READ.get(part.basis, part.basis) for part in (was, now))
        return f"it was read from its {then}, and is now from its {today}"
    if was.source == now.source and now.basis == "value":
        return "what differs in it is not shown"
    if was.source == now.source:
        return "its text is the same: what it refers to, or was made with, is not"
    return None


def _label(part: CodePart, parts: Parts) -> str:
    if part.via is None and part.name == next(iter(parts), None):
        return part.name
    if part.name in _DECLARED:
        return part.name
    if part.basis == "value":
        return f"constant {part.name}"
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
