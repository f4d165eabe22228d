"""A stored artifact that lies in memory: what a store gives a codec, without a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowkit.codecs.base import Buffer, Encoded, Part, Pieces
from flowkit.records import Artifact


class MemoryStored:
    """Serve an encoded value as the store would: read-only views, private copies where they are to be written."""

    def __init__(self, encoded: Encoded) -> None:
        self._encoded = encoded
        self._chunks = {chunk.digest: chunk.content for chunk in encoded.chunks}
        self.opened: list[str] = []

    @property
    def artifact(self) -> Artifact:
        return Artifact(self._encoded.digest, self._encoded.format, self._encoded.bytes)

    @property
    def payload(self) -> memoryview:
        return memoryview(self._encoded.payload).toreadonly()

    def prepare(self, digests: Sequence[str]) -> None:
        pass

    def chunk(self, digest: str, *, writable: bool = False) -> memoryview:
        self.opened.append(digest)
        content = self._chunks[digest]
        raw = content.read_bytes() if isinstance(content, Path) else _joined(content)
        return memoryview(bytearray(raw)) if writable else memoryview(raw).toreadonly()

    def join(self, parts: Sequence[Part]) -> memoryview | None:
        return None


def _joined(content: Buffer | Pieces) -> Buffer:
    return b"".join(content) if isinstance(content, tuple) else content
