"""One file of the store, opened for reading: what `stat` said of it, and views of its bytes.

Small files are read, larger ones mapped. A view keeps what it needs alive: it stays valid after the file was renamed,
replaced or unlinked, and after the `Blob` is gone. Read-only views share one map of the file; a writable view is
private, so that writing to it changes neither the file nor any other view.
"""

from __future__ import annotations

import errno
import mmap
import os
import resource
import stat
import sys
from pathlib import Path
from weakref import WeakSet

from flowkit.records import Stamp
from flowkit.store.files import stamp_of
from flowkit.store.packs import DamagedFileError, Location

READ_LIMIT = 1 << 17
"""Files up to this many bytes are read, not mapped: a map costs page faults and, until Python 3.13, a descriptor."""

_READ = 1 << 30

_maps: WeakSet[mmap.mmap] = WeakSet()
"""The maps that are alive and each hold a descriptor."""


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
            self.content: memoryview = _load(descriptor, self.stamp.size)
        finally:
            os.close(descriptor)

    def view(self, location: Location) -> memoryview:
        """Return the bytes at `location`, read-only.

        Raises:
            DamagedFileError: The file ends before them.
        """
        view = self.content[location.offset : location.offset + location.length]
        if len(view) != location.length:
            raise DamagedFileError(f"its file ends after {self.stamp.size} bytes, before what it should hold")
        return view

    def private_view(self, location: Location) -> memoryview:
        """Return a writable view of the bytes at `location`, of which nobody else has a view."""
        view = self.view(location)
        if location.offset in self._given or location.length == 0 or not isinstance(self.content.obj, mmap.mmap):
            return memoryview(bytearray(view))
        if self._private is None:
            self._private = self._map_privately()
        if self._private is None:
            return memoryview(bytearray(view))
        self._given.add(location.offset)
        return self._private[location.offset : location.offset + location.length]

    def _map_privately(self) -> memoryview | None:
        """Map the file copy-on-write; None where its name leads elsewhere by now, or descriptors run short."""
        if not _may_map():
            return None
        try:
            descriptor = _open_regular(self._path)
        except (OSError, DamagedFileError):  # the content at hand is still right: it is copied instead
            return None
        try:
            if stamp_of(os.fstat(descriptor)) != self.stamp:
                return None
            return memoryview(_map(descriptor, self.stamp.size, mmap.ACCESS_COPY))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENOMEM):
                raise
            return None
        finally:
            os.close(descriptor)


def _open_regular(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise DamagedFileError("something else than a file stands in its place") from error
        if error.errno in (errno.EIO, errno.ESTALE):
            raise DamagedFileError(f"its file cannot be opened ({error.strerror})") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedFileError("something else than a file stands in its place")
    return descriptor


def _load(descriptor: int, size: int) -> memoryview:
    if size > READ_LIMIT and _may_map():
        try:
            return memoryview(_map(descriptor, size, mmap.ACCESS_READ))
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
    return memoryview(_read(descriptor, size))


def _map(descriptor: int, size: int, access: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, access=access, trackfd=False)
    mapped = mmap.mmap(descriptor, size, access=access)
    _maps.add(mapped)
    return mapped


def _may_map() -> bool:
    """Say whether a map may take a descriptor: at most half of what the process has, the rest is the step's."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limit == resource.RLIM_INFINITY or len(_maps) < limit // 2


def _read(descriptor: int, size: int) -> bytes:
    blocks = []
    left = size
    try:
        while left > 0 and (block := os.read(descriptor, min(left, _READ))):
            blocks.append(block)
            left -= len(block)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise DamagedFileError(f"its file cannot be read ({error.strerror})") from error
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)
