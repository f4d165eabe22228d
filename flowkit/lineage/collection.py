"""Forgets files: what a collection changes in the database, inside the writer's transactions.

An artifact that is forgotten stays in history: its row, and the rows of those that made and used it. Only then, in a
later transaction, may its files be unlinked, if still nothing names them.
"""

# ruff: noqa: S608  (queries are put together from the constants of this module and of `holdings` only)

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from flowkit.lineage.holdings import KEPT_STATES
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION
from flowkit.lineage.tables import REUSED
from flowkit.lineage.texts import to_bytes, to_prefix
from flowkit.records import Digest, RunStatus
from flowkit.store.names import blob_name, digest_in, suffix_in

_RUNNING = f"(ended IS NULL AND status = (SELECT id FROM word WHERE text = '{RunStatus.RUNNING.value}'))"

# Not one query with OR: each of the two has an index of its own.
_LIVE = f"(SELECT id FROM run WHERE id > ?2 UNION ALL SELECT id FROM run WHERE {_RUNNING})"

_USED = " OR ".join(
    f"""EXISTS (
        SELECT 1 FROM {table} AS t JOIN execution AS x ON x.id = t.execution
        WHERE t.artifact = ?1 AND (
            x.run IN {_LIVE}
            OR EXISTS (
                SELECT 1 FROM node AS n INDEXED BY node_reused
                WHERE n.execution = x.id AND n.outcome = {REUSED} AND n.run IN {_LIVE}
            )
        )
    )"""
    for table in ("output", "input")
)

_NEEDED = f"""
    SELECT EXISTS (SELECT 1 FROM pin WHERE artifact = ?1)
        OR EXISTS (
            SELECT 1 FROM model_version AS v WHERE v.artifact = ?1
            AND (v.state IN ({KEPT_STATES}) OR EXISTS (SELECT 1 FROM model_alias AS l WHERE l.version = v.id))
        )
        OR {_USED}"""
"""Whether an artifact (1) never goes, or was used by a run that goes on or is newer than a run (2)."""

_UNNAMED = "NOT EXISTS (SELECT 1 FROM artifact_file AS l WHERE l.file = blob_file.id)"

_FILES_OF = """
    SELECT DISTINCT b.id, b.digest, w.text FROM artifact_file AS l
    JOIN blob_file AS b ON b.id = l.file
    JOIN word AS w ON w.id = b.suffix
    WHERE l.artifact = ?"""

_NAMED = """
    SELECT b.digest, w.text FROM blob_file AS b JOIN word AS w ON w.id = b.suffix
    WHERE EXISTS (SELECT 1 FROM artifact_file AS l WHERE l.file = b.id)"""

_NAMES = "SELECT b.id, b.digest, w.text FROM blob_file AS b JOIN word AS w ON w.id = b.suffix"

_IS_NAMED = f"""
    SELECT 1 FROM blob_file JOIN word AS w ON w.id = blob_file.suffix
    WHERE blob_file.digest = ? AND w.text = ? AND NOT {_UNNAMED}"""

_RECORDED = "SELECT 1 FROM artifact WHERE substr(digest, 1, 12) = ? AND digest = ?"

_LIVE_SINCE = f"SELECT min(started) FROM run WHERE {_RUNNING}"

_SUCCEEDED = """
    SELECT 1 FROM execution WHERE substr(cache_key, 1, 12) = ? AND cache_key = ? AND entry IS NOT NULL LIMIT 1"""

_OLD_RUNS = f"SELECT run FROM run WHERE started < ? AND NOT {_RUNNING}"

IsFresh = Callable[[str], bool]
"""Whether a blob was put too lately to be removed."""


def drop_artifacts(
    connection: sqlite3.Connection, artifacts: Sequence[int], *, newest_run: int, at: float, is_fresh: IsFresh
) -> tuple[frozenset[int], tuple[str, ...]]:
    """Forget the files of artifacts that nothing needs; it is looked again, as the decision is of another moment.

    Args:
        connection: The writer's, with the write lock held.
        artifacts: The database's numbers of what is to go.
        newest_run: The newest run that was known when that was decided.
        at: Seconds since the epoch.
        is_fresh: Asked of the files of each; one that is fresh keeps its artifact.

    Returns:
        The artifacts that went, and the blobs that nothing names any more.
    """
    gone: list[int] = []
    orphans: dict[int, str] = {}
    for artifact in artifacts:
        if connection.execute(_NEEDED, (artifact, newest_run)).fetchone()[0]:
            continue
        files = connection.execute(_FILES_OF, (artifact,)).fetchall()
        names = {file: blob_name(digest.hex(), suffix) for file, digest, suffix in files}
        if not names or any(is_fresh(name) for name in names.values()):
            continue
        connection.execute("DELETE FROM artifact_file WHERE artifact = ?", (artifact,))
        connection.execute("INSERT OR REPLACE INTO dropped (artifact, at) VALUES (?, ?)", (artifact, at))
        gone.append(artifact)
        orphans.update(names)
    unnamed = [file for file in orphans if _forget_file(connection, file)]
    return frozenset(gone), tuple(orphans[file] for file in unnamed)


def forget_unnamed_files(connection: sqlite3.Connection) -> None:
    """Remove the rows of files that no artifact names, as of artifacts that were made again in others."""
    connection.execute(f"DELETE FROM blob_file WHERE {_UNNAMED}")


def write_durably(connection: sqlite3.Connection) -> None:
    """Change nothing, in a way that has the commit write and sync.

    A commit before, whose last sync failed, may still be undone by a power cut: only after one that succeeds may files
    go that nothing names.
    """
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def is_named(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether an artifact names the blob `name`."""
    return connection.execute(_IS_NAMED, (to_bytes(digest_in(name)), suffix_in(name))).fetchone() is not None


def live_since(connection: sqlite3.Connection) -> float | None:
    """Return when the oldest run began that goes on; None where none does."""
    found: float | None = connection.execute(_LIVE_SINCE).fetchone()[0]
    return found


def named_files(reader: Reader) -> frozenset[str]:
    """Return every blob that an artifact names."""
    return frozenset(blob_name(digest.hex(), suffix) for digest, suffix in reader.select(_NAMED))


def file_names(reader: Reader) -> dict[int, str]:
    """Return the name of every recorded blob by its number."""
    return {file: blob_name(digest.hex(), suffix) for file, digest, suffix in reader.select(_NAMES)}


def is_recorded(reader: Reader, digest: Digest) -> bool:
    """Return whether an artifact is recorded, or was before it was dropped."""
    return bool(reader.select(_RECORDED, (to_prefix(digest), to_bytes(digest))))


def files_of(reader: Reader, artifact: int) -> tuple[str, ...]:
    """Return the blobs that hold an artifact, by its number."""
    return tuple(blob_name(digest.hex(), suffix) for _, digest, suffix in reader.select(_FILES_OF, (artifact,)))


def has_succeeded(reader: Reader, cache_key: Digest) -> bool:
    """Return whether a result stands under a cache key, or stood."""
    key = to_bytes(cache_key)
    return bool(reader.select(_SUCCEEDED, (key[:12], key)))


def runs_before(reader: Reader, moment: float) -> tuple[str, ...]:
    """Return the runs that began before a moment and have ended."""
    return tuple(run for (run,) in reader.select(_OLD_RUNS, (moment,)))


def _forget_file(connection: sqlite3.Connection, file: int) -> bool:
    return connection.execute(f"DELETE FROM blob_file WHERE id = ? AND {_UNNAMED}", (file,)).rowcount > 0
