"""Records of stored content: what an artifact is and which files hold it."""

from __future__ import annotations

from msgspec import Struct

Digest = str
"""64 hexadecimal digits: a BLAKE3 hash."""

Payload = bytes
"""What travels in a record; `Artifact.bytes` hides the builtin's name from the annotations in its class."""

INLINE_LIMIT = 4096
"""Payloads up to this many bytes travel in records and live in the lineage database instead of in a blob."""


class Stamp(Struct, frozen=True):
    """What `stat` said of a file when its content was last known to be right on this host."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class BlobFile(Struct, frozen=True):
    """A file of the store.

    Attributes:
        name: Path below `blobs/`, such as `ab/cdef….table`: always hexadecimal digits and a known suffix.
        stamp: The file as it was written or last verified.
    """

    name: str
    stamp: Stamp


class Artifact(Struct, frozen=True):
    """An immutable output, addressed by its content.

    Attributes:
        digest: Hash over the format's tag and the canonical payload.
        format: The codec's name, such as `table`, `json` or `pickle`; `file` and `folder` for a `Path` that came in.
        bytes: Logical size of the whole content, shared chunks included.
        inline: The payload itself where it is at most `INLINE_LIMIT` bytes and has no chunks.
        files: The files that hold it, its own first; empty where it is inline, or a path outside the store.
        refers: `module:qualified name` of every class, function and object that the payload names instead of holding
            it, sorted: their code decides what a consumer gets.
    """

    digest: Digest
    format: str
    bytes: int
    inline: Payload | None = None
    files: tuple[BlobFile, ...] = ()
    refers: tuple[str, ...] = ()


class Output(Struct, frozen=True):
    """One named output of a node: `return`, `0`, `1`, … or a field's name."""

    name: str
    artifact: Artifact
