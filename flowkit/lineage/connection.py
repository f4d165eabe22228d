"""Opens connections to the lineage database, ends its transactions, and puts SQLite's errors into words."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from flowkit import lineage
from flowkit.errors import LineageError
from flowkit.lineage.journal import choose_journal_mode, find_file_system
from flowkit.lineage.schema import SCHEMA_VERSION, migrate, read_version, upgraded_copy
from flowkit.store.files import fsync_directory

T = TypeVar("T")

LOCK_TIMEOUT = 60.0
"""Seconds for which a lock is waited for before it is reported."""

LARGEST_UPGRADED_COPY = 512 << 20
"""Bytes of an older database that are copied into memory to be read; a larger one must be upgraded first."""

_ATTEMPT = 0.02
"""Seconds for which SQLite itself waits at a time.

Its pauses grow to a tenth of a second, while the gap that a busy writer leaves is of microseconds: who wants to be let
in must look often.
"""

_MOST_COUNTED = 0.5
"""Seconds of one such wait that count; where it took longer the process stood still."""

_PRIVATE = 0o600


def connect_for_writing(path: Path, timeout: float = LOCK_TIMEOUT, *, durable: bool = True) -> sqlite3.Connection:
    """Open the database for its one writer, making it or upgrading its schema where needed.

    Args:
        path: The file; made with mode 0600 where there is none, its folder must exist.
        timeout: Seconds to wait for another process's lock.
        durable: Whether a commit waits until the disk has it.

    Raises:
        LineageError: It is newer, of something else, damaged, locked, or cannot be written.
    """
    with opening(path):
        if not _create(path):
            _refuse_other_than_file(path)
            _check_unopened(path, timeout)
        connection = sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None, check_same_thread=False)
        try:
            _configure_writer(connection, path, timeout, durable)
            version = waiting(lambda: read_version(connection, path), path, timeout)
            if version == 0:
                # SQLite syncs the folder for its journal's sake and passes over a failure of that.
                fsync_directory(path.parent)
            if version != SCHEMA_VERSION:
                begin(connection, path, timeout)
                with rolling_back(connection):
                    migrate(connection, path)
                    commit(connection, path, timeout)
            _prove_writable(connection, path, timeout)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_for_reading(path: Path, timeout: float = LOCK_TIMEOUT) -> sqlite3.Connection:
    """Open the database for queries only; each of them must go through `waiting`.

    Where this user may write the file, the connection could too but is told not to: only so can SQLite roll back what
    a killed writer left half done.

    What an older flowkit made is read from an upgraded copy in memory: looking at a store changes nothing in it.

    Raises:
        LineageError: There is none, or it is newer, of something else or damaged, or older and too large for a copy.
    """
    with opening(path, timeout):
        connection, version = connect_as_it_is(path, timeout)
        if version == SCHEMA_VERSION:
            return connection
        with closing(connection):
            if path.stat().st_size > LARGEST_UPGRADED_COPY:
                raise LineageError.for_older(path, version, SCHEMA_VERSION)
            return waiting(lambda: upgraded_copy(connection, path), path, timeout)


def connect_as_it_is(path: Path, timeout: float = LOCK_TIMEOUT) -> tuple[sqlite3.Connection, int]:
    """Open a database of this or an older schema for reading, and return the schema's version with the connection.

    Raises:
        LineageError: There is none, or it is newer, of something else or damaged.
        OSError: It cannot be looked at; called within `opening`.
    """
    if not path.exists():
        raise LineageError.for_missing(path)
    _refuse_other_than_file(path)
    if path.stat().st_size == 0:
        raise LineageError.for_missing(path)
    version = _check_unopened(path, timeout)
    if version == 0:
        raise LineageError.for_missing(path)
    mode = "rw" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "ro"
    connection = sqlite3.connect(_uri(path, mode), uri=True, isolation_level=None, check_same_thread=False)
    try:
        _wait_at_most(connection, min(timeout, _ATTEMPT))
        connection.execute("PRAGMA query_only = ON")
        if version is None:
            version = waiting(lambda: read_version(connection, path), path, timeout)
    except BaseException:
        connection.close()
        raise
    return connection, version


def begin(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Begin a transaction that holds the write lock from its start.

    A transaction that reads first and then wants to write fails at once when another one wrote in between; no timeout
    helps it.
    """
    waiting(lambda: connection.execute("BEGIN IMMEDIATE"), path, timeout)


def commit(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Commit, waiting for readers to finish: with a rollback journal an open cursor anywhere holds a commit up."""
    waiting(lambda: connection.execute("COMMIT"), path, timeout)


def waiting(action: Callable[[], T], path: Path, timeout: float) -> T:
    """Do something again until no other process's lock is in its way, and return what it gives.

    A connection itself waits for a moment only, as nothing interrupts it while it does; every statement that takes a
    lock must come through here, a reading one too: under many writers one moment is not enough to be let in.

    What counts is the time spent in attempts, each for little more than it can take: a process that stood still, or a
    machine that slept, has not waited.

    Raises:
        LineageError: It was locked for all of `timeout` seconds.
    """
    waited = 0.0
    while True:
        began = time.monotonic()
        try:
            return action()
        except sqlite3.OperationalError as error:
            if _primary(error) != sqlite3.SQLITE_BUSY:
                raise
            waited += min(time.monotonic() - began, _MOST_COUNTED)
            if waited >= timeout:
                raise LineageError.for_locked(path, timeout, lineage.find_lock_holders(path)) from error


@contextmanager
def rolling_back(connection: sqlite3.Connection) -> Iterator[None]:
    """Roll the open transaction back where the block fails."""
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def reporting(path: Path, waited: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Turn what SQLite raises into a `LineageError` that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _describe(error, path, waited) from error


@contextmanager
def opening(path: Path, waited: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Do as `reporting` does, also with what the operating system raises."""
    try:
        with reporting(path, waited):
            yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LineageError.for_full(path) from error
        raise LineageError.for_unopenable(path, error.strerror or str(error)) from error


def _create(path: Path) -> bool:
    """Make an empty private file; False where there is one.

    An existing one must not be opened and closed here: that would drop this process's POSIX locks on it.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _PRIVATE))
    except FileExistsError:
        return False
    return True


def _refuse_other_than_file(path: Path) -> None:
    """Refuse a folder, of which SQLite says that the disk fails, and a pipe, which looks like an empty database."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise LineageError.for_not_a_file(path)


def _check_unopened(path: Path, timeout: float) -> int | None:
    """Read the schema's version through a connection that can change no byte.

    None where that cannot be done: a killed writer left a journal that must be rolled back first.
    """
    try:
        connection = sqlite3.connect(_uri(path, "ro"), uri=True, isolation_level=None)
        try:
            _wait_at_most(connection, min(timeout, _ATTEMPT))
            return waiting(lambda: read_version(connection, path), path, timeout)
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        if _primary(error) in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            return None
        raise


def _configure_writer(connection: sqlite3.Connection, path: Path, timeout: float, durable: bool) -> None:
    mode = choose_journal_mode(sqlite3.sqlite_version_info, find_file_system(path)) if durable else "memory"
    _wait_at_most(connection, min(timeout, _ATTEMPT))
    waiting(lambda: connection.execute(f"PRAGMA journal_mode = {mode}").fetchall(), path, timeout)
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    connection.execute("PRAGMA foreign_keys = ON")
    # A cache that overflows in a transaction would want the exclusive lock early, while readers are at work.
    connection.execute("PRAGMA cache_spill = OFF")


def _prove_writable(connection: sqlite3.Connection, path: Path, timeout: float) -> None:
    """Raise now what the first record would raise: a file that may not be written opens all the same."""
    begin(connection, path, timeout)
    with rolling_back(connection):
        connection.execute("DELETE FROM word WHERE 0")
        connection.execute("ROLLBACK")


def _wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


_WITHOUT_FILE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR})
"""What SQLite says where a file that it has open is removed."""


def _describe(error: sqlite3.Error, path: Path, waited: float) -> LineageError:
    code = _primary(error)
    reason = str(error)
    if code in _WITHOUT_FILE and not path.exists():
        return LineageError.for_vanished(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LineageError.for_locked(path, waited, lineage.find_lock_holders(path))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return LineageError.for_read_only(path, reason)
    if code == sqlite3.SQLITE_FULL:
        return LineageError.for_full(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LineageError.for_malformed(path, reason)
    if code == sqlite3.SQLITE_CANTOPEN:
        return LineageError.for_unopenable(path, reason)
    if code == sqlite3.SQLITE_CONSTRAINT:
        return LineageError.for_refusal(path, reason)
    return LineageError.for_io(path, f"{reason} ({getattr(error, 'sqlite_errorname', 'unknown')})")


def _primary(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"
