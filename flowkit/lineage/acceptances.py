"""Which executions ran nothing: a person let an earlier result stand for edited code."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from flowkit.lineage.reader import Reader
from flowkit.records import Acceptance

_WHO = "u.who, u.at, u.detail"

_OF = f"""
    SELECT a.execution, {_WHO}
    FROM acceptance AS a
    JOIN audit_record AS u ON u.sequence = a.audit
    WHERE a.execution IN ({{values}})"""

_SOURCES = """
    WITH RECURSIVE led (execution, source) AS (
        SELECT execution, source FROM acceptance WHERE execution IN ({values})
        UNION
        SELECT led.execution, a.source FROM led JOIN acceptance AS a ON a.execution = led.source
    )
    SELECT execution, source FROM led ORDER BY execution, source DESC"""

_ORIGINS = "SELECT execution, origin FROM acceptance WHERE execution IN ({values})"

_STANDING = f"""
    SELECT a.origin, {_WHO}
    FROM acceptance AS a
    JOIN audit_record AS u ON u.sequence = a.audit
    WHERE a.origin IN ({{values}})
    ORDER BY u.sequence"""


def insert_acceptance(connection: sqlite3.Connection, execution: int, source: int, audit: int) -> None:
    """Record that an execution ran nothing: it stands for `source` by the word of an audit row."""
    connection.execute(
        "INSERT INTO acceptance (execution, source, origin, after_run, audit)"
        " SELECT ?1, ?2, ifnull((SELECT origin FROM acceptance WHERE execution = ?2), ?2), max(id), ?3 FROM run",
        (execution, source, audit),
    )


def find_acceptance(connection: sqlite3.Connection, execution: int, source: int) -> int | None:
    """Return the audit row by which an execution stands for `source`; None where it does not."""
    row: tuple[int] | None = connection.execute(
        "SELECT audit FROM acceptance WHERE execution = ? AND source = ?", (execution, source)
    ).fetchone()
    return row[0] if row is not None else None


def acceptances_of(reader: Reader, executions: Sequence[int]) -> dict[int, Acceptance]:
    """Return who let each of these executions stand; those that really ran are left out."""
    return {
        execution: Acceptance(who, at, reason)
        for execution, who, at, reason in reader.select_among(_OF, list(dict.fromkeys(executions)))
    }


def sources_of(reader: Reader, executions: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Return for each accepted execution all that it stands for in turn, the nearest first."""
    # An acceptance is always of an execution that was there before: the ids fall along the way.
    found: dict[int, list[int]] = {}
    for execution, source in reader.select_among(_SOURCES, list(dict.fromkeys(executions))):
        found.setdefault(execution, []).append(source)
    return {execution: tuple(sources) for execution, sources in found.items()}


def origins_of(reader: Reader, executions: Iterable[int]) -> dict[int, int]:
    """Return for each accepted execution the one that really ran."""
    return dict(reader.select_among(_ORIGINS, list(dict.fromkeys(executions))))


def accepted_since(reader: Reader, executions: Sequence[int]) -> dict[int, tuple[Acceptance, ...]]:
    """Return for each execution the acceptances by which its result stands for edited code, the oldest first."""
    found: dict[int, list[Acceptance]] = {}
    for origin, who, at, reason in reader.select_among(_STANDING, list(dict.fromkeys(executions))):
        found.setdefault(origin, []).append(Acceptance(who, at, reason))
    return {origin: tuple(acceptances) for origin, acceptances in found.items()}
