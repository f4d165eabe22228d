"""A connection for queries. Each query fetches all of its rows and closes its cursor before it returns.

A cursor left open would hold up every commit of a database with a rollback journal.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flowkit.lineage.connection import LOCK_TIMEOUT, connect_for_reading, reporting, waiting

Row = tuple[Any, ...]

_MOST_PARAMETERS = 500

_REMEMBERED_KIB = 32 << 10
"""How much of a database is kept in memory at most, where that is asked for; SQLite's own bound is 2 MB."""


class Reader:
    """Reads one lineage database. Safe to use from several threads.

    Args:
        path: The database.
        timeout: Seconds to wait for a commit that is under way.

    Raises:
        LineageError: There is none, or it is newer, older, damaged or of something else.
    """

    def __init__(self, path: Path, timeout: float = LOCK_TIMEOUT) -> None:
        self.path = path
        self._timeout = timeout
        self._lock = threading.RLock()
        self._connection = connect_for_reading(path, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def select(self, query: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a query.

        Raises:
            LineageError: The database is locked or damaged.
        """
        with self._lock, reporting(self.path, self._timeout):
            return waiting(lambda: self._connection.execute(query, parameters).fetchall(), self.path, self._timeout)

    def select_among(self, query: str, values: Sequence[object], fixed: Sequence[object] = ()) -> list[Row]:
        """Return the rows of a query that has a list, however many values that is.

        Args:
            query: With `{values}` where the list after IN stands.
            values: The list; a value given twice may give its rows twice.
            fixed: Parameters that stand before the list.
        """
        rows: list[Row] = []
        for start in range(0, len(values), _MOST_PARAMETERS):
            some = values[start : start + _MOST_PARAMETERS]
            rows += self.select(query.replace("{values}", ",".join("?" * len(some))), (*fixed, *some))
        return rows

    def remember_pages(self) -> None:
        """Keep more of the database in memory, for queries that come back to pages all over it."""
        self.select(f"PRAGMA cache_size = -{_REMEMBERED_KIB}")

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Let the queries of the block see one state of the database; commits wait for the block to end.

        A block within a block belongs to the outer one's moment.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self.select("BEGIN")
            try:
                yield
            finally:
                self.select("COMMIT")
