"""Column data as chunks: written with their digests, read without a copy where that can be.

A chunk is an Arrow IPC stream of one column, called `c`, of up to `CHUNK_ROWS` rows in canonical form, and a column is
a *leaf* of the manifest: the digests and sizes of its chunks. The chunks of a table of less than `SEGMENT_LIMIT` bytes
are joined into one segment, sorted by digest and aligned, so that a small table is one object however wide it is, while
its manifest still tells each column's digests. Larger tables hand their chunks over one by one: a column that did not
change is the same chunk.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from flowkit.codecs.base import Chunk, Part, Stored, digest_chunk
from flowkit.codecs.pickling import load_naming
from flowkit.codecs.tables_canonical import CHUNK_ROWS, canonical_array, valid_rows
from flowkit.codecs.tables_ipc import make_chunk
from flowkit.codecs.threads import in_threads, usable_threads
from flowkit.errors import CodecError, cut

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SEGMENT_LIMIT = 1 << 20
_ALIGNMENT = 64
_PROTOCOL = 5

PicklePolicy = Literal["allow", "deny"]


class Leaf(TypedDict):
    """A column's data: (digest, bytes) of each chunk in order."""

    chunks: list[tuple[str, int]]


class Segment(TypedDict):
    """The chunk that holds all chunks of a small table."""

    digest: str
    size: int


class TableWriter:
    """Collect the chunks of one table while its manifest is built.

    Attributes:
        column: The column at work, as errors name it.
        pickled: Names of the types that needed pickle.
        refers: `module:qualified name` of what the pickled values name.
    """

    def __init__(self, policy: PicklePolicy = "allow") -> None:
        self.column = "?"
        self.pickled: set[str] = set()
        self.refers: set[str] = set()
        self._policy = policy
        self._chunks: dict[str, Chunk] = {}

    def write(self, data: pa.Array | pa.ChunkedArray) -> Leaf:
        """Write a column's data in canonical form; needs `has_canonical_form` of its type."""
        pieces = list(_rechunked(data))
        alone = len(pieces) < 2
        made = in_threads(lambda piece: make_chunk(canonical_array(piece), alone=alone), pieces, usable_threads())
        return {"chunks": [self._keep(chunk) for chunk in made]}

    def write_verbatim(self, data: pa.ChunkedArray) -> Leaf:
        """Write what has no canonical form as it is: equal values may differ in digest, which costs a rerun."""
        pieces = [piece for chunk in data.chunks for piece in _slices(chunk)]
        return {"chunks": [self._keep(make_chunk(piece)) for piece in pieces]}

    def pickle(self, value: Any) -> bytes:
        """Pickle a value as its fixpoint, which also proves that it loads.

        Raises:
            CodecError: Pickle is denied, or the value cannot be pickled and loaded.
        """
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if self._policy == "deny":
            raise CodecError.for_pickled_column(self.column, name)
        try:
            loaded, refers = load_naming(pickle.dumps(value, _PROTOCOL))
            content = pickle.dumps(loaded, _PROTOCOL)
        except Exception as error:
            raise CodecError.for_table_column(self.column, name, cut(str(error))) from error
        self.pickled.add(name)
        self.refers |= refers
        return content

    def finish(self) -> tuple[Segment | None, tuple[Chunk, ...]]:
        """Return the segment, where the table is small, and the chunks to store."""
        chunks = self._chunks
        total = sum(chunk.size for chunk in chunks.values())
        if len(chunks) < 2 or total >= SEGMENT_LIMIT:
            return None, tuple(chunks.values())
        joined = b"".join(_copied(chunks[digest]) for digest in sorted(chunks))
        digest = digest_chunk(joined)
        return {"digest": digest, "size": len(joined)}, (Chunk(digest, len(joined), joined),)

    def _keep(self, chunk: Chunk) -> tuple[str, int]:
        self._chunks.setdefault(chunk.digest, chunk)
        return chunk.digest, chunk.size


class TableReader:
    """Read the columns of one stored table; opens only the chunks that are asked for.

    Args:
        stored: The table's artifact.
        manifest: Its manifest, parsed.
        writable: Whether arrays are to be written to by their consumer, without reaching the store.
        policy: Whether pickled values may be loaded.
    """

    def __init__(self, stored: Stored, manifest: Any, *, writable: bool, policy: PicklePolicy = "allow") -> None:
        self._stored = stored
        self._writable = writable
        self._policy = policy
        self._declared = bool(manifest.get("pickled"))
        self._segment: Segment | None = manifest.get("segment")
        self._places = _segment_places(manifest) if self._segment else {}
        self._joined: memoryview | None = None

    def prepare(self, node: Any) -> None:
        """Verify the data found in a piece of a manifest, before it is read column by column."""
        if self._segment is None:
            self._stored.prepare([digest for leaf in leaves(node) for digest, _ in leaf["chunks"]])

    def read(self, leaf: Leaf) -> pa.ChunkedArray:
        """Return a column's data as Arrow arrays over the stored bytes."""
        import pyarrow as pa

        pieces = [self._piece(digest)[1] for digest, _ in leaf["chunks"]]
        return pa.chunked_array([chunk for piece in pieces for chunk in piece.chunks], type=pieces[0].type)

    def read_numpy(self, leaf: Leaf, dtype: np.dtype[Any], missing: Any = None) -> np.ndarray[Any, Any]:
        """Return fixed-width data as a writable array, `missing` at nulls; without nulls it is as the store maps it."""
        import numpy as np

        digests = [digest for digest, _ in leaf["chunks"]]
        if len(digests) > 1 and (mapped := self._map(digests, dtype)) is not None:
            return mapped
        # One thread verifies chunks, this one copies them.
        chunks = in_threads(self._arrays, digests, 1)
        first = next(chunks, [])
        if len(digests) == 1 and len(first) == 1 and first[0][1].null_count == 0:
            values = _values(*first[0], dtype)
            return values if values.flags.writeable and values.flags.aligned else values.copy()
        # Each chunk but the last has as many rows as the first; what the last leaves over is never touched.
        joined = np.empty(sum(len(array) for _, array in first) * len(digests), dtype)
        start = 0
        for view, array in chain(first, chain.from_iterable(chunks)):
            if start + len(array) > len(joined):
                joined = np.concatenate([joined, np.empty(len(array), dtype)])
            part = joined[start : start + len(array)]
            part[:] = _values(view, array, dtype)
            valid = valid_rows(array)
            if valid is not None:
                part[~valid] = missing
            start += len(array)
        return joined[:start]

    def unpickle(self, content: bytes) -> Any:
        """Load a pickled value.

        Raises:
            CodecError: Pickle is denied, or the manifest does not own up to it: a table is trusted by what that says.
        """
        if not self._declared:
            raise CodecError.for_undeclared_pickle(self._stored.artifact.digest)
        if self._policy == "deny":
            raise CodecError.for_pickled_table(self._stored.artifact.digest)
        return pickle.loads(content)

    def _map(self, digests: list[str], dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
        """Return the values of several chunks as one array that is mapped; None where they must be copied."""
        import numpy as np

        if self._segment is not None:
            return None
        parts: list[Part] = []
        for digest in digests:
            part = self._values_of(digest, dtype)
            if part is None:
                return None
            parts.append(part)
        joined = self._stored.join(parts)
        return None if joined is None else np.frombuffer(joined, dtype)

    def _values_of(self, digest: str, dtype: np.dtype[Any]) -> Part | None:
        """Return where in a chunk its values lie, None where they are not there as `dtype` has them."""
        import pyarrow as pa

        view = self._stored.chunk(digest)
        column = pa.ipc.open_stream(pa.py_buffer(view)).read_all().column(0)
        array = column.chunk(0) if column.num_chunks == 1 else None
        if array is None or array.null_count or pa.types.is_boolean(array.type):
            return None
        start = array.buffers()[1].address - pa.py_buffer(view).address
        return Part(digest, start, len(array) * dtype.itemsize)

    def _arrays(self, digest: str) -> list[tuple[memoryview, pa.Array]]:
        view, column = self._piece(digest)
        return [(view, array) for array in column.chunks]

    def _piece(self, digest: str) -> tuple[memoryview, pa.ChunkedArray]:
        import pyarrow as pa

        view = self._view(digest)
        return view, pa.ipc.open_stream(pa.py_buffer(view)).read_all().column(0)

    def _view(self, digest: str) -> memoryview:
        if self._segment is None:
            return self._stored.chunk(digest, writable=self._writable)
        if self._joined is None:
            self._joined = self._stored.chunk(self._segment["digest"], writable=self._writable)
        start, size = self._places[digest]
        return self._joined[start : start + size]


def leaves(node: Any) -> Iterator[Leaf]:
    """Yield every column's data found in a piece of a manifest."""
    if isinstance(node, dict):
        if "chunks" in node:
            yield node  # type: ignore[misc]
            return
        for child in node.values():
            yield from leaves(child)
    elif isinstance(node, list):
        for child in node:
            yield from leaves(child)


def missing_of(dtype: np.dtype[Any]) -> Any:
    """Return what stands for a null in a numpy array: NaT for times."""
    import numpy as np

    return dtype.type("NaT", np.datetime_data(dtype)[0]) if dtype.kind in "mM" else None


def _segment_places(manifest: Any) -> dict[str, tuple[int, int]]:
    """Return where each chunk lies in the segment: they follow one another by digest, aligned."""
    sizes = {digest: size for leaf in leaves(manifest) for digest, size in leaf["chunks"]}
    places, start = {}, 0
    for digest in sorted(sizes):
        places[digest] = (start, sizes[digest])
        start += sizes[digest] + -sizes[digest] % _ALIGNMENT
    return places


def _copied(chunk: Chunk) -> bytes:
    """Return a chunk's content, padded, which is what was hashed though it lay in memory that others may write to.

    Raises:
        CodecError: Something wrote to the value meanwhile.
    """
    assert not isinstance(chunk.content, Path), "a column's data never lies in a file of its own"
    pieces = chunk.content if isinstance(chunk.content, tuple) else (chunk.content,)
    content = b"".join((*pieces, bytes(-chunk.size % _ALIGNMENT)))
    if len(pieces) > 1 and digest_chunk(memoryview(content)[: chunk.size]) != chunk.digest:
        raise CodecError.for_changed_value("table")
    return content


def _rechunked(data: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """Yield contiguous arrays of `CHUNK_ROWS` rows, the last one shorter; one empty array for no rows."""
    import pyarrow as pa

    chunked = data if isinstance(data, pa.ChunkedArray) else pa.chunked_array([data])
    if len(chunked) == 0:
        yield pa.array([], chunked.type)
    for start in range(0, len(chunked), CHUNK_ROWS):
        piece = chunked.slice(start, CHUNK_ROWS)
        yield piece.chunk(0) if piece.num_chunks == 1 else pa.concat_arrays(piece.chunks)


def _slices(array: pa.Array) -> Iterator[pa.Array]:
    for start in range(0, max(len(array), 1), CHUNK_ROWS):
        yield array.slice(start, CHUNK_ROWS)


def _values(view: memoryview, array: pa.Array, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an array's values as numpy over `view`, so that they are writable where the view is."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_boolean(array.type):
        return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), dtype)
    data = array.buffers()[1]
    if len(array) == 0 or data is None:
        return np.empty(0, dtype)
    return np.frombuffer(view, dtype, len(array), data.address - pa.py_buffer(view).address)
