"""What must hold of a store whatever was done to it, and what it holds: looked at from outside."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from flowkit.codecs.base import digest_chunk, digest_payload
from flowkit.registry.audit import verify_chain
from flowkit.store.names import blob_name, digest_in
from flowkit.store.packs import DamagedFileError, read_layout

_FORMATS = ("bytes", "table", "npy", "array", "json", "text", "pickle", "file", "path", "model")

_FILES = """
    SELECT lower(hex(b.digest)), w.text, b.size FROM artifact_file AS l
    JOIN blob_file AS b ON b.id = l.file JOIN word AS w ON w.id = b.suffix"""

_ALIASES = "SELECT model, alias, count(*), max(version) FROM aliases GROUP BY model, alias"

_MOVES = """
    SELECT subject, evidence FROM audit WHERE action IN ('promote', 'promote by hand', 'rollback') ORDER BY sequence"""


def find_violations(path: Path, known: set[str] | None = None) -> list[str]:
    """Return what is wrong with the store at `path`; a store that is not there yet, or has no database, is right.

    Args:
        path: The store.
        known: Blobs that were found right before and are not hashed again; those found right now are added.
    """
    wrong = list(_wrong_blobs(path, set() if known is None else known))
    with _snapshot(path) as connection:
        if connection is not None:
            wrong += _wrong_rows(connection, path)
    return wrong


def compare(path: Path, expected: dict[str, Any]) -> list[str]:
    """Return what is wrong with a store, and where it differs from what `summarise` said of another one."""
    wrong = list(_wrong_blobs(path, set()))
    with _snapshot(path) as connection:
        if connection is not None:
            wrong += _wrong_rows(connection, path)
        return [*wrong, *_differences(_summarise(path, connection), expected)]


def summarise(path: Path) -> dict[str, Any]:
    """Return what is to be the same however a store came about: its content, registry and schema, without times."""
    with _snapshot(path) as connection:
        return _summarise(path, connection)


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Give one moment of the database, as others may be writing; None where there is none yet."""
    database = path / "lineage.db"
    if not database.exists() or not database.stat().st_size:
        yield None
        return
    with closing(sqlite3.connect(database, isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN")
        yield connection


def _wrong_rows(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    for (text,) in connection.execute("PRAGMA integrity_check").fetchall():
        if text != "ok":
            yield f"integrity: {text}"
    for row in connection.execute("PRAGMA foreign_key_check").fetchall():
        yield f"foreign key: {row}"
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        return
    for digest, suffix, size in connection.execute(_FILES).fetchall():
        file = path / "blobs" / blob_name(digest, suffix)
        if not file.exists():
            yield f"dangling: a row names {file.name}, which is gone"
        elif file.stat().st_size != size:
            yield f"dangling: {file.name} has {file.stat().st_size} bytes, its row says {size}"
    if version > 1:  # which made the views
        yield from _wrong_registry(connection)


def _wrong_registry(connection: sqlite3.Connection) -> Iterator[str]:
    broken = verify_chain(connection)
    if broken is not None:
        yield f"audit: the chain is broken at row {broken}"
    states = {
        (model, version): state
        for model, version, state in connection.execute("SELECT model, version, state FROM models").fetchall()
    }
    told = {}
    for subject, text in connection.execute(_MOVES).fetchall():
        model, _, version = subject.partition(":")
        evidence = json.loads(text)
        # A run's promotion is told of the version that it moved to, a rollback of the one that it left.
        told[model, evidence["alias"]] = evidence.get("to", int(version))
    held = {}
    for model, alias, count, version in connection.execute(_ALIASES).fetchall():
        if count != 1:
            yield f"champions: {model}@{alias} points to {count} versions"
        if states.get((model, version)) != "registered":
            yield f"champions: {model}@{alias} points to a version that is {states.get((model, version))}"
        held[model, alias] = version
    if held != told:
        yield f"audit: it tells of {told}, the aliases are {held}"


def _wrong_blobs(path: Path, known: set[str]) -> Iterator[str]:
    quarantine = path / "quarantine"
    if quarantine.exists():
        yield from (f"corrupt: {file.name} is in quarantine" for file in quarantine.iterdir())
    for file in (path / "blobs").glob("*/*"):
        name = f"{file.parent.name}/{file.name}"
        if name in known:
            continue
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # removed meanwhile
            continue
        try:
            right = _is_right(path, name, content)
        except (DamagedFileError, FileNotFoundError) as error:
            yield f"corrupt: {name}: {error}"
            continue
        if not right:
            yield f"corrupt: {name} does not hold what its name says"
        else:
            known.add(name)


def _is_right(path: Path, name: str, content: bytes) -> bool:
    layout = read_layout(name, memoryview(content))
    payload = content[layout.payload.offset :][: layout.payload.length]
    if digest_in(name) not in {digest_payload(format_name, payload) for format_name in _FORMATS}:
        return False
    held = {name: content}
    for digest, location in layout.chunks.items():
        if location.name not in held:
            held[location.name] = (path / "blobs" / location.name).read_bytes()
        if digest_chunk(held[location.name][location.offset :][: location.length]) != digest:
            return False
    return True


def _summarise(path: Path, connection: sqlite3.Connection | None) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "blobs": sorted(f"{file.parent.name}/{file.name}" for file in (path / "blobs").glob("*/*")),
        "modes": {
            name: oct(stat.S_IMODE(file.stat().st_mode))
            for name in ("", "blobs", ".gitignore", "lineage.db")
            if (file := path / name).exists()
        },
    }
    if connection is None:
        return summary

    def rows(query: str) -> list[list[Any]]:
        return [list(row) for row in connection.execute(query).fetchall()]

    schema = rows("SELECT type, name, sql FROM sqlite_master")
    summary["schema"] = sorted([kind, name, " ".join((sql or "").split())] for kind, name, sql in schema)
    if schema:
        summary |= {name: rows(query) for name, query in _CONTENT.items()}
    return summary


_STANDING = """
    SELECT lower(hex(e.entry_key)), e.generation, w.text, lower(hex(a.digest)) FROM entry AS e
    JOIN output AS o ON o.execution = e.execution JOIN word AS w ON w.id = o.name
    JOIN artifact AS a ON a.id = o.artifact
    ORDER BY 1, 3"""

_LAST = """
    SELECT o.node, o.name, o.artifact FROM node_outputs AS o
    WHERE o.run = (SELECT run FROM runs WHERE status = 'succeeded' ORDER BY started DESC LIMIT 1) ORDER BY 1, 2"""


_CONTENT = {
    "version": "PRAGMA user_version",
    "artifacts": "SELECT artifact, format, bytes FROM artifacts ORDER BY artifact",
    "entries": _STANDING,
    "models": "SELECT model, version, artifact, node, state FROM models ORDER BY model, version",
    "aliases": "SELECT model, alias, version FROM aliases ORDER BY model, alias",
    "audit": "SELECT sequence, action, subject FROM audit ORDER BY sequence",
    "running": "SELECT count(*) FROM runs WHERE status = 'running'",
    "last": _LAST,
}


def _differences(found: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            yield f"{name}: {_short(found.get(name))} instead of {_short(expected.get(name))}"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"
