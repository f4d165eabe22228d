"""Measures points of each kind of growth, once each: nodes of a run, megabytes of a table, artifacts of a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import WALL, Variant, python, run_once
from benchmarks.programs_of import COLD, DISTRIBUTED, REUSED, cold, raw_distributed, reused
from benchmarks.projects import make_project, throw_away_folder

Points = list[dict[str, float]]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """What grows.

    Attributes:
        sizes: The sizes that are measured, the smallest first.
        measure: Gives the figures of one size, in a project's folder of its own.
    """

    sizes: tuple[int, ...]
    measure: Callable[[Path, int], Mapping[str, float]]


def measure_kind(name: str, kind: Kind, *, smallest: bool, tell: Tell) -> Points:
    """Return the figures of each size.

    Raises:
        ProgramError: A program failed.
    """
    points: Points = []
    for size in kind.sizes[:2] if smallest else kind.sizes:
        tell(f"{name}: {size:,}")
        with throw_away_folder("flowkit-growth-") as place:
            points.append({"size": size, **kind.measure(make_project(place / "project"), size)})
    return points


def _nodes(folder: Path, size: int) -> dict[str, float]:
    """Return seconds of whole processes for a fan-out: first run, second run, and raw distributed; and memory."""
    first, second = run_once(cold("fan", size), folder), run_once(reused("fan", size), folder)
    raw = run_once(raw_distributed("fan", size), folder)
    return {
        COLD: first[WALL],
        REUSED: second[WALL],
        DISTRIBUTED: raw[WALL],
        "driver_mb": first["peak_mb"],
        "driver_mb_reused": second["peak_mb"],
    }


def _megabytes(folder: Path, size: int) -> dict[str, float]:
    """Return megabytes a second of putting and getting a table, and of what the machine itself does."""
    put = run_once(_program("put", "large_store.py", "put", str(size), "1"), folder)
    got = run_once(_program("get", "large_store.py", "get", str(size), "1"), folder)
    return {name: put[name] for name in ("put", "write")} | {name: got[name] for name in ("get", "touch")}


def _artifacts(folder: Path, size: int) -> dict[str, float]:
    """Return milliseconds of questions to a database of so many artifacts, and its megabytes."""
    filled = run_once(_program("fill", "large_lineage.py", "fill", str(size)), folder)
    asked = run_once(_program("ask", "large_lineage.py", "ask", str(size)), folder)
    times = {name: milliseconds for name, milliseconds in asked.items() if name.endswith("_ms")}
    return {**times, "database_mb": filled["database_mb"]}


def _program(name: str, *arguments: str) -> Variant:
    return Variant(name, lambda folder: python(*arguments))


KINDS: dict[str, Kind] = {
    "nodes": Kind((10, 100, 1000, 5000, 20_000), _nodes),
    "tables": Kind((1, 10, 100, 500, 2000), _megabytes),
    "artifacts": Kind((1, 100, 1000, 10_000, 100_000, 1_000_000), _artifacts),
}
