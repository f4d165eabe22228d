"""What a step leaves running when it has returned: ended in its step host, before anything else runs there.

What such a process or thread still holds or changes would be the next step's trouble. Left alone are what ran before
the step began, the helpers of `multiprocessing`, joblib's pool, which waits for further calls on purpose, and the
threads that libraries start. Other threads cannot be ended but with the host.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from flowkit.execution.observing.noted import bare_threads, is_own_thread
from flowkit.execution.process_tree import children_of, descendants_of, end_all
from flowkit.execution.traces import is_hidden

_GRACE_SECONDS = 1.0
_LOOK_SECONDS = 0.01
_MOST = 5

_NOBODY: frozenset[int] = frozenset()
_CAN_ASK = hasattr(os, "waitid")
_WITHOUT_WAITING = os.WEXITED | os.WNOHANG | os.WNOWAIT if _CAN_ASK else 0

_HELPERS = (
    ("multiprocessing.resource_tracker", "_resource_tracker", "_pid"),
    ("multiprocessing.forkserver", "_forkserver", "_forkserver_pid"),
    ("joblib.externals.loky.backend.resource_tracker", "_resource_tracker", "_pid"),
    ("loky.backend.resource_tracker", "_resource_tracker", "_pid"),
)
_POOLS = ("joblib.externals.loky.reusable_executor", "loky.reusable_executor")


class Survivors:
    """Ends what one attempt after another leaves running in this process.

    Attributes:
        found: Whether there was ever any: who started it may have threads left here too.
    """

    def __init__(self) -> None:
        self.found = False
        self._before: frozenset[int] = frozenset()
        self._threads: frozenset[threading.Thread] = frozenset()

    def begin(self, limited: bool) -> None:
        """Prepare for an attempt; one whose memory is limited begins without a pool of earlier ones."""
        if limited:
            for pool in _kept_pools():
                pool.shutdown(wait=True, kill_workers=True)
        self._before = frozenset(children_of(os.getpid())) if _has_children() else _NOBODY
        self._threads = frozenset(threading.enumerate())

    def end(self) -> tuple[str, ...]:
        """End what the attempt left running, and return what it was: programs with their process ids."""
        # Asked first, as it costs nothing: hardly any step starts processes.
        if not _has_children():
            return ()
        if self._left():
            # A pool that nobody holds any more ends with its object, and what was told to end may need a moment.
            gc.collect()
            end = time.monotonic() + _GRACE_SECONDS
            while self._left() and time.monotonic() < end:
                time.sleep(_LOOK_SECONDS)
        left = self._left()
        named = tuple(_name(pid) for pid in left)
        if left:
            self.found = True
            end_all(self._left)
        self._reap()
        return named

    def threads(self) -> tuple[str, ...]:
        """Wait a moment for threads of the attempt that still run the project's code, and name those that go on."""
        if not self._left_threads():
            return ()
        end = time.monotonic() + _GRACE_SECONDS
        while (left := self._left_threads()) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)
        if left:
            self.found = True
        return tuple(f"'{name}'" for name in left)

    def _left_threads(self) -> list[str]:
        left = bare_threads()
        if threading.active_count() > len(self._threads):
            new = set(threading.enumerate()) - self._threads
            left += [thread.name for thread in new if _runs_own_code(thread)]
        return left

    def _left(self) -> list[int]:
        kept = self._before.union(*(getattr(pool, "_processes", None) or () for pool in _kept_pools()))
        helpers = _helpers()
        return [pid for pid in descendants_of(os.getpid(), kept) if pid not in helpers]

    def _reap(self) -> None:
        """Wait for what has ended: of what it adopted, nobody else does."""
        for pid in children_of(os.getpid()):
            if pid not in self._before and pid not in _helpers():
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)


def warn_of_survivors(step: str, named: Sequence[str]) -> str:
    """Return the warning that a step left processes running."""
    more = f" and {len(named) - _MOST} more" if len(named) > _MOST else ""
    return (
        f"Step '{step}' left processes running, which were ended: {', '.join(named[:_MOST])}{more}. "
        "Wait for what a step starts, or end it, before the step returns."
    )


def warn_of_threads(step: str, named: Sequence[str]) -> str:
    """Return the warning that a step left threads running."""
    more = f" and {len(named) - _MOST} more" if len(named) > _MOST else ""
    return (
        f"Step '{step}' left threads running, so its process is replaced: {', '.join(named[:_MOST])}{more}. "
        "Join what a step starts before it returns."
    )


def _runs_own_code(thread: threading.Thread) -> bool:
    """Whether the project's code has started a thread, or a thread runs, or at a timer's end will run, such code."""
    if isinstance(thread, threading.Timer) or is_own_thread(thread):
        return True
    frame = sys._current_frames().get(thread.ident or 0)
    # A function of compiled code, such as time.sleep, has no frame of its own below that of `run`.
    if frame is not None and frame.f_code is threading.Thread.run.__code__:
        return True
    return _own_function(frame) is not None


def _own_function(frame: FrameType | None) -> str | None:
    """Return the innermost function of the project's own code that a thread runs."""
    while frame is not None:
        if not is_hidden(frame.f_code.co_filename):
            return frame.f_code.co_name
        frame = frame.f_back
    return None


def _has_children() -> bool:
    if not _CAN_ASK:
        return False
    try:
        os.waitid(os.P_ALL, 0, _WITHOUT_WAITING)
    except ChildProcessError:
        return False
    return True


def _helpers() -> frozenset[int]:
    """Return the processes that libraries keep for all of this process's life, of the libraries that are loaded."""
    held = (getattr(sys.modules.get(module), name, None) for module, name, _ in _HELPERS)
    pids = (getattr(one, attribute, None) for one, (_, _, attribute) in zip(held, _HELPERS, strict=True))
    return frozenset(pid for pid in pids if pid is not None)


def _kept_pools() -> list[Any]:
    pools = (getattr(sys.modules.get(module), "_executor", None) for module in _POOLS)
    return [pool for pool in pools if pool is not None]


def _name(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        own = Path("/proc/self/cmdline").read_bytes()
    except OSError:
        command = own = b""
    # Only the program: what it was given may be secret.
    program = (
        "a copy of the step's process" if command == own else os.path.basename(os.fsdecode(command.split(b"\0")[0]))
    )
    return f"{program} ({pid})"
