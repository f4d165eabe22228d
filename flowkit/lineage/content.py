"""Records artifacts and the files that hold them; says of one whether these are there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from msgspec import Struct

from flowkit.lineage.identities import Identities
from flowkit.lineage.texts import to_bytes, to_json, to_prefix, to_signed, to_unsigned
from flowkit.records import Artifact, BlobFile, Digest, Stamp
from flowkit.store.names import blob_name, digest_in

_DIGITS = 65
"""Length of `ab/cdef…` before the suffix."""

_KEPT_IN_FILES = """
    SELECT lower(hex(a.digest)), w.text FROM artifact AS a JOIN word AS w ON w.id = a.format
    WHERE a.id = ? AND a.inline IS NULL AND w.text NOT IN ('file', 'folder')"""

_FILES = """
    SELECT b.digest, w.text, b.size, b.mtime_ns, b.ctime_ns, b.inode FROM artifact_file AS l
    JOIN blob_file AS b ON b.id = l.file
    JOIN word AS w ON w.id = b.suffix
    WHERE l.artifact = ?
    ORDER BY l.position"""

Present = Callable[[BlobFile], bool]


class Gone(Struct, frozen=True):
    """An artifact that is not all in the store.

    Attributes:
        file: A blob that is not there; empty where none is recorded.
    """

    digest: Digest
    format: str
    file: str


def find_gone(connection: sqlite3.Connection, artifact: int, present: Present) -> Gone | None:
    """Return what of an artifact is gone, by its id and one look at each file; None where nothing is."""
    kept = connection.execute(_KEPT_IN_FILES, (artifact,)).fetchone()
    if kept is None:
        return None
    files = [
        BlobFile(blob_name(digest.hex(), suffix), Stamp(size, mtime_ns, ctime_ns, to_unsigned(inode)))
        for digest, suffix, size, mtime_ns, ctime_ns, inode in connection.execute(_FILES, (artifact,))
    ]
    missing = next((file for file in files if not present(file)), None)
    if files and missing is None:
        return None
    digest, format_name = kept
    return Gone(digest, format_name, missing.name if missing is not None else "")


def find_artifact_id(connection: sqlite3.Connection, digest: Digest) -> int | None:
    """Return the id of an artifact, None where it is not recorded."""
    row: tuple[int] | None = connection.execute(
        "SELECT id FROM artifact WHERE substr(digest, 1, 12) = ? AND digest = ?", (to_prefix(digest), to_bytes(digest))
    ).fetchone()
    return row[0] if row is not None else None


def intern_artifact(connection: sqlite3.Connection, identities: Identities, artifact: Artifact) -> int:
    """Return the id of `artifact`, recording it where it is new.

    Raises:
        StoreError: A file's name is not made of a digest and a suffix.
    """
    known = find_artifact_id(connection, artifact.digest)
    return known if known is not None else _insert(connection, identities, artifact)


def _insert(connection: sqlite3.Connection, identities: Identities, artifact: Artifact) -> int:
    identity = connection.execute(
        "INSERT INTO artifact (digest, format, bytes, inline, refers) VALUES (?, ?, ?, ?, ?)",
        (
            to_bytes(artifact.digest),
            identities.word(artifact.format),
            artifact.bytes,
            artifact.inline,
            identities.optional_word(to_json(artifact.refers) if artifact.refers else None),
        ),
    ).lastrowid
    assert identity is not None
    _link_files(connection, identities, identity, artifact)
    return identity


def record_made_artifact(connection: sqlite3.Connection, identities: Identities, artifact: Artifact) -> int:
    """Return the id of an artifact that was just made or verified: what holds it replaces what was recorded.

    A lost artifact that was made again lies in new files, perhaps together with other chunks, or in its record.
    """
    known = find_artifact_id(connection, artifact.digest)
    if known is None:
        return _insert(connection, identities, artifact)
    if artifact.files:
        _link_files(connection, identities, known, artifact)
    connection.execute(
        "UPDATE artifact SET inline = ?2, bytes = ?3, format = ?4"
        " WHERE id = ?1 AND (inline, bytes, format) IS NOT (?2, ?3, ?4)",
        (known, artifact.inline, artifact.bytes, identities.word(artifact.format)),
    )
    return known


def _link_files(connection: sqlite3.Connection, identities: Identities, artifact_id: int, artifact: Artifact) -> None:
    files = [_record_file(connection, identities, file) for file in artifact.files]
    wanted = [(artifact_id, position, file) for position, file in enumerate(files)]
    linked = connection.execute(
        "SELECT artifact, position, file FROM artifact_file WHERE artifact = ?", (artifact_id,)
    ).fetchall()
    if linked != wanted:
        connection.execute("DELETE FROM artifact_file WHERE artifact = ?", (artifact_id,))
        connection.execute("DELETE FROM dropped WHERE artifact = ?", (artifact_id,))
        connection.executemany("INSERT INTO artifact_file (artifact, position, file) VALUES (?, ?, ?)", wanted)


def _record_file(connection: sqlite3.Connection, identities: Identities, file: BlobFile) -> int:
    name = (to_bytes(digest_in(file.name)), identities.word(file.name[_DIGITS:]))
    stamp = (file.stamp.size, file.stamp.mtime_ns, file.stamp.ctime_ns, to_signed(file.stamp.inode))
    row = connection.execute(
        "SELECT id, size, mtime_ns, ctime_ns, inode FROM blob_file WHERE digest = ? AND suffix = ?", name
    ).fetchone()
    if row is None:
        identity = connection.execute(
            "INSERT INTO blob_file (digest, suffix, size, mtime_ns, ctime_ns, inode) VALUES (?, ?, ?, ?, ?, ?)",
            (*name, *stamp),
        ).lastrowid
        assert identity is not None
        return identity
    known: int = row[0]
    if row[1:] != stamp:
        connection.execute(
            "UPDATE blob_file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ? WHERE id = ?", (*stamp, known)
        )
    return known
