"""What a codec gives the store and takes from it.

A codec turns a value into a small canonical payload and, for what is large, chunks that the payload names by digest.
Equal content gives equal bytes. A codec does no I/O of its own but for reading a `Path` it was given and for
materialising one in the folder it is handed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from blake3 import blake3
from msgspec import Struct

from flowkit.records import Artifact, Digest

Buffer = bytes | bytearray | memoryview
Pieces = tuple[Buffer, ...]
"""Bytes that follow one another, in memory that belongs to the value: its owner may still write to it."""

_MANY = 1 << 22

_DOMAIN = b"flowkit artifact 1\0"


def digest_payload(format_name: str, payload: Buffer) -> Digest:
    """Return the digest of an artifact: BLAKE3 over a domain, the format's name and the canonical payload."""
    hasher = blake3(_DOMAIN + format_name.encode() + b"\0")
    hasher.update(payload)
    return hasher.hexdigest()


def digest_chunk(content: Buffer, *, alone: bool = True) -> Digest:
    """Return the digest of a chunk: plain BLAKE3 of its bytes.

    Args:
        content: The bytes.
        alone: Whether all threads may work on it, as none has another chunk.
    """
    return digest_pieces((content,), alone=alone)


def digest_pieces(pieces: Pieces, *, alone: bool = True) -> Digest:
    """Return the digest of a chunk whose bytes lie in several places; `alone` as for `digest_chunk`."""
    threads = blake3.AUTO if alone and sum(map(len, pieces)) > _MANY else 1
    hasher = blake3(max_threads=threads)
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest()


class Chunk(Struct, frozen=True):
    """A large part of a value.

    Attributes:
        size: In bytes.
        content: Its bytes, the pieces that they are made of, or the file that they are read from.
        lead: How many of its bytes come before those that a consumer may want to map as they lie in the file.
    """

    digest: Digest
    size: int
    content: Buffer | Pieces | Path
    lead: int = 0


class Part(NamedTuple):
    """Some bytes of a chunk: where they begin in it, and how many there are."""

    digest: Digest
    start: int
    size: int


class Encoded(Struct, frozen=True):
    """A value in canonical form.

    Attributes:
        payload: The whole value for a simple format; for a format with chunks the manifest that names them.
        suffix: Of the blob's file name, with its dot.
        refers: `module:qualified name` of what the payload names instead of holding it, sorted.
    """

    format: str
    digest: Digest
    payload: Buffer
    suffix: str
    chunks: tuple[Chunk, ...] = ()
    refers: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Logical size: payload and all chunks, whether or not the store has them already."""
        return len(self.payload) + sum(chunk.size for chunk in self.chunks)


class Stored(Protocol):
    """A verified artifact opened for reading."""

    @property
    def artifact(self) -> Artifact:
        """The artifact's record."""
        ...

    @property
    def payload(self) -> memoryview:
        """The canonical payload, read-only."""
        ...

    def prepare(self, digests: Sequence[Digest]) -> None:
        """Verify chunks that will be asked for, several at a time; what is wrong with one is told when it is."""
        ...

    def chunk(self, digest: Digest, *, writable: bool = False) -> memoryview:
        """Return a chunk's bytes, verified; `writable` gives a private copy-on-write map."""
        ...

    def join(self, parts: Sequence[Part]) -> memoryview | None:
        """Return parts of chunks, verified, one after the other in private memory that can be written to.

        None where that would need a copy.
        """
        ...


class Codec(Protocol):
    """Value to canonical bytes and back. `decode(encode(x))` is what every consumer receives."""

    @property
    def format(self) -> str:
        """The format's name, as artifacts record it."""
        ...

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode `value`, annotated as `hint`.

        Raises:
            CodecError: The value cannot be stored; the message names its type and the remedy.
        """
        ...

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Decode into what a consumer annotated as `hint` takes; `folder` is private to it, for files.

        Raises:
            CodecError: The content cannot be given as `hint`.
        """
        ...
