"""Encoded values to put into a store, and what every visible blob is held against."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from flowkit.codecs.base import Buffer, Chunk, Encoded, Pieces, digest_chunk, digest_payload
from flowkit.records import Artifact, BlobFile, Stamp
from flowkit.store import LocalStore, StoreFolder
from flowkit.store.names import blob_name

NEVER = Stamp(-1, -1, -1, -1)


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def plain(payload: bytes, format_name: str = "bytes", suffix: str = ".bytes") -> Encoded:
    return Encoded(format_name, digest_payload(format_name, payload), payload, suffix)


def table(*columns: bytes | Path | tuple[bytes, ...], header: bytes = b"") -> Encoded:
    chunks = []
    for column in columns:
        content = _content(column)
        chunks.append(Chunk(digest_chunk(content), len(content), column))
    payload = header + "\n".join(chunk.digest for chunk in chunks).encode()
    return Encoded("table", digest_payload("table", payload), payload, ".table", tuple(chunks))


def chunk_bytes(chunk: Chunk) -> bytes:
    return _content(chunk.content)


def _content(column: Buffer | Pieces | Path) -> bytes:
    if isinstance(column, Path):
        return column.read_bytes()
    return b"".join(column) if isinstance(column, tuple) else bytes(column)


def is_right(store: LocalStore, artifact: Artifact, encoded: Encoded, *, writable: bool = False) -> bool:
    """Whether what the store gives for `artifact` is `encoded`, payload and chunks."""
    stored = store.open(artifact)
    return bytes(stored.payload) == bytes(encoded.payload) and all(
        bytes(stored.chunk(chunk.digest, writable=writable)) == chunk_bytes(chunk) for chunk in encoded.chunks
    )


def visible(folder: StoreFolder) -> list[str]:
    """The names of all blobs there are."""
    return sorted(f"{path.parent.name}/{path.name}" for path in folder.blobs.glob("*/*"))


def assert_no_torn_blob(folder: StoreFolder, expected: Iterable[Encoded]) -> int:
    """Hash every visible blob whole, in a process that knows nothing of it; return how many there are."""
    by_name = {blob_name(encoded.digest, encoded.suffix): encoded for encoded in expected}
    names = visible(folder)
    store = LocalStore(StoreFolder.open(folder.path))
    for name in names:
        encoded = by_name[name]
        record = Artifact(encoded.digest, encoded.format, encoded.bytes, files=(BlobFile(name, NEVER),))
        assert is_right(store, store.verify(record), encoded)
    return len(names)
