"""Which files an artifact needs, by what the files themselves say: the tables of its own file and of those it leads to.

A file that was lost and written again may have another layout, in which a chunk that others look for there lies in a
third file. Reading follows that reference; what is recorded of those others does not name the third file.
"""

from __future__ import annotations

from flowkit.records import Digest, Stamp
from flowkit.store.blobs import Blob
from flowkit.store.folder import StoreFolder, reporting
from flowkit.store.packs import DamagedFileError, Layout, Location, read_layout


class References:
    """The tables of a store's files, each read again only where the file is another one by now.

    Args:
        folder: The store.
    """

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder
        self._tables: dict[str, tuple[Stamp, Layout | None]] = {}

    def needed_for(self, name: str) -> frozenset[str]:
        """Return the files that reading an artifact leads to, by the name of its own file; that one among them.

        Raises:
            StoreError: The name is unsafe, or a file cannot be read, so that what it leads to is not known.
        """
        needed = {name}
        own = self._table(name)
        for digest, location in own.chunks.items() if own is not None else ():
            if location.name != name:
                self._follow(digest, location, needed)
        return frozenset(needed)

    def _follow(self, digest: Digest, location: Location, needed: set[str]) -> None:
        """Go on as reading does, until a table says that the chunk lies just where it is looked for."""
        seen: set[Location] = set()
        onward: Location | None = location
        while onward is not None and onward not in seen:
            seen.add(onward)
            needed.add(onward.name)
            table = self._table(onward.name)
            onward = table.chunks.get(digest) if table is not None else None

    def _table(self, name: str) -> Layout | None:
        stamp = self._folder.stamp(name)
        if stamp is None:
            return None
        held = self._tables.get(name)
        if held is None or held[0] != stamp:
            held = self._tables[name] = stamp, self._read(name)
        return held[1]

    def _read(self, name: str) -> Layout | None:
        path = self._folder.blob_path(name)
        with reporting("read a blob", path):
            try:
                return read_layout(name, Blob(path, name).content)
            except (FileNotFoundError, NotADirectoryError, DamagedFileError):  # it leads nowhere
                return None
