"""Draws what was measured, one image a kind of growth; the same data gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs_of import COLD, DISTRIBUTED, REUSED

Point = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """What is drawn of each point, under a name; points without it are left out."""

    name: str
    value: Callable[[Point], float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram of an image, both of its axes logarithmic."""

    title: str
    unit: str
    lines: tuple[Line, ...]


def _figure(name: str, figure: str | None = None) -> Line:
    return Line(name, lambda point: point[figure or name])


def _a_node(name: str) -> Line:
    return Line(name, lambda point: point[name] / point["size"] * 1000)


def _seconds(name: str, figure: str) -> Line:
    return Line(name, lambda point: point["size"] / point[figure])


_PANELS: dict[str, tuple[str, tuple[Panel, ...]]] = {
    "nodes": (
        "nodes of a fan-out",
        (
            Panel("Whole process", "seconds", (_figure(DISTRIBUTED), _figure(COLD), _figure(REUSED))),
            Panel("A node", "milliseconds", (_a_node(DISTRIBUTED), _a_node(COLD), _a_node(REUSED))),
            Panel("Memory of the driver", "MB", (_figure(COLD, "driver_mb"), _figure(REUSED, "driver_mb_reused"))),
        ),
    ),
    "tables": (
        "MB of a table",
        (
            Panel("Put", "seconds", (_seconds("plain write with fsync", "write"), _seconds("put", "put"))),
            Panel("First get", "seconds", (_seconds("mapped read", "touch"), _seconds("get, verified", "get"))),
        ),
    ),
    "artifacts": (
        "artifacts in the database",
        (
            Panel(
                "Up to 1,000 ancestors or descendants",
                "milliseconds",
                (
                    _figure("ancestors, chain", "chain_up_ms"),
                    _figure("ancestors, fan-out", "fan_up_ms"),
                    _figure("descendants, chain", "chain_down_ms"),
                    _figure("descendants, fan-out", "fan_down_ms"),
                ),
            ),
            Panel("Database", "MB", (_figure("lineage.db", "database_mb"),)),
        ),
    ),
}


def draw(name: str, kind: Mapping[str, Any], folder: Path) -> Path:
    """Draw a kind of growth into `folder`, and return the image."""
    import matplotlib

    matplotlib.use("Agg")
    # Ids within the image come from this in place of chance.
    matplotlib.rcParams.update({"svg.hashsalt": "flowkit", "font.size": 9})
    from matplotlib import pyplot

    path = folder / f"{name}.svg"
    across, panels = _PANELS[name]
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), layout="constrained")
    for panel, axis in zip(panels, axes, strict=True):
        _fill(axis, panel, kind["points"])
        axis.set_xlabel(across)
    figure.suptitle(f"{kind['measured']}, {kind['cores']} cores, Python {kind['python']}", fontsize=8, color="gray")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    return path


def _fill(axis: Any, panel: Panel, points: Sequence[Point]) -> None:
    for line in panel.lines:
        drawn = [(point["size"], line.value(point)) for point in points if _has(point, line)]
        if drawn:
            axis.plot(*zip(*drawn, strict=True), marker="o", markersize=3, linewidth=1.2, label=line.name)
    axis.set(title=panel.title, ylabel=panel.unit, xscale="log", yscale="log")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.grid(visible=True, which="major", linewidth=0.3)
    if axis.lines:
        axis.legend(fontsize=7)


def _has(point: Point, line: Line) -> bool:
    try:
        line.value(point)
    except KeyError:
        return False
    return True
