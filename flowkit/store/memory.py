"""What one process remembers of the store, bounded: recent bytes, and where bytes are known to lie."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

from flowkit.codecs.base import Buffer
from flowkit.records import Digest, Stamp
from flowkit.store.packs import Location

LARGEST = 1 << 20
"""What is larger is not kept: it takes no longer to map the file that was just written, whose pages are in memory."""

KNOWN_LIMIT = 1 << 15


class RecentValues:
    """The most recently used payloads and chunks of this process, by digest.

    Args:
        limit: Bytes to keep at most; what was used longest ago goes first.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: OrderedDict[Digest, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Bytes held now."""
        return self._size

    def get(self, digest: Digest) -> bytes | None:
        """Return the bytes with this digest, None where they are not held."""
        with self._lock:
            held = self._held.get(digest)
            if held is not None:
                self._held.move_to_end(digest)
            return held

    def add(self, digest: Digest, content: Buffer) -> None:
        """Remember `content`, known to be what `digest` says, unless it is too large.

        A buffer that is not `bytes` may still be written to by its owner, so it is copied.
        """
        size = memoryview(content).nbytes
        if size > min(self.limit, LARGEST):
            return
        with self._lock:
            if digest in self._held:
                self._held.move_to_end(digest)
                return
            self._held[digest] = bytes(content)
            self._size += size
            while self._size > self.limit:
                self._size -= len(self._held.popitem(last=False)[1])


class Known(NamedTuple):
    """Where bytes lie, and the stamp of that file when they were last known to be right.

    `hashed` says whether this process has hashed or written them; else a record says so.
    """

    location: Location
    stamp: Stamp
    hashed: bool


class KnownContent:
    """What this process knows of where payloads and chunks lie, by digest.

    An entry claims that the bytes at its location hash to the digest as long as the file has the stamp. What this
    process has written or hashed need not be hashed again; what is only recorded lets a put refer to what is there.
    """

    def __init__(self, limit: int = KNOWN_LIMIT) -> None:
        self._limit = limit
        self._entries: OrderedDict[Digest, Known] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, digest: Digest) -> Known | None:
        """Return where the bytes with this digest lay when last seen, None where that is not known."""
        with self._lock:
            known = self._entries.get(digest)
            if known is not None:
                self._entries.move_to_end(digest)
            return known

    def confirms(self, digest: Digest, location: Location, stamp: Stamp) -> bool:
        """Say whether this process has written or hashed just these bytes, in a file with this stamp."""
        return self._entries.get(digest) == (location, stamp, True)

    def add(self, entries: Iterable[tuple[Digest, Location, Stamp]]) -> None:
        """Remember what this process has hashed: the bytes at each location, in a file with the stamp beside it."""
        with self._lock:
            for digest, location, stamp in entries:
                self._keep(digest, Known(location, stamp, hashed=True))

    def add_recorded(self, entries: Iterable[tuple[Digest, Location, Stamp]]) -> None:
        """Remember what a record says of bytes that this process has not hashed."""
        with self._lock:
            for digest, location, stamp in entries:
                if self._entries.get(digest) != (location, stamp, True):
                    self._keep(digest, Known(location, stamp, hashed=False))

    def _keep(self, digest: Digest, known: Known) -> None:
        self._entries[digest] = known
        self._entries.move_to_end(digest)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)
