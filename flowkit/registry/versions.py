"""Rows of models, versions and aliases, read and written within the writer's transaction."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import sqlite3

from msgspec import Struct

from flowkit.errors import NotRecordedError
from flowkit.lineage.texts import clean_text
from flowkit.records import VersionState


class VersionRecord(Struct, frozen=True):
    """A version as its row has it; `artifact` is the row's id."""

    id: int
    version: int
    artifact: int
    state: VersionState


_VERSION = "SELECT id, version, artifact, state FROM model_version"


def find_model(connection: sqlite3.Connection, model: str) -> int | None:
    """Return the id of a model, None where no version of it was ever registered."""
    row: tuple[int] | None = connection.execute("SELECT id FROM model WHERE name = ?", (model,)).fetchone()
    return row[0] if row is not None else None


def require_model(connection: sqlite3.Connection, model: str) -> int:
    """Return the id of a model.

    Raises:
        NotRecordedError: There is none of that name.
    """
    found = find_model(connection, model)
    if found is None:
        known = [name for (name,) in connection.execute("SELECT name FROM model ORDER BY name").fetchall()]
        raise NotRecordedError.for_model(model, known)
    return found


def insert_model(connection: sqlite3.Connection, model: str) -> int:
    """Return the id of a model, making its row where there is none."""
    connection.execute("INSERT INTO model (name) VALUES (?) ON CONFLICT DO NOTHING", (model,))
    return require_model(connection, model)


def find_made_of(connection: sqlite3.Connection, model: int, artifact: int) -> VersionRecord | None:
    """Return the version that was made of an artifact: there is one at most."""
    return _one(connection, f"{_VERSION} WHERE model = ? AND artifact = ?", (model, artifact))


def find_version(connection: sqlite3.Connection, model: int, version: int) -> VersionRecord | None:
    """Return a version by its number."""
    return _one(connection, f"{_VERSION} WHERE model = ? AND version = ?", (model, version))


def require_version(connection: sqlite3.Connection, model: str, version: int) -> VersionRecord:
    """Return a version by its number.

    Raises:
        NotRecordedError: There is no such model or version.
    """
    identity = require_model(connection, model)
    found = find_version(connection, identity, version)
    if found is None:
        rows = connection.execute(
            "SELECT version FROM model_version WHERE model = ? ORDER BY version", (identity,)
        ).fetchall()
        raise NotRecordedError.for_version(model, version, [number for (number,) in rows])
    return found


def find_held(connection: sqlite3.Connection, model: int, alias: str) -> VersionRecord | None:
    """Return the version that an alias points to."""
    return _one(
        connection,
        f"{_VERSION} WHERE id = (SELECT version FROM model_alias WHERE model = ? AND name = ?)",
        (model, alias),
    )


def next_version(connection: sqlite3.Connection, model: int | None) -> int:
    """Return the number that the model's next version gets."""
    number: int = connection.execute(
        "SELECT ifnull(max(version), 0) + 1 FROM model_version WHERE model = ?", (model,)
    ).fetchone()[0]
    return number


def insert_version(
    connection: sqlite3.Connection,
    model: int,
    artifact: int,
    run: int | None,
    node: str | None,
    created: float,
    state: VersionState,
) -> VersionRecord:
    """Make a version of an artifact, with the model's next number."""
    number = next_version(connection, model)
    identity = connection.execute(
        "INSERT INTO model_version (model, version, artifact, run, node, created, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (model, number, artifact, run, clean_text(node) if node is not None else None, created, state),
    ).lastrowid
    assert identity is not None
    return VersionRecord(identity, number, artifact, state)


def set_state(connection: sqlite3.Connection, version: VersionRecord, state: VersionState) -> None:
    """Write what became of a version."""
    connection.execute("UPDATE model_version SET state = ? WHERE id = ?", (state, version.id))


def move_alias(
    connection: sqlite3.Connection,
    model: int,
    alias: str,
    seen: VersionRecord | None,
    version: VersionRecord,
    action: str,
    at: float,
) -> bool:
    """Let an alias point to `version` if it still points to the version that was seen; return whether it does.

    Args:
        connection: The writer's, with the write lock held.
        model: The model's id.
        alias: The alias.
        seen: What it pointed to when the decision was made, None for nothing.
        version: What it shall point to.
        action: What moved it, kept with the move.
        at: Seconds since the epoch.
    """
    if seen is None:
        statement = "INSERT INTO model_alias (version, model, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        moved = connection.execute(statement, (version.id, model, alias)).rowcount
    else:
        statement = "UPDATE model_alias SET version = ? WHERE model = ? AND name = ? AND version = ?"
        moved = connection.execute(statement, (version.id, model, alias, seen.id)).rowcount
    if moved != 1:
        return False
    connection.execute(
        "INSERT INTO alias_move (model, alias, earlier, version, action, at) VALUES (?, ?, ?, ?, ?, ?)",
        (model, alias, seen.id if seen is not None else None, version.id, action, at),
    )
    return True


def _one(connection: sqlite3.Connection, query: str, parameters: tuple[object, ...]) -> VersionRecord | None:
    row = connection.execute(query, parameters).fetchone()
    return VersionRecord(row[0], row[1], row[2], VersionState(row[3])) if row is not None else None
