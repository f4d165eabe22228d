"""One file of the store, opened for reading: what `stat` said of it, and views of its bytes.

Small files are read, larger ones mapped. A view keeps what it needs alive: it stays valid after the file was renamed,
replaced or unlinked, and after the `Blob` is gone. Read-only views share one map of the file; a writable view is
private, so that writing to it changes neither the file nor any other view.

A process that touches a page of a map which the disk does not give is killed by a signal. So no view of a map is handed
out before its bytes were read once through the file's descriptor, where the same disk answers with an error.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakSet

from flowkit.records import Stamp
from flowkit.store.files import stamp_of
from flowkit.store.packs import Bytes, DamagedFileError, Location

READ_LIMIT = 1 << 17
"""Files up to this many bytes are read, not mapped: a map costs page faults and, until Python 3.13, a descriptor."""

_READ = 1 << 30
_PIECE = 1 << 24
_BUFFER = 1 << 20
_WITHHELD = frozenset({errno.EIO, errno.EBADMSG, getattr(errno, "EUCLEAN", errno.EIO), errno.ESTALE})
"""How a file system says that it cannot give what a file holds: the sector, a checksum, its own structure, the file."""

_LET_GO: int | None = getattr(mmap, "MADV_DONTNEED", None)

_holders: WeakSet[mmap.mmap | MappedContent] = WeakSet()
"""The maps and mapped contents that are alive and each hold a descriptor."""


class MappedContent:
    """The bytes of a file through a shared map; each part is read once before it is given.

    Args:
        descriptor: The file's; this object takes one of its own.
        size: How many bytes it had when it was opened.
    """

    __slots__ = ("__weakref__", "_descriptor", "_mapped", "_proven", "_view")

    def __init__(self, descriptor: int, size: int) -> None:
        self._mapped = _map(descriptor, size, mmap.ACCESS_READ)
        self._view = memoryview(self._mapped)
        self._descriptor = os.dup(descriptor)
        self._proven: set[tuple[int, int]] = set()
        _holders.add(self)

    def __len__(self) -> int:
        return len(self._view)

    def __getitem__(self, part: slice, /) -> memoryview:
        """Return a part, read-only.

        Raises:
            DamagedFileError: The disk does not give its bytes, or the file was cut short.
            OSError: They cannot be read for another reason.
        """
        start, stop, _ = part.indices(len(self._view))
        if (start, stop) not in self._proven:
            with _reading():
                _read_through(self._descriptor, start, stop)
            self._proven.add((start, stop))
        return self._view[start:stop]

    def let_go(self, start: int, stop: int) -> None:
        """Give up the pages of a part that this map holds; whoever touches them again finds the file's."""
        start += -start % mmap.PAGESIZE
        if _LET_GO is not None and start < stop:
            # Locked pages stay; it is for memory alone.
            with suppress(OSError):
                self._mapped.madvise(_LET_GO, start, stop - start)

    def __del__(self) -> None:
        # A step may have closed descriptors that are not its own.
        with suppress(AttributeError, OSError):
            os.close(self._descriptor)


class Blob:
    """An open file of the store; its content is that of one inode, whatever happens to the name later."""

    __slots__ = ("_given", "_path", "_private", "content", "name", "stamp")

    def __init__(self, path: Path, name: str) -> None:
        """Open the file at `path`, which the store calls `name`.

        Raises:
            FileNotFoundError: It is gone.
            DamagedFileError: It is not a regular file, or the disk does not give its bytes.
            OSError: It cannot be opened for another reason.
        """
        self.name = name
        self._path = path
        self._private: memoryview | None = None
        self._given: set[int] = set()
        descriptor = _open_regular(path)
        try:
            self.stamp: Stamp = stamp_of(os.fstat(descriptor))
            self.content: Bytes = _load(descriptor, self.stamp.size)
        finally:
            os.close(descriptor)

    def view(self, location: Location) -> memoryview:
        """Return the bytes at `location`, read-only.

        Raises:
            DamagedFileError: The file ends before them, or the disk does not give them.
            OSError: They cannot be read for another reason.
        """
        view = self.content[location.offset : location.offset + location.length]
        if len(view) != location.length:
            raise DamagedFileError(f"its file ends after {self.stamp.size} bytes, before what it should hold")
        return view

    def private_view(self, location: Location) -> memoryview:
        """Return a writable view of the bytes at `location`, of which nobody else has a view."""
        view = self.view(location)
        if location.offset in self._given or location.length == 0 or not isinstance(self.content, MappedContent):
            return memoryview(bytearray(view))
        if self._private is None:
            self._private = self._map_privately()
        if self._private is None:
            return memoryview(bytearray(view))
        self._given.add(location.offset)
        self.let_go(location)
        return self._private[location.offset : location.offset + location.length]

    def let_go(self, location: Location) -> None:
        """Give up the memory that the shared map holds of a location; its views stay valid."""
        if isinstance(self.content, MappedContent):
            self.content.let_go(location.offset, location.offset + location.length)

    @contextmanager
    def reopened(self) -> Iterator[int | None]:
        """Yield a descriptor of the very file; None where its name leads elsewhere by now, or descriptors run short."""
        try:
            descriptor = _open_regular(self._path) if _may_map() else None
        except (OSError, DamagedFileError):  # the content at hand is still right
            descriptor = None
        if descriptor is None:
            yield None
            return
        try:
            yield descriptor if stamp_of(os.fstat(descriptor)) == self.stamp else None
        finally:
            os.close(descriptor)

    def _map_privately(self) -> memoryview | None:
        """Map the file copy-on-write; None where that cannot be."""
        with self.reopened() as descriptor:
            if descriptor is None:
                return None
            try:
                return memoryview(_map(descriptor, self.stamp.size, mmap.ACCESS_COPY))
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENOMEM):
                    raise
                return None


def _open_regular(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise DamagedFileError("something else than a file stands in its place") from error
        if error.errno in _WITHHELD:
            raise DamagedFileError(f"its file cannot be opened ({error.strerror})") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedFileError("something else than a file stands in its place")
    return descriptor


def _load(descriptor: int, size: int) -> Bytes:
    if size > READ_LIMIT and _may_map():
        try:
            return MappedContent(descriptor, size)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
    return memoryview(_read(descriptor, size))


def _map(descriptor: int, size: int, access: int) -> mmap.mmap:
    try:
        if sys.version_info >= (3, 13):
            return mmap.mmap(descriptor, size, access=access, trackfd=False)
        mapped = mmap.mmap(descriptor, size, access=access)
    except ValueError as error:
        raise _cut_short() from error
    _holders.add(mapped)
    return mapped


def _may_map() -> bool:
    """Say whether a map may take descriptors: at most half of what the process has, the rest is the step's."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit == resource.RLIM_INFINITY or len(_holders) < limit // 2


def _read(descriptor: int, size: int) -> bytes:
    blocks = []
    left = size
    with _reading():
        while left > 0 and (block := os.read(descriptor, min(left, _READ))):
            blocks.append(block)
            left -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _read_through(descriptor: int, start: int, stop: int) -> None:
    """Let the system read a part of a file; where it can it copies nothing, as the part goes to the null device."""
    try:
        null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:  # the part is copied instead
        _read_by_copying(descriptor, start, stop)
        return
    try:
        while start < stop:
            sent = os.sendfile(null, descriptor, start, min(stop - start, _PIECE))
            if not sent:
                raise _cut_short()
            start += sent
    except OSError:  # not every system and file system can; else copying fails too, with the right error
        _read_by_copying(descriptor, start, stop)
    finally:
        os.close(null)


def _read_by_copying(descriptor: int, start: int, stop: int) -> None:
    buffer = memoryview(bytearray(min(stop - start, _BUFFER)))
    while start < stop:
        count = os.preadv(descriptor, [buffer[: stop - start]], start)
        if not count:
            raise _cut_short()
        start += count


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _WITHHELD:
            raise
        raise DamagedFileError(f"its file cannot be read ({error.strerror})") from error


def _cut_short() -> DamagedFileError:
    return DamagedFileError("its file was cut short while it was read")
