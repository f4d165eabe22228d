"""What was measured, as a table for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import flowkit
from benchmarks.machine import machine
from benchmarks.measure import A_NODE, CPU, WALL, WRITTEN, Limit, Measured
from benchmarks.rows import aligned

JSON_FORMAT = 1
_HEADER = ("work", "variant", "wall s", "ratio", "cpu s", "ratio", "also")
_NUMERIC = range(2, 6)
_NOTES = (
    "Figures are medians. Ratios are medians of the ratios within each round, so they may differ from what the",
    "columns give when they are divided. `--list` says what the figures under `also` mean.",
)


def format_table(results: Sequence[Measured], failed: Sequence[str] = ()) -> str:
    """Return a table of medians and ratios, below it every target with what was reached, and the works that failed."""
    rows = [row for measured in results for row in _rows(measured)]
    table = [*aligned([_HEADER, *rows], _NUMERIC), "", *_NOTES, ""] if rows else []
    verdicts = [_verdict(measured, limit) for measured in results for limit in measured.work.limits]
    return "\n".join([*table, *verdicts, *(f"failed  {name}" for name in failed)]).rstrip()


def to_json(results: Sequence[Measured], failed: Sequence[str] = (), *, interrupted: bool = False) -> dict[str, Any]:
    """Return everything that was measured, and where: samples, medians, ratios and targets; and which works failed."""
    return {
        "format": JSON_FORMAT,
        "machine": machine(),
        "flowkit": flowkit.__version__,
        "interrupted": interrupted,
        "works": [_work_to_json(measured) for measured in results],
        "failed": list(failed),
    }


def _rows(measured: Measured) -> list[tuple[str, ...]]:
    work = measured.work
    judged = {limit.figure for limit in work.limits}
    rows: list[tuple[str, ...]] = []
    for number, variant in enumerate(work.variants):
        told = (
            f"{name} {_number(measured.median(variant.name, name))}"
            for name in measured.samples[variant.name]
            if name not in (WALL, CPU) and (name in judged or name not in (A_NODE, WRITTEN))
        )
        rows.append(
            (
                work.name if number == 0 else "",
                variant.name,
                *_beside(measured, variant.name, WALL),
                *_beside(measured, variant.name, CPU),
                "  ".join(told),
            )
        )
    return rows


def _beside(measured: Measured, variant: str, figure: str) -> tuple[str, str]:
    """Return a figure's median and its ratio to the variant that the work compares with."""
    ratio = None if variant == measured.work.beside else measured.ratio(variant, measured.work.beside, figure)
    return _number(measured.median(variant, figure)), f"{ratio:.2f}x" if ratio is not None else ""


def _verdict(measured: Measured, limit: Limit) -> str:
    reached = measured.judged(limit)
    met = "met" if limit.is_met_by(reached) else "missed"
    return f"{met:7} {measured.work.name}: {_what(limit)} {_reached(limit, reached)}, target {_target(limit)}"


def _what(limit: Limit) -> str:
    return limit.variant if limit.figure == WALL else f"{limit.variant} {limit.figure}"


def _reached(limit: Limit, reached: float | None) -> str:
    number = "not measured" if reached is None else f"{reached:.2f}x" if limit.beside is not None else _number(reached)
    if limit.beside is not None:
        floor = limit.beside if limit.beside != limit.variant else ""
        return " ".join(filter(None, (number, floor, limit.beside_figure or "")))
    return f"{number} over {limit.over}" if limit.over is not None else number


def _target(limit: Limit) -> str:
    sign, number = ("at least", limit.least) if limit.least > -math.inf else ("at most", limit.most)
    return f"{sign} {number:g}{'x' if limit.beside is not None else ''}"


def _work_to_json(measured: Measured) -> dict[str, Any]:
    work = measured.work
    return {
        "work": work.name,
        "about": work.about,
        "beside": work.beside,
        "variants": [
            {
                "variant": variant.name,
                "median": {figure: measured.median(variant.name, figure) for figure in measured.samples[variant.name]},
                "ratio": {figure: measured.ratio(variant.name, work.beside, figure) for figure in (WALL, CPU)},
                "samples": measured.samples[variant.name],
            }
            for variant in work.variants
        ],
        "targets": [
            {
                "variant": limit.variant,
                "figure": limit.figure,
                "beside": limit.beside,
                "beside_figure": limit.beside_figure,
                "over": limit.over,
                "most": limit.most if limit.most < math.inf else None,
                "least": limit.least if limit.least > -math.inf else None,
                "reached": measured.judged(limit),
                "met": limit.is_met_by(measured.judged(limit)),
            }
            for limit in work.limits
        ],
    }


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"
