"""How much memory a step host holds with all that its step has started."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from pathlib import Path

from msgspec import Struct

from flowkit.execution.process_tree import descendants_of

_PAGE = os.sysconf("SC_PAGE_SIZE")
_REST_SHARE = 10
_LONGEST_REST = 1.0
_MOST_LEFT = 0.25
"""The share of a step's memory that earlier steps may hold: what they import comes to something everywhere."""


class MemoryUse(Struct, frozen=True):
    """Bytes, and the number of processes that hold them."""

    bytes: int
    processes: int


class Leavings:
    """Tells how much memory the steps that have run in this process still hold, caches of theirs for example.

    What it held before the first of them, its own code and what it imports, is not theirs.
    """

    def __init__(self) -> None:
        self._own: int | None = None

    def begin(self) -> None:
        """Note what is held before the first step runs; later calls do nothing."""
        if self._own is None:
            self._own = _resident(os.getpid())

    def crowd(self, limit: int) -> bool:
        """Whether they hold so much that a step comes near a limit in bytes on their account; not before the first."""
        if self._own is None or not self._is_too_much(limit):
            return False
        # Perhaps nobody holds it any more, and it was only not given back yet.
        gc.collect()
        give_back()
        return self._is_too_much(limit)

    def _is_too_much(self, limit: int) -> bool:
        return self._own is not None and _resident(os.getpid()) - self._own > limit * _MOST_LEFT


class MemoryGauge:
    """Compares the memory of a process and its descendants with a limit.

    Resident memory is quick to read and counts a page once for each process that shares it. Only where that is over the
    limit, each process's share of its pages is added up instead, which takes the kernel a while.

    Args:
        pid: The topmost process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._rests_until = 0.0
        self._last = MemoryUse(0, 0)

    def read(self, limit: int) -> MemoryUse:
        """Return what is held now, exactly enough to say whether it is more than `limit`; 0 where it cannot be read."""
        resident = {pid: held for pid in (self._pid, *descendants_of(self._pid)) if (held := _resident(pid))}
        total, largest = sum(resident.values()), max(resident.values(), default=0)
        if total <= limit or len(resident) == 1:
            return MemoryUse(total, len(resident))
        if largest > limit or time.monotonic() >= self._rests_until:
            began = time.monotonic()
            # Pages that processes outside share too, such as libraries', are this step's as well: hence the largest.
            held = max(largest, sum(_share(pid, own) for pid, own in resident.items()))
            self._last = MemoryUse(held, len(resident))
            now = time.monotonic()
            self._rests_until = now + min(_LONGEST_REST, _REST_SHARE * (now - began))
        return self._last


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):
        # It has ended, or there is no such file system here.
        return 0


def give_back() -> None:
    """Return freed memory to the system, where that needs to be asked for."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _share(pid: int, resident: int) -> int:
    """Return a process's memory with each page divided by the number of processes that share it."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        # Older kernels, or a program with other rights.
        return resident
    return resident
