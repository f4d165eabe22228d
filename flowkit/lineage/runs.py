"""Writes the life of a run: how it began, how it ended, and that its driver died."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from flowkit.lineage.identities import Identities
from flowkit.lineage.texts import clean_text, to_json
from flowkit.records import RunRecord, RunStatus


def insert_run(connection: sqlite3.Connection, identities: Identities, record: RunRecord) -> None:
    """Write a run as it begins."""
    connection.execute(
        "INSERT INTO run (run, pipeline, target, env, status, started, parameters, git_commit, git_dirty, user, host,"
        " argv, driver) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            record.run,
            identities.word(record.pipeline),
            clean_text(record.target),
            identities.word(record.env),
            identities.word(RunStatus.RUNNING),
            record.started,
            to_json([list(pair) for pair in record.parameters]),
            record.git_commit,
            record.git_dirty,
            clean_text(record.user),
            clean_text(record.host),
            to_json([clean_text(word) for word in record.argv]),
            record.driver,
        ),
    )


def end_run(
    connection: sqlite3.Connection,
    identities: Identities,
    run: str,
    status: RunStatus,
    exit_code: int | None,
    ended: float | None,
) -> bool:
    """Write how a run ended, and return whether that was still open.

    A run that was taken for crashed meanwhile keeps that status: whoever read it may have acted on it.

    Args:
        connection: In a transaction.
        identities: Of that connection.
        run: Its id.
        status: How it ended.
        exit_code: What its command gives back; None where nobody saw it.
        ended: In seconds since the epoch, None where nobody saw it.

    Raises:
        NotRecordedError: It has not begun.
    """
    identity, _ = identities.run(run)
    changed = connection.execute(
        "UPDATE run SET status = ?, exit_code = ?, ended = ? WHERE id = ? AND status = ?",
        (identities.word(status), exit_code, ended, identity, identities.word(RunStatus.RUNNING)),
    )
    return changed.rowcount == 1


def is_running(connection: sqlite3.Connection, run: str, driver: str) -> bool:
    """Return whether a run is recorded as one that its driver still drives; asked in the transaction that relies on it.

    Args:
        connection: In a transaction.
        run: Its id.
        driver: Who drives it, as `identify_driver` says it.
    """
    row = connection.execute(
        "SELECT w.text, r.driver FROM run AS r JOIN word AS w ON w.id = r.status WHERE r.run = ?", (run,)
    ).fetchone()
    return row is not None and tuple(row) == (RunStatus.RUNNING.value, driver)


def end_crashed_runs(
    connection: sqlite3.Connection, identities: Identities, is_driven: Callable[[str, str], bool]
) -> tuple[str, ...]:
    """Mark the running runs whose driver is gone, and return their ids.

    A driver lets its lock go only after it committed how its run ended; so what is still `running` here, under the
    write lock, and not held, was left behind.
    """
    open_runs = connection.execute(
        "SELECT run, driver FROM run WHERE status = ? AND ended IS NULL", (identities.word(RunStatus.RUNNING),)
    ).fetchall()
    crashed = tuple(run for run, driver in open_runs if not is_driven(run, driver))
    for run in crashed:
        end_run(connection, identities, run, RunStatus.CRASHED, None, None)
    return crashed
