"""What the C library offers to a store and Python does not: maps at a chosen place, and writing that starts early.

Both are for speed alone. Where a system has no such call, or refuses it, callers copy, or wait longer in `fsync`.
"""

from __future__ import annotations

import mmap
from functools import cache
from typing import Any

_FIXED = 0x10
"""MAP_FIXED, on Linux and on macOS."""

_START_WRITING = 2
"""SYNC_FILE_RANGE_WRITE."""


def map_over(stretch: mmap.mmap, position: int, size: int, descriptor: int, offset: int) -> bool:
    """Map a part of a file, copy-on-write, over a part of a private map, and say whether that was done.

    It goes with that map. Where it was not done, that part of the private map may be gone, and nobody may touch it.

    Args:
        stretch: An anonymous private map.
        position: Where in it, a multiple of the page size.
        size: How many bytes, whole pages; all of them lie inside `stretch`.
        descriptor: The file's.
        offset: Where in the file, a multiple of the page size.
    """
    import ctypes

    place = ctypes.addressof(ctypes.c_char.from_buffer(stretch)) + position
    protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | _FIXED
    return bool(_mmap()(place, size, protection, flags, descriptor, offset) == place)


def start_writing(descriptor: int, start: int, size: int) -> None:
    """Let the disk begin to take a part of a file. Nothing is durable by it; what fails is told by the next `fsync`."""
    call = _sync_file_range()
    if call is not None:
        call(descriptor, start, size, _START_WRITING)


@cache
def _mmap() -> Any:
    import ctypes

    call = ctypes.CDLL(None).mmap
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_int64]
    call.restype = ctypes.c_void_p
    return call


@cache
def _sync_file_range() -> Any:
    """Return Linux's call, None elsewhere."""
    import ctypes

    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return call
