"""Phrases that several errors share: lists of names, the nearest name, places in code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_MOST_LISTED = 12


def list_names(label: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return a fact that lists `names`, the first ones of many; no fact for none."""
    listed = list(names)
    if not listed:
        return []
    rest = f", … {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return [(label, ", ".join(listed[:_MOST_LISTED]) + rest)]


def place(frames: Sequence[str]) -> list[tuple[str, str]]:
    """Return a fact that says where it happened, a line a frame; no fact for none."""
    return [("at", "\n".join(frames))] if frames else []


def suggest(name: str, known: Sequence[str], otherwise: str) -> str:
    """Return the hint: the known name that is most like `name`, else `otherwise`."""
    found = nearest_name(name, known)
    return f"did you mean {found!r}?" if found else otherwise


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that is most like `name`, in another case first; None where none is close."""
    import difflib  # ponderous for a module that every command loads

    same = [other for other in known if other.lower() == name.lower()]
    close = same or difflib.get_close_matches(name, known, n=1)
    return close[0] if close else None
