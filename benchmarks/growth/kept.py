"""What was measured of each kind of growth, kept as JSON from one time to the next."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

DATA = "growth.json"
_FORMAT = 1
_WHERE = ("measured", "cores", "python")

Kinds = dict[str, dict[str, Any]]


class UnreadableError(Exception):
    """What is kept cannot be read, or is not what is kept here."""

    @classmethod
    def of(cls, path: Path, reason: object) -> UnreadableError:
        """Return the error for a file, and what to do with it."""
        return cls(f"{path} cannot be read: {reason}. Move it away, or give another folder with --out.")


def read(folder: Path) -> Kinds:
    """Return what a folder keeps, by kind; nothing where it has no data.

    Raises:
        UnreadableError: There is something else than what `keep` writes.
    """
    path = folder / DATA
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UnreadableError.of(path, error) from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT or not isinstance(data.get("kinds"), dict):
        raise UnreadableError.of(path, "it is not what this command writes")
    kinds: Kinds = data["kinds"]
    strange = [name for name, kind in kinds.items() if not _is_kind(kind)]
    if strange:
        raise UnreadableError.of(path, f"something of {', '.join(strange)} is missing")
    return kinds


def make_writable(folder: Path) -> None:
    """Make a folder unless it is there, and see that it takes a file, before anything is measured.

    Raises:
        OSError: It cannot be made, or takes none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def keep(folder: Path, kinds: Kinds, name: str, points: Sequence[Mapping[str, float]]) -> None:
    """Put the points of a kind in the place of those that were there, in `kinds` and in the folder."""
    kinds[name] = {**machine(), "points": points}
    path = folder / DATA
    # Whole or not at all, wherever it is interrupted.
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps({"format": _FORMAT, "kinds": kinds}, indent=1) + "\n")
    os.replace(beside, path)


def _is_kind(kind: object) -> bool:
    if not isinstance(kind, dict) or not all(name in kind for name in _WHERE):
        return False
    points = kind.get("points")
    return isinstance(points, list) and all(_is_point(point) for point in points)


def _is_point(point: object) -> bool:
    return isinstance(point, dict) and "size" in point and all(isinstance(one, int | float) for one in point.values())
