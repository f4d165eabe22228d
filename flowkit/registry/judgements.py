"""Records of what was decided on a version: its metrics, the verdicts, whether it was accepted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowkit.lineage.texts import metrics_from_json, metrics_to_json
from flowkit.records import GateVerdict

Select = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a query and returns all of its rows: a reader's `select`, or `select_in` of a connection."""


def select_in(connection: sqlite3.Connection) -> Select:
    """Return what runs queries in the open transaction of `connection`."""
    return lambda query, parameters: connection.execute(query, parameters).fetchall()


def insert_judgement(
    connection: sqlite3.Connection,
    *,
    version: int,
    alias: str,
    run: int | None,
    accepted: bool,
    reason: str | None,
    metrics: Mapping[str, float],
    verdicts: Sequence[GateVerdict],
    at: float,
) -> None:
    """Write a decision with its verdicts; `version` and `run` are the rows' ids."""
    judgement = connection.execute(
        "INSERT INTO judgement (version, alias, run, accepted, reason, metrics, at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (version, alias, run, accepted, reason, metrics_to_json(metrics), at),
    ).lastrowid
    connection.executemany(
        "INSERT INTO gate_verdict (judgement, position, gate, observed, required, passed, note)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (judgement, position, verdict.gate, verdict.observed, verdict.required, verdict.passed, verdict.note)
            for position, verdict in enumerate(verdicts)
        ],
    )


def recorded_metrics(select: Select, version: int) -> dict[str, float]:
    """Return the metrics with which a version was accepted last, else those it was refused with; by the row's id."""
    rows = select("SELECT metrics FROM judgement WHERE version = ? ORDER BY accepted DESC, id DESC LIMIT 1", (version,))
    return metrics_from_json(rows[0][0]) if rows else {}


def recorded_verdicts(select: Select, version: int) -> tuple[GateVerdict, ...]:
    """Return the verdicts by which a version was accepted last, else those it was refused by; by the row's id."""
    rows = select("SELECT id FROM judgement WHERE version = ? ORDER BY accepted DESC, id DESC LIMIT 1", (version,))
    return verdicts_of(select, rows[0][0]) if rows else ()


def recorded_run(select: Select, version: int) -> str | None:
    """Return the run that accepted a version last, else refused it; by the row's id; None where none decided on it."""
    rows = select(
        "SELECT r.run FROM judgement AS j LEFT JOIN run AS r ON r.id = j.run"
        " WHERE j.version = ? ORDER BY j.accepted DESC, j.id DESC LIMIT 1",
        (version,),
    )
    return rows[0][0] if rows else None


def verdicts_of(select: Select, judgement: int) -> tuple[GateVerdict, ...]:
    """Return the verdicts of one decision, by the row's id."""
    rows = select(
        "SELECT gate, observed, required, passed, note FROM gate_verdict WHERE judgement = ? ORDER BY position",
        (judgement,),
    )
    return tuple(
        GateVerdict(gate, observed, required, bool(passed), note) for gate, observed, required, passed, note in rows
    )
