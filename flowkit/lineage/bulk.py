"""Many rows in few statements, for the one connection that writes.

Each statement costs a call, and gives up the interpreter to other threads and waits to have it back; so a batch asks
and writes in blocks. There are few sizes of them, so that SQLite has each statement at hand.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

_LISTED = (1, 8, 64)
"""How many values a list after IN has; one that is shorter is filled up with NULL, which equals nothing."""

_INSERTED = (32, 4, 1)
"""How many rows are inserted at once."""


def insert_rows(connection: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows in their order.

    Args:
        connection: In a transaction.
        into: The statement up to the columns' names.
        rows: As long as each other.
    """
    if len(rows) == 1:
        connection.execute(_inserting(into, len(rows[0]), 1), rows[0])
        return
    start = 0
    for size in _INSERTED:
        while len(rows) - start >= size:
            some = rows[start : start + size]
            connection.execute(_inserting(into, len(some[0]), size), list(chain.from_iterable(some)))
            start += size


def select_among(
    connection: sqlite3.Connection, query: str, values: Sequence[object], fixed: Sequence[object] = ()
) -> list[tuple[Any, ...]]:
    """Return the rows of a query that has a list, `{values}`, after what else it has parameters for."""
    if len(values) == 1:
        return connection.execute(_listing(query, 1), (*fixed, values[0])).fetchall()
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(values), _LISTED[-1]):
        some = values[start : start + _LISTED[-1]]
        size = next(size for size in _LISTED if size >= len(some))
        listed = (*fixed, *some, *(None,) * (size - len(some)))
        rows += connection.execute(_listing(query, size), listed).fetchall()
    return rows


@lru_cache(maxsize=256)
def _inserting(into: str, width: int, size: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{into} VALUES {', '.join([row] * size)}"


@lru_cache(maxsize=256)
def _listing(query: str, size: int) -> str:
    return query.replace("{values}", ", ".join("?" * size))
