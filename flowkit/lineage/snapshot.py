"""Copies of the database: one that is taken while runs go on, and what becomes of it on another machine."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from flowkit.errors import LineageError
from flowkit.lineage.connection import LOCK_TIMEOUT, connect_as_it_is, opening, reporting
from flowkit.lineage.holders import find_lock_holders
from flowkit.lineage.identities import Identities
from flowkit.lineage.runs import end_crashed_runs

_PRIVATE = 0o600
_PAUSE = 0.001
_ALL_PAGES = -1


def copy_database(source: Path, target: Path, timeout: float = LOCK_TIMEOUT) -> int:
    """Copy a database that others may be writing to, and return the version of its schema.

    The copy is of one moment and is checked. It is taken in one step, for which commits wait: in several, every commit
    in between would have it begin anew, for ever where many write.

    Args:
        source: The database.
        target: A file that is made, with mode 0600; what stands there is replaced.
        timeout: Seconds to wait for other processes' locks.

    Raises:
        LineageError: The database is newer, damaged, of something else or locked, or the copy cannot be written.
    """
    with opening(source, timeout):
        connection, version = connect_as_it_is(source, timeout)
    with closing(connection):
        with opening(target):
            target.unlink(missing_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))
        with opening(source, timeout), closing(_connect_to_copy(target)) as copy:
            _fill(connection, copy, source, timeout)
            # As a file that needs nothing beside it, wherever it is unpacked.
            copy.execute("PRAGMA journal_mode = DELETE").fetchall()
            _check(copy, source)
    return version


def schema_version(path: Path) -> int:
    """Return the version of a database's schema; nothing is changed, nor made beside it.

    Raises:
        LineageError: There is none, or it is newer, damaged or of something else.
    """
    with opening(path):
        connection, version = connect_as_it_is(path)
        connection.close()
    return version


def end_open_runs(path: Path) -> tuple[str, ...]:
    """Mark every run of a copy that has not ended as crashed, and return their ids.

    Their drivers go on with the original, if anywhere.

    Raises:
        LineageError: The copy cannot be written.
    """
    with opening(path), closing(_connect_to_copy(path)) as connection, reporting(path):
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        crashed = end_crashed_runs(connection, Identities(connection), lambda run, driver: False)
        connection.execute("COMMIT")
        return crashed


def _connect_to_copy(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    # Nobody else sees the copy yet; whoever made it makes it durable before anybody does.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = OFF").fetchall()
    return connection


def _fill(source: sqlite3.Connection, copy: sqlite3.Connection, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout

    def bound(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > deadline and not (remaining == 0 and total > 0):
            raise LineageError.for_locked(path, timeout, find_lock_holders(path))

    source.backup(copy, pages=_ALL_PAGES, progress=bound, sleep=_PAUSE)


def _check(copy: sqlite3.Connection, path: Path) -> None:
    faults = [text for (text,) in copy.execute("PRAGMA integrity_check(3)").fetchall() if text != "ok"]
    if faults:
        raise LineageError.for_malformed(path, "; ".join(faults))
