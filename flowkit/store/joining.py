"""Parts of files of the store one after the other in memory, as if they had been copied there.

A column of many chunks lies in as many places, in one file or several, and its consumer wants one array. Where each
part begins at a page its pages are mapped, copy-on-write, over one stretch of memory that was set aside: no byte is
copied, and what a step writes there reaches neither a file nor anybody else. Only of the last part, what fills no page
is copied.
The stretch is a map of Python's, which takes all that was mapped over it away with itself.
"""

from __future__ import annotations

import mmap
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple
from weakref import WeakKeyDictionary

from flowkit.store.blobs import Blob, MappedContent
from flowkit.store.libc import map_over
from flowkit.store.packs import Location

MOST_MAPS = 1 << 14
"""Maps that a process may hold of this kind: a quarter of what Linux allows it."""

_held: WeakKeyDictionary[mmap.mmap, int] = WeakKeyDictionary()
_guard = threading.Lock()


class BlobPart(NamedTuple):
    """Some verified bytes of a blob."""

    blob: Blob
    location: Location


def join_parts(parts: Sequence[BlobPart]) -> memoryview | None:
    """Return private, writable memory in which the parts follow one another; None where they must be copied."""
    if not _can_be_mapped(parts):
        return None
    size = sum(part.location.length for part in parts)
    stretch = _set_aside(size + -size % mmap.PAGESIZE, len(parts))
    if stretch is None:
        return None
    joined = memoryview(stretch)[:size]
    return joined if _map_all(parts, stretch, joined) else None


def _set_aside(size: int, maps: int) -> mmap.mmap | None:
    """Return memory for so many maps; None where these would be too many, or memory is short."""
    with _guard:
        if sum(_held.values()) + maps > MOST_MAPS:
            return None
        try:
            stretch = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError:  # the parts are read into memory one by one instead
            return None
        _held[stretch] = maps
        return stretch


def _can_be_mapped(parts: Sequence[BlobPart]) -> bool:
    """Say whether each part but the last is made of whole pages of a mapped file."""
    return all(
        isinstance(blob.content, MappedContent) and (at.offset | at.length) % mmap.ALLOCATIONGRANULARITY == 0
        for blob, at in parts[:-1]
    )


def _map_all(parts: Sequence[BlobPart], stretch: mmap.mmap, joined: memoryview) -> bool:
    position = 0
    with ExitStack() as opened:
        # By the blob itself: of one that was put aside and one that took its place the names are the same.
        blobs = {id(part.blob): part.blob for part in parts}
        descriptors = {key: opened.enter_context(blob.reopened()) for key, blob in blobs.items()}
        for blob, (name, offset, length) in parts:
            descriptor = descriptors[id(blob)]
            whole = 0 if offset % mmap.ALLOCATIONGRANULARITY else length - length % mmap.PAGESIZE
            if descriptor is None or (whole and not map_over(stretch, position, whole, descriptor, offset)):
                return False
            if whole < length:
                joined[position + whole : position + length] = blob.view(Location(name, offset + whole, length - whole))
            position += length
    return True
