"""Puts a lost artifact together again from what still holds its content: files in place, quarantine, another machine.

Every piece is hashed before it is taken, so it does not matter where it comes from. A quarantined file is damaged
somewhere, and most of its parts are whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.codecs.base import Chunk, Encoded, digest_chunk, digest_payload
from flowkit.errors import StoreError
from flowkit.records import Artifact, Digest
from flowkit.store.blobs import Blob
from flowkit.store.folder import StoreFolder
from flowkit.store.names import check_blob_name, digest_in, suffix_in
from flowkit.store.packs import DamagedFileError, Layout, Location, is_container, read_layout
from flowkit.store.reading import StoreState
from flowkit.store.writing import write_again

Place = tuple[Path, str]
"""A file, and the name that the store has or had for it."""


class Source(Struct):
    """Where pieces of lost artifacts are looked for.

    Attributes:
        folder: The store's.
        fetch: Brings the blob of a name here, if it can.
    """

    folder: StoreFolder
    fetch: Callable[[str], object] = lambda name: False
    _chunks: dict[Digest, list[tuple[Place, Location]]] | None = field(default=None)

    def files_of(self, digest: Digest) -> Iterator[Place]:
        """Yield the files that are, or were, named after an artifact."""
        shard = self.folder.blobs / digest[:2]
        yield from _named(shard, f"{digest[:2]}/", digest[2:])
        for path, name in self._quarantined():
            if digest_in(name) == digest:
                yield path, name

    def chunks_of(self, digest: Digest) -> list[tuple[Place, Location]]:
        """Return where a chunk is said to lie, wherever any file has it."""
        if self._chunks is None:
            self._chunks = self._list_chunks()
        return self._chunks.get(digest, [])

    def _list_chunks(self) -> dict[Digest, list[tuple[Place, Location]]]:
        found: dict[Digest, list[tuple[Place, Location]]] = {}
        standing = (
            place for shard in _listed(self.folder.blobs) for place in _named(self.folder.blobs / shard, f"{shard}/")
        )
        for place in (*standing, *self._quarantined()):
            layout = _layout_of(place)
            for digest, location in layout.chunks.items() if layout is not None else ():
                if location.name == place[1]:
                    found.setdefault(digest, []).append((place, location))
        return found

    def _quarantined(self) -> Iterator[Place]:
        for file in sorted(_listed(self.folder.quarantine), reverse=True):
            name = f"{file[:2]}/{file[2:].rpartition('.')[0]}"
            if _is_name(name):
                yield self.folder.quarantine / file, name


def salvage_artifact(state: StoreState, artifact: Artifact, source: Source) -> Artifact | None:
    """Write a lost artifact again and return its record; None where not all of its content is found.

    Raises:
        StoreError: It cannot be written.
    """
    for file in artifact.files:
        if state.folder.stamp(file.name) is None:
            source.fetch(file.name)
    for place in source.files_of(artifact.digest):
        encoded = _gather(artifact, place, source)
        if encoded is not None:
            return replace(artifact, inline=None, files=write_again(state, encoded))
    return None


def _gather(artifact: Artifact, place: Place, source: Source) -> Encoded | None:
    """Return the artifact as it was put, by the payload and the table in one file; None where a part is nowhere."""
    layout = _layout_of(place)
    payload = _read(place, layout.payload) if layout is not None else None
    if layout is None or payload is None or digest_payload(artifact.format, payload) != artifact.digest:
        return None
    chunks = []
    for digest, location in layout.chunks.items():
        content = _find_chunk(digest, location, source)
        if content is None:
            return None
        chunks.append(Chunk(digest, len(content), content))
    return Encoded(artifact.format, artifact.digest, payload, suffix_in(place[1]), tuple(chunks))


def _find_chunk(digest: Digest, location: Location, source: Source) -> memoryview | None:
    if source.folder.stamp(location.name) is None:
        source.fetch(location.name)
    # Also where a file's own table says nothing any more.
    said = (source.folder.blob_path(location.name), *source.folder.quarantined(location.name))
    for place, at in (*(((path, location.name), location) for path in said), *source.chunks_of(digest)):
        content = _read(place, at)
        if content is not None and digest_chunk(content) == digest:
            return content
    return None


def _layout_of(place: Place) -> Layout | None:
    try:
        return read_layout(place[1], Blob(*place).content)
    except (OSError, DamagedFileError):  # this file has nothing to give
        return None


def _read(place: Place, location: Location) -> memoryview | None:
    try:
        return Blob(*place).view(location)
    except (OSError, DamagedFileError):  # this file has nothing to give
        return None


def _named(shard: Path, prefix: str, start: str = "") -> Iterator[Place]:
    for file in sorted(_listed(shard)):
        if file.startswith(start) and _is_name(prefix + file):
            yield shard / file, prefix + file


def _listed(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def _is_name(name: str) -> bool:
    try:
        check_blob_name(name)
    except StoreError:
        return False
    return True


def is_whole_orphan(place: Place, formats: frozenset[str]) -> bool | None:
    """Say whether a file that no record names holds what its name says; None where its format cannot be told.

    Args:
        place: The file.
        formats: The formats that have its suffix in this store.
    """
    layout = _layout_of(place)
    payload = _read(place, layout.payload) if layout is not None else None
    if layout is None or payload is None:
        return False
    for digest, location in layout.chunks.items():
        content = _read(place, location) if location.name == place[1] else None
        if location.name == place[1] and (content is None or digest_chunk(content) != digest):
            return False
    if any(digest_payload(name, payload) == digest_in(place[1]) for name in formats):
        return True
    return False if formats or is_container(payload) else None
