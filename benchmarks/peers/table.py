"""What was compared, as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.machine import machine
from benchmarks.peers.environments import Installed
from benchmarks.peers.rounds import COLD, REUSED, Compared, Figures
from benchmarks.rows import aligned

JSON_FORMAT = 1
_HEADER = ("work", "peer", "cold s", "ratio", "reused s", "ratio")
_NUMERIC = range(2, 6)


def format_table(
    works: Sequence[Compared], peers: Sequence[Installed], beside: str, left_out: Mapping[str, str]
) -> str:
    """Return a table of medians and their ratios to one peer; below it versions, failures and who is left out.

    A second run that executed steps again says how many: `1.23 [2]`.
    """
    rows = [row for compared in works for row in _rows(compared, beside)]
    versions = ", ".join(" ".join(filter(None, (peer.peer.name, peer.version))) for peer in peers)
    table = [*aligned([_HEADER, *rows], _NUMERIC), "", *_notes(beside), versions] if rows else []
    notes = [
        f"failed    {compared.work.name}, {name}: {reason}"
        for compared in works
        for name, reason in compared.failed.items()
    ]
    notes += [f"left out  {reason}" for reason in left_out.values()]
    return "\n".join([*table, *notes])


def to_json(
    works: Sequence[Compared],
    peers: Sequence[Installed],
    beside: str,
    left_out: Mapping[str, str],
    *,
    interrupted: bool = False,
) -> dict[str, Any]:
    """Return everything that was compared, and where: samples, medians, ratios, configurations, failures and gaps."""
    return {
        "format": JSON_FORMAT,
        "machine": machine(),
        "interrupted": interrupted,
        "beside": beside,
        "peers": [
            {"peer": peer.peer.name, "version": peer.version, "configuration": peer.peer.about} for peer in peers
        ],
        "works": [_work_to_json(compared, beside) for compared in works],
        "left_out": [{"peer": name, "reason": reason} for name, reason in left_out.items()],
    }


def _notes(beside: str) -> list[str]:
    return [
        f"Ratios to {beside}: medians of the ratios within each round, so they may differ from what the columns give.",
        "[k]: the second run executed k steps again.",
    ]


def _rows(compared: Compared, beside: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, figures in compared.figures.items():
        again = f" [{figures.again}]" if figures.again else ""
        rows.append(
            (
                "" if rows else compared.work.name,
                name,
                f"{median(figures.cold):.2f}",
                _times(compared, name, beside, COLD),
                f"{median(figures.reused):.2f}{again}",
                _times(compared, name, beside, REUSED),
            )
        )
    return rows


def _times(compared: Compared, name: str, beside: str, which: str) -> str:
    ratio = None if name == beside else compared.ratio(name, beside, which)
    return "" if ratio is None else f"{ratio:.1f}x"


def _work_to_json(compared: Compared, beside: str) -> dict[str, Any]:
    return {
        "work": compared.work.name,
        "about": compared.work.about,
        "steps": compared.work.steps,
        "peers": [_peer_to_json(compared, name, figures, beside) for name, figures in compared.figures.items()],
        "failed": [{"peer": name, "reason": reason} for name, reason in compared.failed.items()],
    }


def _peer_to_json(compared: Compared, name: str, figures: Figures, beside: str) -> dict[str, Any]:
    def told(which: str) -> dict[str, Any]:
        samples = figures.seconds(which)
        return {"median": median(samples), "ratio": compared.ratio(name, beside, which), "samples": samples}

    return {"peer": name, COLD: told(COLD), REUSED: {**told(REUSED), "executed": figures.again}}
