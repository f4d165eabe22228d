"""Which files an artifact needs, by what the files themselves say: the tables of its own file and of those it leads to.

A file that was lost and written again may have another layout, in which a chunk that others look for there lies in a
third file. Reading follows that reference; what is recorded of those others does not name the third file. A file that
went to quarantine leads on like one in its place: readers look into both.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from flowkit.records import Digest, Stamp
from flowkit.store.blobs import Blob
from flowkit.store.files import read_stamp
from flowkit.store.folder import StoreFolder, blob_in_quarantine, reporting
from flowkit.store.packs import DamagedFileError, Layout, read_layout
from flowkit.store.salvage import Source

_SETTLED = 1_000_000_000
"""Nanoseconds after which a folder's time of change is another one than that of any change to come."""


class References:
    """The tables of a store's files, each read again only where the file is another one by now.

    Args:
        folder: The store.
    """

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder
        self._tables: dict[Path, tuple[Stamp, Layout | None]] = {}
        self._quarantine = _Quarantine(folder.quarantine)
        self._anywhere = Source(folder)

    def needed_for(self, name: str) -> frozenset[str]:
        """Return the files that reading an artifact leads to, by the name of its own file; that one among them.

        Raises:
            StoreError: The name is unsafe, or a file cannot be read, so that what it leads to is not known.
        """
        return frozenset({name}).union(*(names for _, names in self._ways_from(name)))

    def sources_for(self, name: str) -> frozenset[str]:
        """Return the files, in place or quarantined, with those parts of an artifact that no file in place is to hold.

        What a quarantined file holds may be what is damaged of it. Any file that has the same part mends the artifact.

        Raises:
            StoreError: As of `needed_for`.
        """
        astray = (
            digest
            for digest, names in self._ways_from(name)
            if not any(_lies_in(self._table(other), digest, other) for other in names)
        )
        return frozenset(other for digest in astray for (_, other), _ in self._anywhere.chunks_of(digest))

    def _ways_from(self, name: str) -> Iterator[tuple[Digest, set[str]]]:
        """Yield the artifact's chunks but those in its own file in place, each with the files where it is looked for."""
        standing = self._table(name)
        for table in self._tables_of(name):
            for digest, location in table.chunks.items():
                if location.name != name or table is not standing:
                    yield digest, self._follow(digest, location.name)

    def _follow(self, digest: Digest, name: str) -> set[str]:
        """Go on as reading does, through all tables there are of each file."""
        names, onward = set[str](), [name]
        while onward:
            name = onward.pop()
            if name not in names:
                names.add(name)
                onward += (table.chunks[digest].name for table in self._tables_of(name) if digest in table.chunks)
        return names

    def _tables_of(self, name: str) -> list[Layout]:
        """Return the tables of a file: the one in place, and those in quarantine that had its name."""
        standing = self._table(name)
        # Looked at last: what is moved there meanwhile is found in one of the two places.
        quarantined = (self._table_at(path, name) for path in self._quarantine.files_of(name))
        return [table for table in (standing, *quarantined) if table is not None]

    def _table(self, name: str) -> Layout | None:
        return self._table_at(self._folder.blob_path(name), name)

    def _table_at(self, path: Path, name: str) -> Layout | None:
        with reporting("look at a blob", path):
            stamp = read_stamp(path)
        if stamp is None:
            return None
        held = self._tables.get(path)
        if held is None or held[0] != stamp:
            held = self._tables[path] = stamp, _read(path, name)
        return held[1]


class _Quarantine:
    """Which quarantined files had which blob's name, listed again once the folder has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed: int | None = None
        self._files: dict[str, list[Path]] = {}

    def files_of(self, name: str) -> list[Path]:
        with reporting("look into quarantine", self._path):
            self._refresh()
        return self._files.get(name, [])

    def _refresh(self) -> None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            status = None
        if status is None or not stat.S_ISDIR(status.st_mode):
            self._changed, self._files = None, {}
        elif status.st_mtime_ns != self._changed:
            settled = time.time_ns() - status.st_mtime_ns > _SETTLED
            self._changed, self._files = status.st_mtime_ns if settled else None, _files_by_name(self._path)


def _files_by_name(quarantine: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for file in sorted(os.listdir(quarantine)):
        name = blob_in_quarantine(file)
        if name is not None:
            found.setdefault(name, []).append(quarantine / file)
    return found


def _lies_in(table: Layout | None, digest: Digest, name: str) -> bool:
    location = table.chunks.get(digest) if table is not None else None
    return location is not None and location.name == name


def _read(path: Path, name: str) -> Layout | None:
    with reporting("read a blob", path):
        try:
            return read_layout(name, Blob(path, name).content)
        except (FileNotFoundError, NotADirectoryError, DamagedFileError):  # it leads nowhere
            return None
