"""Functions of libraries that flowkit watches: code that holds the watch means the function behind it.

A process that runs steps watches readers, one that only plans does not. A fingerprint must be the same in both.
"""

from __future__ import annotations

from typing import Any

# Kept outside of the functions: `functools.wraps` would copy a mark onto a project's own function around a watch.
_ORIGINALS: dict[int, tuple[Any, Any]] = {}


def note_watch(watch: Any, original: Any) -> None:
    """Remember for the life of the process what a watch stands around."""
    _ORIGINALS[id(watch)] = (watch, original)


def behind_watch(value: Any) -> Any:
    """Return the function that a watch stands around; anything else as it is."""
    while (kept := _ORIGINALS.get(id(value))) is not None and kept[0] is value:
        value = kept[1]
    return value
