"""Records artifacts and the files that hold them; says of one whether these are there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from flowkit.lineage.bulk import insert_rows, select_among
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

_NEXT = "SELECT ifnull((SELECT max(id) FROM artifact), 0) + 1, ifnull((SELECT max(id) FROM blob_file), 0) + 1"

_INTO_ARTIFACT = "INSERT INTO artifact (id, digest, format, bytes, inline, refers)"
_INTO_FILE = "INSERT INTO blob_file (id, digest, suffix, size, mtime_ns, ctime_ns, inode)"
_INTO_LINK = "INSERT INTO artifact_file (artifact, position, file)"

_BY_PREFIX = "SELECT id, digest FROM artifact WHERE substr(digest, 1, 12) IN ({values})"

_LINKED = "SELECT artifact, file FROM artifact_file WHERE artifact IN ({values}) ORDER BY artifact, position"

_BLOB_FILES = "SELECT id, digest, suffix, size, mtime_ns, ctime_ns, inode FROM blob_file WHERE digest IN ({values})"

_CHANGE = (
    "UPDATE artifact SET inline = ?2, bytes = ?3, format = ?4"
    " WHERE id = ?1 AND (inline, bytes, format) IS NOT (?2, ?3, ?4)"
)

_STAMP = "UPDATE blob_file SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ? WHERE id = ?"

_FileName = tuple[bytes, int]
_Stamp = tuple[int, ...]

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
    contents = Contents(connection, identities, [artifact])
    known = contents.intern(artifact)
    contents.write()
    return known


class Contents:
    """Artifacts and their files as one batch records them: looked up together, written together.

    Args:
        connection: In a transaction; until `write` nobody else records artifacts in it.
        identities: Of that connection.
        artifacts: All that the batch names.

    Raises:
        StoreError: A file's name is not made of a digest and a suffix.
    """

    def __init__(self, connection: sqlite3.Connection, identities: Identities, artifacts: Sequence[Artifact]) -> None:
        self._connection = connection
        self._identities = identities
        self._next: int
        self._next_file: int
        self._next, self._next_file = connection.execute(_NEXT).fetchone()
        self._known = self._find({artifact.digest: None for artifact in artifacts})
        self._stood: dict[int, tuple[object, ...]] = {}
        self._links: dict[int, list[int]] = {}
        self._files: dict[_FileName, tuple[int, _Stamp]] = {}
        with_files = [artifact for artifact in artifacts if artifact.files]
        if with_files:
            self._find_files(with_files)
        self._rows: list[tuple[object, ...]] = []
        self._changed: list[tuple[object, ...]] = []
        self._file_rows: list[tuple[object, ...]] = []
        self._stamped: list[tuple[object, ...]] = []
        self._relinked: dict[int, list[int]] = {}

    def intern(self, artifact: Artifact) -> int:
        """Return the id of an artifact, recording it where it is new."""
        known = self._known.get(artifact.digest)
        return known if known is not None else self._add(artifact)

    def made(self, artifact: Artifact) -> int:
        """Return the id of an artifact that was just made or verified: what holds it replaces what was recorded.

        A lost artifact that was made again lies in new files, perhaps together with other chunks, or in its record.
        """
        known = self._known.get(artifact.digest)
        if known is None:
            return self._add(artifact)
        if artifact.files:
            self._link(known, artifact)
        stands = (artifact.inline, artifact.bytes, self._identities.words[artifact.format])
        if self._stood.get(known) != stands:
            self._stood[known] = stands
            self._changed.append((known, *stands))
        return known

    def write(self) -> None:
        """Write what is new, before anything that names it."""
        connection = self._connection
        insert_rows(connection, _INTO_ARTIFACT, self._rows)
        if self._changed:
            connection.executemany(_CHANGE, self._changed)
        if not self._relinked and not self._stamped:
            return
        insert_rows(connection, _INTO_FILE, self._file_rows)
        connection.executemany(_STAMP, self._stamped)
        relinked = [(artifact,) for artifact in self._relinked]
        connection.executemany("DELETE FROM artifact_file WHERE artifact = ?", relinked)
        connection.executemany("DELETE FROM dropped WHERE artifact = ?", relinked)
        links = [
            (artifact, position, file)
            for artifact, files in self._relinked.items()
            for position, file in enumerate(files)
        ]
        insert_rows(connection, _INTO_LINK, links)

    def _add(self, artifact: Artifact) -> int:
        identity, self._next = self._next, self._next + 1
        words = self._identities.words
        format_name = words[artifact.format]
        refers = words[to_json(artifact.refers)] if artifact.refers else None
        digest = to_bytes(artifact.digest)
        self._rows.append((identity, digest, format_name, artifact.bytes, artifact.inline, refers))
        self._known[artifact.digest] = identity
        self._stood[identity] = (artifact.inline, artifact.bytes, format_name)
        if artifact.files:
            self._link(identity, artifact)
        return identity

    def _link(self, identity: int, artifact: Artifact) -> None:
        wanted = [self._record_file(file) for file in artifact.files]
        if self._links.get(identity, []) != wanted:
            self._links[identity] = self._relinked[identity] = wanted

    def _record_file(self, file: BlobFile) -> int:
        name = (to_bytes(digest_in(file.name)), self._identities.words[file.name[_DIGITS:]])
        stamp = (file.stamp.size, file.stamp.mtime_ns, file.stamp.ctime_ns, to_signed(file.stamp.inode))
        known = self._files.get(name)
        if known is None:
            identity, self._next_file = self._next_file, self._next_file + 1
            self._file_rows.append((identity, *name, *stamp))
        else:
            identity = known[0]
            if known[1] != stamp:
                self._stamped.append((*stamp, identity))
        self._files[name] = (identity, stamp)
        return identity

    def _find(self, digests: Iterable[Digest]) -> dict[Digest, int]:
        prefixes = [to_prefix(digest) for digest in digests]
        return {digest.hex(): identity for identity, digest in select_among(self._connection, _BY_PREFIX, prefixes)}

    def _find_files(self, artifacts: Sequence[Artifact]) -> None:
        known = {self._known[artifact.digest]: None for artifact in artifacts if artifact.digest in self._known}
        for artifact, file in select_among(self._connection, _LINKED, list(known)):
            self._links.setdefault(artifact, []).append(file)
        digests = {to_bytes(digest_in(file.name)): None for artifact in artifacts for file in artifact.files}
        for identity, digest, suffix, *stamp in select_among(self._connection, _BLOB_FILES, list(digests)):
            self._files[digest, suffix] = (identity, tuple(stamp))
