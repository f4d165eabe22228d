"""Which files an artifact needs, by what the files themselves say: the tables of its own file and of those it leads to.

A file that was lost and written again may have another layout, in which a chunk that others look for there lies in a
third file. Reading follows that reference; what is recorded of those others does not name the third file. A file that
went to quarantine leads on like one in its place: readers look into both.
"""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from flowkit.records import Digest, Stamp
from flowkit.store.blobs import Blob
from flowkit.store.files import read_stamp
from flowkit.store.folder import StoreFolder, blob_in_quarantine, reporting
from flowkit.store.packs import DamagedFileError, Layout, read_layout
from flowkit.store.salvage import Source

_SETTLED = 1_000_000_000
"""Nanoseconds after which a folder's time of change differs from that of any change to come."""


class References:
    """The tables of a store's files, each read again only where the file is another one by now.

    Args:
        folder: The store.
    """

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder
        self._tables: dict[str, tuple[Stamp, Layout | None]] = {}
        self._quarantine = _Quarantine(folder.quarantine)
        self._anywhere = Source(folder)

    def needed_for(self, name: str, *, to_mend: bool = False) -> frozenset[str]:
        """Return the files that reading an artifact leads to, by the name of its own file; that one among them.

        Args:
            name: The artifact's own file.
            to_mend: Whether also all files are wanted, in place or quarantined, that have a part which no file in place
                is to hold: what a quarantined file holds may be what is damaged of it.

        Raises:
            StoreError: The name is unsafe, or a file cannot be read, so that what it leads to is not known.
        """
        needed = {name}
        standing = self._table(name)
        for table in self._tables_of(name, standing):
            for digest, location in table.chunks.items():
                if location.name != name or table is not standing:
                    stands = self._follow(digest, location.name, needed)
                    if to_mend and not stands:
                        needed.update(other for (_, other), _ in self._anywhere.chunks_of(digest))
        return frozenset(needed)

    def _follow(self, digest: Digest, name: str, needed: set[str]) -> bool:
        """Go on as reading does, through all tables of each file; say whether a file in place is to hold the chunk."""
        stands, seen, onward = False, set[str](), [name]
        while onward:
            name = onward.pop()
            if name in seen:
                continue
            seen.add(name)
            standing = self._table(name)
            for table in self._tables_of(name, standing):
                location = table.chunks.get(digest)
                if location is not None:
                    onward.append(location.name)
                    stands = stands or (table is standing and location.name == name)
        needed |= seen
        return stands

    def _tables_of(self, name: str, standing: Layout | None) -> list[Layout]:
        """Return the tables of a file: the one in place, and those in quarantine that had its name.

        Quarantine is looked into last: what is moved there meanwhile is found in one of the two places.
        """
        tables = [] if standing is None else [standing]
        for path in self._quarantine.files_of(name):
            with reporting("look into quarantine", path):
                stamp = read_stamp(path)
            table = None if stamp is None else self._read_once(str(path), stamp, name)
            tables += [] if table is None else [table]
        return tables

    def _table(self, name: str) -> Layout | None:
        stamp = self._folder.stamp(name)
        return None if stamp is None else self._read_once(name, stamp, name)

    def _read_once(self, file: str, stamp: Stamp, name: str) -> Layout | None:
        """Return the table of `file`, below `blobs/` or a path of its own, which has or had a blob's name."""
        held = self._tables.get(file)
        if held is None or held[0] != stamp:
            held = self._tables[file] = stamp, _read(self._folder.blobs / file, name)
        return held[1]


class _Quarantine:
    """Which quarantined files had which blob's name; listed again once the folder has changed."""

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


def _read(path: Path, name: str) -> Layout | None:
    with reporting("read a blob", path):
        try:
            return read_layout(name, Blob(path, name).content)
        except (FileNotFoundError, NotADirectoryError, DamagedFileError):  # it leads nowhere
            return None
