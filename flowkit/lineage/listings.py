"""The files of folders that came in, kept by the folder's digest: what names a file in an explanation or in lineage.

A listing is compressed JSON: [name, the digest's beginning, bytes] of each file, in order. It is kept once a content.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence

from flowkit.lineage.reader import Reader
from flowkit.lineage.texts import to_bytes, to_prefix
from flowkit.records import Digest

DIGITS = 24
"""How much of a file's digest is kept: as good as unique."""

MOST_FILES = 50_000
"""Of larger folders no listing is kept: it would outgrow the database around it."""

Listing = Mapping[str, tuple[Digest, int]]
"""Relative name → (beginning of the digest, bytes)."""

_KEEP = "INSERT INTO folder_listing (digest, files) VALUES (?, ?) ON CONFLICT DO NOTHING"

_FIND = "SELECT files FROM folder_listing WHERE digest = ?"

_ALL = """
    SELECT l.digest, l.files FROM folder_listing AS l
    JOIN artifact AS a ON substr(a.digest, 1, 12) = substr(l.digest, 1, 12)
    ORDER BY a.id DESC"""


def has_listing(reader: Reader, digest: Digest) -> bool:
    """Whether the listing of a folder is kept."""
    return bool(reader.select("SELECT 1 FROM folder_listing WHERE digest = ?", (to_bytes(digest),)))


def find_listing(reader: Reader, digest: Digest) -> Listing | None:
    """Return the files of a folder, None where its listing was not kept."""
    rows = reader.select(_FIND, (to_bytes(digest),))
    return _unpack(rows[0][0]) if rows else None


def keep_listing(connection: sqlite3.Connection, digest: Digest, files: Sequence[tuple[str, Digest, int]]) -> None:
    """Keep the files of a folder, (name, digest, bytes) of each."""
    written = json.dumps([(name, found[:DIGITS], size) for name, found, size in files], separators=(",", ":"))
    connection.execute(_KEEP, (to_bytes(digest), zlib.compress(written.encode())))


def folders_with(reader: Reader, digest: Digest) -> Iterator[tuple[Digest, str]]:
    """Yield (folder's digest, name in it) of each folder that an execution took with a file, the latest first."""
    beginning = to_prefix(digest).hex()
    for folder, packed in reader.select(_ALL):
        for name, (found, _) in _unpack(packed).items():
            if found == beginning:
                yield folder.hex(), name


def _unpack(packed: bytes) -> dict[str, tuple[Digest, int]]:
    return {name: (digest, size) for name, digest, size in json.loads(zlib.decompress(packed))}
