"""What a store holds, as something that two stores can be compared by."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

QUERIES = (
    "SELECT run, pipeline, env, exit_code, started, user, host, argv FROM runs ORDER BY run",
    "SELECT * FROM nodes ORDER BY run, node",
    "SELECT * FROM artifacts ORDER BY artifact",
    "SELECT * FROM node_outputs ORDER BY run, node, name",
    "SELECT * FROM models ORDER BY model, version",
    "SELECT * FROM aliases",
    "SELECT * FROM audit ORDER BY sequence",
)


def rows_of(store: Path) -> list[list[tuple[object, ...]]]:
    """Return what the views of a store's database say."""
    with closing(sqlite3.connect(store / "lineage.db")) as connection:
        return [connection.execute(query).fetchall() for query in QUERIES]


def files_of(store: Path) -> dict[str, str]:
    """Return the digest of each blob and log by its name."""
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("blobs", "runs")
        for path in sorted((store / folder).rglob("*"))
        if path.is_file()
    }


def names_in(folder: Path) -> set[str]:
    """Return everything below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
