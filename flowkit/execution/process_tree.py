"""A step host's descendants: found by their parents and by a mark in their environment, and ended.

A host adopts what its steps orphan, so while it lives all that they started lies below it, also what left its process
group and its session. What outlives a host is found by its mark. Where the system has no `/proc`, nothing is found.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

MARK = "FLOWKIT_STEP_HOST"
"""The variable that a host hands down to all that its steps start; its value is the host's own."""

_DIE_WITH_PARENT = 1
_ADOPT_ORPHANS = 36
_END_SECONDS = 1.0
_ROUND_SECONDS = 0.002
_ENDED = frozenset("ZX")
_TICKS = 0.5
"""How far the ticks that end a process may be from the processor time that the kernel tells, in seconds."""


def keep_ties() -> None:
    """Let the kernel kill this process with its parent, and make it the parent of its orphaned descendants."""
    if sys.platform == "linux":
        control = _control()
        control(_DIE_WITH_PARENT, signal.SIGKILL)
        control(_ADOPT_ORPHANS, 1, 0, 0, 0)


@cache
def _control() -> Any:
    return ctypes.CDLL(None).prctl


def children_of(pid: int) -> list[int]:
    """Return a process's children, those that ended and were not waited for among them."""
    if not _lists_children():
        return _children_by_parent().get(pid, [])
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                # A thread that ends meanwhile leaves its children to another one, which the next look finds.
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    return found


def descendants_of(pid: int, without: Collection[int] = ()) -> Iterator[int]:
    """Yield the processes below one that have not ended; `without` are left out with all that is below them."""
    waiting = [pid]
    while waiting:
        for child in children_of(waiting.pop()):
            if child in without:
                continue
            waiting.append(child)
            if is_alive(child):
                yield child


def end_all(find: Callable[[], Collection[int]]) -> None:
    """Kill what `find` gives, again and again until it gives nothing: what is killed may just have started more."""
    end = time.monotonic() + _END_SECONDS
    while (found := find()) and time.monotonic() < end:
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_ROUND_SECONDS)


def end_marked(value: str) -> None:
    """Kill every process of this user that bears a host's mark, with all below it."""
    end_all(lambda: _marked(value))


def is_alive(pid: int) -> bool:
    """Whether there is such a process and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in _ENDED
    except (OSError, IndexError):
        return False


def spent_processor_limit(pid: int) -> int | None:
    """Return the seconds of processor time that a process was allowed, where it has used them up; it may have ended."""
    try:
        limit = resource.prlimit(pid, resource.RLIMIT_CPU)[1]
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError, AttributeError):
        # Another user's process, or a system that does not tell.
        return None
    return limit if limit != resource.RLIM_INFINITY and spent > limit - _TICKS else None


def _marked(value: str) -> list[int]:
    entry = os.fsencode(f"{MARK}={value}")
    found: dict[int, None] = {}
    for pid in _processes():
        # What ends meanwhile, or is another user's, cannot be read and is none of ours.
        with suppress(OSError):
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") and is_alive(pid):
                found[pid] = None
                found.update(dict.fromkeys(descendants_of(pid)))
    found.pop(os.getpid(), None)
    return list(found)


def _processes() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    return []


@cache
def _lists_children() -> bool:
    return os.path.exists(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")


def _children_by_parent() -> dict[int, list[int]]:
    """Return all processes by their parent, for kernels that list no children."""
    found: dict[int, list[int]] = {}
    for pid in _processes():
        with suppress(OSError, IndexError):
            parent = int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[1])
            found.setdefault(parent, []).append(pid)
    return found
