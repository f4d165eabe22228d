"""Makes and upgrades the schema; refuses what a newer flowkit wrote, before a byte of it changes.

`PRAGMA user_version` counts the migrations that a file has seen, so that a file that is up to date is recognised
without sqlite-utils, which is imported only where a migration must run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowkit.errors import LineageError
from flowkit.lineage.tables import TABLES, WORDS
from flowkit.lineage.views import VIEWS

APPLICATION_ID = 0x666C6B74
"""The `PRAGMA application_id` of a lineage database: the letters `flkt`."""


def create_tables(database: Any) -> None:
    """Migration 1: all tables, and the words with fixed ids."""
    connection: sqlite3.Connection = database.conn
    for statement in _statements(TABLES):
        connection.execute(statement)
    connection.executemany("INSERT INTO word (id, text) VALUES (?, ?)", list(enumerate(WORDS, 1)))


def create_views(database: Any) -> None:
    """Migration 2: the public views."""
    for name, query in VIEWS.items():
        database.create_view(name, query)


def hide_unpacking(database: Any) -> None:
    """Migration 3: the views leave out what takes a list apart."""
    for name, query in VIEWS.items():
        database.create_view(name, query, replace=True)


MIGRATIONS = (create_tables, create_views, hide_unpacking)
"""In the order in which they were released; only ever appended to."""

SCHEMA_VERSION = len(MIGRATIONS)


def read_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the number of migrations that the database has seen, 0 for an empty file.

    Raises:
        LineageError: A newer flowkit wrote it, or it is a database of something else.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    identity: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if identity != APPLICATION_ID and (
        identity or version or connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    ):
        raise LineageError.for_foreign(path)
    if version > SCHEMA_VERSION:
        raise LineageError.for_newer(path, version, SCHEMA_VERSION)
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, within the transaction that the caller has begun.

    Raises:
        LineageError: A newer flowkit wrote it, or it is a database of something else.
    """
    if read_version(connection, path) == SCHEMA_VERSION:
        return
    from sqlite_utils import Database, Migrations

    migrations = Migrations("flowkit")
    for migration in MIGRATIONS:
        migrations()(migration)
    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements, since `executescript` would commit the open transaction."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
