"""Digests of input files, kept between runs, so that a file that did not change is not read again."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from flowkit.lineage.listings import DIGITS, MOST_FILES, Listing, find_listing, has_listing, keep_listing
from flowkit.lineage.reader import Reader
from flowkit.lineage.texts import to_bytes, to_signed
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Digest

Key = tuple[int, int, int, int, int]

_FIND = """
    SELECT digest FROM file_digest
    WHERE device = ? AND inode = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND hashed_at - ctime_ns / 1e9 > ?"""

_KEEP = """
    INSERT OR REPLACE INTO file_digest (device, inode, size, mtime_ns, ctime_ns, digest, hashed_at)
    VALUES (?, ?, ?, ?, ?, ?, ?)"""

SETTLED_SECONDS = 2.0
"""How much older than the hashing a file's last change must be: file systems tell times this coarsely."""


class RecordedFileDigests:
    """The digests that the lineage database knows, for `digest_path`.

    Args:
        reader: Where they are looked up.
        writer: Where new ones are queued; None where nothing may be written, as in a plan.
    """

    def __init__(self, reader: Reader, writer: LineageWriter | None) -> None:
        self._reader = reader
        self._writer = writer
        self._queued: dict[Key, Digest] = {}
        self._listed: dict[Digest, Listing | None] = {}

    def get(self, path: Path, stat: os.stat_result) -> Digest | None:
        """Return the digest of the file with exactly this stat, None where it is not known."""
        key = _key(stat)
        queued = self._queued.get(key)
        if queued is not None:
            return queued
        rows = self._reader.select(_FIND, (*key, SETTLED_SECONDS))
        return rows[0][0].hex() if rows else None

    def put_folder(self, digest: Digest, files: Sequence[tuple[str, Digest, int]]) -> None:
        """Keep the files of a folder, unless they are kept already or are too many."""
        if self._writer is None or len(files) > MOST_FILES or digest in self._listed:
            return
        self._listed[digest] = None
        if not has_listing(self._reader, digest):
            self._listed[digest] = {name: (found[:DIGITS], size) for name, found, size in files}
            self._writer.enqueue(lambda connection: keep_listing(connection, digest, files))

    def find_folder(self, digest: Digest) -> Listing | None:
        """Return the files of a folder, also where they are not committed yet; None where they are not kept."""
        return self._listed.get(digest) or find_listing(self._reader, digest)

    def put(self, path: Path, stat: os.stat_result, digest: Digest) -> None:
        """Keep the digest of a file whose content is certain to be that of this stat."""
        key, hashed_at = _key(stat), time.time()
        if hashed_at - stat.st_ctime_ns / 1e9 <= SETTLED_SECONDS:
            return
        self._queued[key] = digest
        if self._writer is not None:
            self._writer.enqueue(lambda connection: _keep(connection, key, digest, hashed_at))


def _keep(connection: sqlite3.Connection, key: Key, digest: Digest, hashed_at: float) -> None:
    connection.execute(_KEEP, (*key, to_bytes(digest), hashed_at))


def _key(stat: os.stat_result) -> Key:
    return to_signed(stat.st_dev), to_signed(stat.st_ino), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
