"""Makes and upgrades the schema; refuses what a newer flowkit wrote, before a byte of it changes.

`PRAGMA user_version` counts the migrations that a file has seen, so that a file that is up to date is recognised
without sqlite-utils. It upgrades what an older flowkit made; an empty file gets the same migrations from here, recorded
as sqlite-utils records them, because that library takes a third of a second to import where pandas is installed.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flowkit.errors import LineageError
from flowkit.lineage.tables import TABLES, WORDS
from flowkit.lineage.views import VIEWS

APPLICATION_ID = 0x666C6B74
"""The `PRAGMA application_id` of a lineage database: the letters `flkt`."""


def create_tables(connection: sqlite3.Connection) -> None:
    """Migration 1: all tables, and the words with fixed ids."""
    for statement in _statements(TABLES):
        connection.execute(statement)
    connection.executemany("INSERT INTO word (id, text) VALUES (?, ?)", list(enumerate(WORDS, 1)))


def create_views(connection: sqlite3.Connection) -> None:
    """Migration 2: the public views."""
    replace_views(connection)


def replace_views(connection: sqlite3.Connection) -> None:
    """Make the public views as they are described now, in place of those there are; for migrations."""
    for name, query in VIEWS.items():
        connection.execute(f'DROP VIEW IF EXISTS "{name}"')
        connection.execute(f'CREATE VIEW "{name}" AS {query}')


def hide_unpacking(connection: sqlite3.Connection) -> None:
    """Migration 3: the views leave out what takes a list apart."""
    replace_views(connection)


def record_makers(connection: sqlite3.Connection) -> None:
    """Migration 4: of each input, the execution that gave it, as equal content may come from several."""
    connection.execute("ALTER TABLE input ADD COLUMN maker INTEGER REFERENCES execution")


def record_paths(connection: sqlite3.Connection) -> None:
    """Migration 5: of each part of a code fingerprint, the position of the part that first refers to it."""
    connection.execute("ALTER TABLE code_member ADD COLUMN via INTEGER")


def list_folders(connection: sqlite3.Connection) -> None:
    """Migration 6: the files of folders that came in, by the folder's digest."""
    connection.execute("CREATE TABLE folder_listing (digest BLOB PRIMARY KEY, files BLOB NOT NULL) WITHOUT ROWID")


def keep_acceptances(connection: sqlite3.Connection) -> None:
    """Migration 7: executions that a person let stand for edited code, and what they stand for.

    Such an execution ran nothing: it has the key of the edited code, and the outputs of `source`, which may be one of
    this kind itself; `origin` is the one that ran. `after_run` is the run that was the latest then; `audit` says who
    did it, when and why.
    """
    connection.execute(
        """CREATE TABLE acceptance (
    execution INTEGER PRIMARY KEY REFERENCES execution,
    source INTEGER NOT NULL REFERENCES execution,
    origin INTEGER NOT NULL REFERENCES execution,
    after_run INTEGER NOT NULL REFERENCES run,
    audit INTEGER NOT NULL REFERENCES audit_record (sequence)
)"""
    )


def record_uncached(connection: sqlite3.Connection) -> None:
    """Migration 8: why a result is not kept for reuse, where something that happened meanwhile forbids it."""
    columns = "execution INTEGER PRIMARY KEY REFERENCES execution, cause INTEGER NOT NULL REFERENCES word"
    connection.execute(f"CREATE TABLE uncached ({columns})")


def keep_collections(connection: sqlite3.Connection) -> None:
    """Migration 9: artifacts whose files a collection removed, and those that a person keeps from that.

    `dropped.at` is in seconds since the epoch; a row goes once the artifact is there again. `pin.audit` says who pinned
    it, when and why.
    """
    connection.execute("CREATE TABLE dropped (artifact INTEGER PRIMARY KEY REFERENCES artifact, at REAL NOT NULL)")
    connection.execute(
        "CREATE TABLE pin (artifact INTEGER PRIMARY KEY REFERENCES artifact,"
        " audit INTEGER NOT NULL REFERENCES audit_record (sequence))"
    )
    connection.execute("CREATE INDEX artifact_file_file ON artifact_file (file)")


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    create_tables,
    create_views,
    hide_unpacking,
    record_makers,
    record_paths,
    list_folders,
    keep_acceptances,
    record_uncached,
    keep_collections,
)
"""In the order in which they were released; only ever appended to."""

SCHEMA_VERSION = len(MIGRATIONS)

MIGRATION_SET = "flowkit"
"""The name under which sqlite-utils knows the migrations."""

_APPLIED = (
    """CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
)""",
    """CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name")""",
)


# One statement sees one moment: another process may be making the tables just now.
_VERSION = (
    "SELECT v.user_version, a.application_id, EXISTS (SELECT 1 FROM sqlite_master)"
    " FROM pragma_user_version AS v, pragma_application_id AS a"
)


def read_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the number of migrations that the database has seen, 0 for an empty file.

    Raises:
        LineageError: A newer flowkit wrote it, or it is a database of something else.
    """
    version: int
    version, identity, filled = connection.execute(_VERSION).fetchone()
    if identity != APPLICATION_ID and (identity or version or filled):
        raise LineageError.for_foreign(path)
    if version > SCHEMA_VERSION:
        raise LineageError.for_newer(path, version, SCHEMA_VERSION)
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema up to date, within the transaction that the caller has begun.

    Raises:
        LineageError: A newer flowkit wrote it, or it is a database of something else.
    """
    version = read_version(connection, path)
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        create_anew(connection)
    else:
        upgrade(connection)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def create_anew(connection: sqlite3.Connection) -> None:
    """Apply all migrations to an empty database, leaving exactly what `upgrade` would leave."""
    for statement in _APPLIED:
        connection.execute(statement)
    for migration in MIGRATIONS:
        migration(connection)
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            (MIGRATION_SET, migration.__name__, str(dt.datetime.now(dt.UTC))),
        )


def upgrade(connection: sqlite3.Connection) -> None:
    """Apply the migrations that a database has not seen."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations(MIGRATION_SET)
    for migration in MIGRATIONS:
        migrations(name=migration.__name__)(_of_database(migration))
    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))


def upgraded_copy(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """Return a copy of an older database in memory, brought up to date, for queries only.

    Raises:
        LineageError: It is one of something else.
    """
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.backup(copy, pages=-1, progress=_refuse_to_wait)
        copy.execute("BEGIN")
        migrate(copy, path)
        copy.execute("COMMIT")
        copy.execute("PRAGMA query_only = ON")
    except BaseException:
        copy.close()
        raise
    return copy


def _refuse_to_wait(status: int, remaining: int, total: int) -> None:
    """Leave waiting for a lock to the caller: `backup` itself would go on trying without an end."""
    if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = status
        raise error


def _of_database(migration: Callable[[sqlite3.Connection], None]) -> Callable[[Any], None]:
    return lambda database: migration(database.conn)


def _statements(script: str) -> Iterator[str]:
    """Cut a script into statements, since `executescript` would commit the open transaction."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n;"):
                yield statement
            statement = ""
