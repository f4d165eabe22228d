"""The layout of a container: one file that holds a payload and the chunks that were new when it was written.

```
magic · segments · payload · table of locations · footer
```

Each segment, and the payload, begins at a multiple of 64 bytes. Of a large chunk that says where its values begin these
lie at a multiple of 64 KB, so that they can be mapped wherever a consumer wants them.

The table says for every chunk of the artifact where it lies: in this file, or in another one that had it already. The
footer closes with a hash over the table and its own numbers, so that a file that was cut or overwritten is known by its
last bytes. Segments and payload carry no hash of their own here: their digests are their names.

A file that starts with the magic is a container, any other file is the bare payload of a simple format; a bare payload
that happens to start so is wrapped in a container without chunks. Nothing here does I/O but for reading the files that
chunks are taken from.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from blake3 import blake3
from msgspec import Struct, field

from flowkit.codecs.base import Buffer, Chunk, Encoded
from flowkit.errors import CodecError, StoreError, UnstableFileError
from flowkit.records import Digest
from flowkit.store.names import check_blob_name

MAGIC = b"flowkit pack 1\n\0"
ALIGNMENT = 64
PAGES = 1 << 16
"""Bytes that are a whole number of pages, whatever their size on a machine."""

_END = b"flowkit pack end"
_NUMBERS = struct.Struct("<QQQQQ")
_FOOTER_SIZE = _NUMBERS.size + 32 + len(_END)
_COUNT = struct.Struct("<I")
_NAME_LENGTH = struct.Struct("<H")
_ENTRY = struct.Struct("<32sIQQ")
_BLOCK = 1 << 20
_LARGE = 1 << 20


class DamagedFileError(Exception):
    """A file of the store whose structure is broken; its text is the end of a sentence."""


class Bytes(Protocol):
    """The bytes of a file: a view of them all, or what reads a part when it is asked for."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def __getitem__(self, part: slice, /) -> memoryview:
        """Return a part, read-only."""
        ...


class Location(NamedTuple):
    """Where some bytes lie: a file below `blobs/`, an offset and a length in bytes."""

    name: str
    offset: int
    length: int


class Layout(Struct, frozen=True):
    """Where an artifact's payload and each of its chunks lie."""

    payload: Location
    chunks: Mapping[Digest, Location] = field(default_factory=dict)


class FilePlan(Struct, frozen=True):
    """A file about to be written: its layout, and the chunks whose bytes go into it."""

    encoded: Encoded
    layout: Layout
    own: tuple[Chunk, ...]
    bare: bool

    def parts(self) -> Iterator[Buffer]:
        """Yield the file's bytes in order; it can be asked again where the file must be written anew.

        Raises:
            UnstableFileError: A file that a chunk is read from is not what the chunk's digest says.
        """
        if self.bare:
            yield self.encoded.payload
            return
        yield MAGIC
        position = len(MAGIC)
        for chunk in self.own:
            start = self.layout.chunks[chunk.digest].offset
            yield bytes(start - position)
            yield from _content_of(chunk)
            position = start + chunk.size
        yield bytes(-position % ALIGNMENT)
        yield self.encoded.payload
        yield _ending(self.layout)

    @property
    def borrows(self) -> bool:
        """Whether bytes of it come from memory that belongs to the value."""
        return any(isinstance(chunk.content, tuple) for chunk in self.own)

    @contextmanager
    def proving(self, descriptor: int) -> Iterator[Callable[[int], None]]:
        """Hash what comes from memory that belongs to the value once more, as it lies in the file, beside its writing.

        Yields:
            What is told how many bytes were written so far.

        Raises:
            CodecError: The value changed after its digest was taken.
            OSError: The file cannot be read.
        """
        from concurrent.futures import Future, ThreadPoolExecutor

        waiting = [chunk for chunk in reversed(self.own) if isinstance(chunk.content, tuple)]
        found: list[tuple[Digest, Future[Digest]]] = []
        executor = ThreadPoolExecutor(1, thread_name_prefix="flowkit-proof")

        def take_note(written: int) -> None:
            while waiting and (start := self.layout.chunks[waiting[-1].digest].offset) + waiting[-1].size <= written:
                chunk = waiting.pop()
                found.append((chunk.digest, executor.submit(_digest_range, descriptor, start, chunk.size)))

        try:
            yield take_note
            if any(digest != written.result() for digest, written in found):
                raise CodecError.for_changed_value(self.encoded.format)
        finally:
            executor.shutdown(cancel_futures=True)


def plan_file(name: str, encoded: Encoded, known: Mapping[Digest, Location]) -> FilePlan:
    """Lay out the file `name` for `encoded`; chunks that are `known` to lie elsewhere are referred to, not written."""
    payload_size = memoryview(encoded.payload).nbytes
    if not encoded.chunks and bytes(memoryview(encoded.payload)[: len(MAGIC)]) != MAGIC:
        return FilePlan(encoded, Layout(Location(name, 0, payload_size)), (), bare=True)
    chunks: dict[Digest, Location] = {}
    own: list[Chunk] = []
    position = len(MAGIC)
    for chunk in encoded.chunks:
        if chunk.digest in chunks:
            continue
        elsewhere = known.get(chunk.digest)
        if elsewhere is not None and elsewhere.length == chunk.size:
            chunks[chunk.digest] = elsewhere
            continue
        position = _place(position, chunk)
        chunks[chunk.digest] = Location(name, position, chunk.size)
        position += chunk.size
        own.append(chunk)
    position += -position % ALIGNMENT
    return FilePlan(encoded, Layout(Location(name, position, payload_size), chunks), tuple(own), bare=False)


def _place(position: int, chunk: Chunk) -> int:
    """Return where a chunk begins that comes after `position`."""
    if chunk.lead and chunk.size >= _LARGE:
        return position + -(position + chunk.lead) % PAGES
    return position + -position % ALIGNMENT


def is_container(content: Bytes) -> bool:
    """Say whether a file with this content is a container, by its first bytes."""
    return bytes(content[: len(MAGIC)]) == MAGIC


def read_layout(name: str, content: Bytes) -> Layout:
    """Read the layout of the file `name` from its whole content.

    Raises:
        DamagedFileError: It starts as a container and does not end as one, or cannot be read.
    """
    if not is_container(content):
        return Layout(Location(name, 0, len(content)))
    numbers, table = _verified_ending(content)
    try:
        return Layout(Location(name, numbers[0], numbers[1]), dict(_entries(name, table)))
    except (struct.error, IndexError, UnicodeDecodeError, StoreError) as error:
        raise DamagedFileError("the table in its file cannot be read") from error


def _ending(layout: Layout) -> bytes:
    table = _table(layout)
    own = layout.payload
    start = own.offset + own.length
    numbers = _NUMBERS.pack(own.offset, own.length, start, len(table), start + len(table) + _FOOTER_SIZE)
    return table + numbers + blake3(table + numbers).digest() + _END


def _table(layout: Layout) -> bytes:
    indexes = {layout.payload.name: 0}
    for location in layout.chunks.values():
        indexes.setdefault(location.name, len(indexes))
    others = [name.encode("ascii") for name in list(indexes)[1:]]
    pieces = [_COUNT.pack(len(others))]
    pieces.extend(_NAME_LENGTH.pack(len(name)) + name for name in others)
    pieces.extend(
        _ENTRY.pack(bytes.fromhex(digest), indexes[location.name], location.offset, location.length)
        for digest, location in layout.chunks.items()
    )
    return b"".join(pieces)


def _verified_ending(content: Bytes) -> tuple[tuple[int, ...], bytes]:
    size = len(content)
    footer = bytes(content[-_FOOTER_SIZE:])
    if size < len(MAGIC) + _FOOTER_SIZE or not footer.endswith(_END):
        raise DamagedFileError("its file was cut or overwritten at its end")
    numbers = _NUMBERS.unpack_from(footer)
    payload_start, payload_size, table_start, table_size, stated_size = numbers
    if stated_size != size or table_start + table_size + _FOOTER_SIZE != size:
        raise DamagedFileError(f"its file has {size} bytes where it says {stated_size}")
    if payload_start + payload_size > table_start:
        raise DamagedFileError("its file's parts overlap")
    table = bytes(content[table_start : table_start + table_size])
    if blake3(table + footer[: _NUMBERS.size]).digest() != footer[_NUMBERS.size : -len(_END)]:
        raise DamagedFileError("the table in its file does not match its hash")
    return numbers, table


def _entries(name: str, table: bytes) -> Iterator[tuple[Digest, Location]]:
    (count,) = _COUNT.unpack_from(table)
    position = _COUNT.size
    names = [name]
    for _ in range(count):
        (length,) = _NAME_LENGTH.unpack_from(table, position)
        position += _NAME_LENGTH.size + length
        names.append(check_blob_name(table[position - length : position].decode("ascii")))
    for digest, index, offset, length in _ENTRY.iter_unpack(table[position:]):
        yield digest.hex(), Location(names[index], offset, length)


def _content_of(chunk: Chunk) -> Iterator[Buffer]:
    if isinstance(chunk.content, Path):
        return _file_content(chunk, chunk.content)
    pieces = chunk.content if isinstance(chunk.content, tuple) else (chunk.content,)
    size = sum(memoryview(piece).nbytes for piece in pieces)
    if size != chunk.size:
        raise ValueError(f"chunk {chunk.digest} has {size} bytes where its codec says {chunk.size}")
    return iter(pieces)


def _digest_range(descriptor: int, start: int, size: int) -> Digest:
    """Return the digest of a part of a file, as the system has it in memory."""
    hasher, buffer = blake3(), memoryview(bytearray(min(size, _BLOCK)))
    end = start + size
    while start < end and (count := os.preadv(descriptor, [buffer[: end - start]], start)):
        hasher.update(buffer[:count])
        start += count
    return hasher.hexdigest()


def _file_content(chunk: Chunk, path: Path) -> Iterator[bytes]:
    """Yield the file's bytes, never more than the chunk has, and refuse in the end what is not the chunk."""
    hasher = blake3()
    left = chunk.size
    try:
        with path.open("rb", buffering=0) as file:
            while left > 0 and (block := file.read(min(_BLOCK, left))):
                hasher.update(block)
                left -= len(block)
                yield block
            longer = bool(file.read(1))
            actual = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise UnstableFileError.for_change(path, error.strerror or str(error)) from error
    if left > 0 or longer:
        raise UnstableFileError.for_change(path, f"it had {chunk.size} bytes and has {actual} now")
    if hasher.hexdigest() != chunk.digest:
        raise UnstableFileError.for_change(path, "its content changed while it was stored")
