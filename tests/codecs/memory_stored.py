"""A stored artifact that lies in memory: what a store gives a codec, without a store."""

from __future__ import annotations

from flowkit.codecs.base import Encoded
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

    def chunk(self, digest: str, *, writable: bool = False) -> memoryview:
        self.opened.append(digest)
        content = self._chunks[digest]
        raw = content.read_bytes() if not isinstance(content, bytes | bytearray | memoryview) else content
        return memoryview(bytearray(raw)) if writable else memoryview(raw).toreadonly()
