"""Values as text for people: what a diff of two versions of a global shows. Never part of a key."""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
from collections.abc import Iterator
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any

UNCHANGING = frozenset({type(None), bool, int, float, complex, bytes, type(Ellipsis), str})
"""Types of plain values, which say the same whenever they are shown."""

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}
_SPEAKING = frozenset({"datetime", "decimal", "fractions", "uuid", "zoneinfo", "re"})
"""Standard modules whose values have a `repr` that says all that counts, and no address."""

_SECRET = re.compile(r"(?i)passw|secret|token|credential|api_?key|private_?key")

_LONGEST_LINE = 100
_LONGEST_TEXT = 8_000
_MOST_IN_SET = 1_000
_DEEPEST = 6

_CODE = (type, FunctionType, BuiltinFunctionType)


def show_value(value: Any, name: str = "") -> str:
    """Return a text of a value for people: data as it is written, with an item a line where it is long.

    Code is shown by its name, tables and arrays by their shape, and all else by its type. Texts whose name says that
    they are secret are not shown: what is shown is kept.

    Args:
        value: The value.
        name: What it is called.
    """
    shown = _write_named(name, value, 0)
    return shown if len(shown) <= _LONGEST_TEXT else f"{shown[:_LONGEST_TEXT]}…"


def _write_named(name: object, value: Any, depth: int) -> str:
    is_secret = isinstance(value, (str, bytes)) and isinstance(name, str) and _SECRET.search(name)
    return "<hidden>" if is_secret else _write(value, depth)


def _write(value: Any, depth: int) -> str:
    kind = type(value)
    if kind in UNCHANGING:
        return _write_text(value) if kind is str else repr(value)
    if isinstance(value, enum.Enum):
        return f"<{kind.__qualname__}.{value.name}: {_write(value.value, depth + 1)}>"
    if isinstance(value, _CODE) and isinstance(getattr(value, "__qualname__", None), str):
        return f"{value.__module__}:{value.__qualname__}"
    if depth < _DEEPEST and (items := _items(value, depth)) is not None:
        return _bracketed(*items)
    if isinstance(value, (PurePath, re.Pattern)) or kind.__module__ in _SPEAKING:
        return repr(value)
    return _describe(value, kind)


def _write_text(value: str) -> str:
    """Return a text as it is written; a long one of several lines line by line, so that a diff names the line."""
    if len(value) <= _LONGEST_LINE or "\n" not in value:
        return repr(value)
    return "\n".join(repr(line) for line in value.splitlines(keepends=True))


def _items(value: Any, depth: int) -> tuple[str, list[str], str] | None:
    """Return the opening, the items and the end of a container or dataclass instance; None for all else."""
    kind = type(value)
    if kind in (set, frozenset):
        if len(value) > _MOST_IN_SET:
            return None
        first, last = _BRACKETS[kind]
        items = sorted(_write(item, depth + 1) for item in value)
        return (first, items, last) if items else (f"{kind.__name__}(", [], ")")
    if kind in _BRACKETS:
        first, last = _BRACKETS[kind]
        items = _within_limit(_write(item, depth + 1) for item in value)
        return first, items, f",{last}" if kind is tuple and len(value) == 1 else last
    if kind is dict:
        pairs = (f"{_write(key, depth + 1)}: {_write_named(key, item, depth + 1)}" for key, item in value.items())
        return "{", _within_limit(pairs), "}"
    if kind is functools.partial:
        arguments = [_write(item, depth + 1) for item in (value.func, *value.args)]
        words = [f"{key}={_write_named(key, item, depth + 1)}" for key, item in value.keywords.items()]
        return "partial(", [*arguments, *words], ")"
    if dataclasses.is_dataclass(kind):
        return f"{kind.__qualname__}(", _within_limit(_fields(value, depth)), ")"
    return None


def _within_limit(items: Iterator[str]) -> list[str]:
    """Return as many items as are shown at most: a global may hold millions."""
    found: list[str] = []
    room = _LONGEST_TEXT
    for item in items:
        found.append(item if room > 0 else "…")
        if room <= 0:
            break
        room -= len(item)
    return found


def _fields(value: Any, depth: int) -> Iterator[str]:
    for field in dataclasses.fields(value):
        if field.repr and hasattr(value, field.name):
            yield f"{field.name}={_write_named(field.name, getattr(value, field.name), depth + 1)}"


def _bracketed(first: str, items: list[str], last: str) -> str:
    line = f"{first}{', '.join(items)}{last}"
    if len(line) <= _LONGEST_LINE:
        return line
    inner = ",\n".join(items).replace("\n", "\n    ")
    return f"{first}\n    {inner},\n{last.removeprefix(',')}"


def _describe(value: Any, kind: type) -> str:
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "polars"):
        # A column may be called `shape` or `dtype` too: only what has the type of a fact is one.
        facts = [getattr(value, "shape", None), getattr(value, "dtype", None)]
        told = [str(fact) for fact in facts if type(fact) is tuple or "dtype" in type(fact).__name__.lower()]
        return f"<{' '.join((name, *told))}>"
    if kind.__module__.partition(".")[0] in ("builtins", "collections") and hasattr(value, "__len__"):
        return f"<{name} of {len(value):,}>"
    return f"<{name}>"
