"""One chunk of a column as an Arrow IPC stream of one column, called `c`.

The buffers of a large array are not copied: the stream is made of pieces, some of which are the array's own memory. A
consumer may map the values of such a chunk beside those of others, so it is told how many bytes come before them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from flowkit.codecs.base import Buffer, Chunk, Pieces, digest_pieces

if TYPE_CHECKING:
    import pyarrow as pa

_SMALL = 1 << 16


def make_chunk(array: pa.Array, *, alone: bool = True) -> Chunk:
    """Return an array as a chunk, which keeps the array's memory alive where it is not small.

    Args:
        array: Up to `CHUNK_ROWS` rows of a column.
        alone: Whether all threads may hash it, as none has another chunk.
    """
    pieces = _stream(array)
    digest, size = digest_pieces(pieces, alone=alone), sum(map(len, pieces))
    if len(pieces) == 1:
        return Chunk(digest, size, pieces[0])
    return Chunk(digest, size, pieces, lead=len(pieces[0]))


def _stream(array: pa.Array) -> Pieces:
    """Return an IPC stream of one column, large buffers as they lie in the array.

    Options are spelled out, as the environment can change their defaults.
    """
    import pyarrow as pa

    schema = pa.schema([pa.field("c", array.type)])
    batch = pa.RecordBatch.from_arrays([array], schema=schema)
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V5, compression=None)
    if array.nbytes < _SMALL:
        growing = pa.BufferOutputStream()
        _write_stream(growing, batch, options)
        return (memoryview(growing.getvalue()),)
    taken = _Taken()
    with pa.PythonFile(taken, "w") as sink:
        _write_stream(sink, batch, options)
    return _merged(taken.pieces)


class _Taken:
    """A sink that keeps what is written to it, without a copy where Arrow hands on a buffer."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[bytes | pa.Buffer] = []

    def write(self, piece: bytes | pa.Buffer) -> int:
        """Keep a piece."""
        self.pieces.append(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing: there is nowhere to flush to."""

    def close(self) -> None:
        """Do nothing: what was kept stays."""


def _merged(pieces: Iterable[bytes | pa.Buffer]) -> Pieces:
    """Return the same bytes, those of neighbours that are small in one piece."""
    merged: list[Buffer] = []
    for small, group in groupby(pieces, lambda piece: len(piece) < _SMALL):
        neighbours = [memoryview(piece) for piece in group]
        merged += [b"".join(neighbours)] if small else neighbours
    return tuple(merged)


def _write_stream(sink: pa.NativeFile, batch: pa.RecordBatch, options: pa.ipc.IpcWriteOptions) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        if batch.num_rows:
            writer.write_batch(batch)
