"""Parts of files of the store one after the other in memory, as if they had been copied there.

A column of many chunks lies in as many places, in one file or several, and its consumer wants one array. Where each part
begins at a page its pages are mapped, copy-on-write, over one stretch of memory that was set aside; no byte is copied,
none is read. What a step writes there reaches no file and nobody else. What does not fill a page at the end is copied.
The stretch is a map of Python's, which takes all that was mapped over it away with itself.
"""

from __future__ import annotations

import mmap
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


class BlobPart(NamedTuple):
    """Some verified bytes of a blob."""

    blob: Blob
    location: Location


def join_parts(parts: Sequence[BlobPart]) -> memoryview | None:
    """Return private, writable memory in which the parts follow one another; None where they would have to be copied."""
    if not _can_be_mapped(parts) or sum(_held.values()) + len(parts) > MOST_MAPS:
        return None
    size = sum(part.location.length for part in parts)
    stretch = mmap.mmap(-1, size + -size % mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    _held[stretch] = len(parts)
    joined = memoryview(stretch)[:size]
    return joined if _map_all(parts, stretch, joined) else None


def _can_be_mapped(parts: Sequence[BlobPart]) -> bool:
    """Say whether each part begins at a page and all but the last end at one."""
    pages = (part.location.offset | part.location.length for part in parts[:-1])
    last = parts[-1].location.offset
    mapped = all(isinstance(part.blob.content, MappedContent) for part in parts)
    return mapped and all(place % mmap.ALLOCATIONGRANULARITY == 0 for place in (*pages, last))


def _map_all(parts: Sequence[BlobPart], stretch: mmap.mmap, joined: memoryview) -> bool:
    position = 0
    with ExitStack() as opened:
        descriptors = {part.blob.name: opened.enter_context(part.blob.reopened()) for part in parts}
        for blob, location in parts:
            descriptor = descriptors[blob.name]
            whole = location.length - location.length % mmap.PAGESIZE
            if descriptor is None or (whole and not map_over(stretch, position, whole, descriptor, location.offset)):
                return False
            rest = Location(location.name, location.offset + whole, location.length - whole)
            joined[position + whole : position + location.length] = blob.view(rest)
            position += location.length
    return True
