"""What a step may change of its whole process: read before it, put back after it where that can be done.

What it leaves changed would change what other steps do, as a warning filter does that makes errors of warnings. Every
node pays for the reading, so that takes microseconds. What can be noticed and not be put back needs a new process.
"""

from __future__ import annotations

import gc
import locale
import os
import resource
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from flowkit.execution.library_state import LibraryState
from flowkit.records.comparison import ComparedInPart

_SIGNALS = tuple(
    getattr(signal, f"SIG{name}")
    for name in ("ALRM", "CHLD", "HUP", "INT", "PIPE", "PROF", "QUIT", "TERM", "USR1", "USR2", "VTALRM")
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS = tuple(
    getattr(resource, f"RLIMIT_{name}")
    for name in ("AS", "CORE", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC", "STACK")
    if hasattr(resource, f"RLIMIT_{name}")
)
_MOST_OPENED = 100
"""How many files a step may leave open, as libraries do that it imports, before its process is given up."""

_handler_of: Callable[[int], Any] = getattr(sys.modules.get("_signal"), "getsignal", signal.getsignal)
"""Without making an enumeration's member of every answer, which takes longer than all the rest."""

_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    (gc.get_threshold, lambda thresholds: gc.set_threshold(*thresholds)),
    (socket.getdefaulttimeout, socket.setdefaulttimeout),
)


class ProcessState(ComparedInPart, frozen=True, eq=False):
    """This process as it is at one moment.

    Attributes:
        handlers: What handles each signal; nothing where this thread may not change it.
        libraries: The settings of libraries that change what is computed or seen.
        modules: How many are loaded.
        descriptor: The lowest free one, by which files that stay open are noticed.
    """

    uncompared = frozenset({"modules", "descriptor"})

    path: Sequence[str]
    arguments: Sequence[str]
    settings: Sequence[Any]
    handlers: Sequence[Any]
    blocked: Any
    limits: Sequence[tuple[int, int]]
    locale: str
    zone: tuple[str, str]
    filters: Sequence[Any]
    processors: Any
    priority: int
    libraries: LibraryState
    modules: int
    descriptor: int

    @classmethod
    def read(cls) -> ProcessState:
        """Return the state as it is now."""
        in_main = threading.current_thread() is threading.main_thread()
        return cls(
            path=list(sys.path),
            arguments=list(sys.argv),
            settings=[read() for read, _ in _SETTINGS],
            handlers=[_handler_of(number) for number in _SIGNALS] if in_main else (),
            blocked=signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            limits=[resource.getrlimit(limit) for limit in _LIMITS],
            locale=locale.setlocale(locale.LC_ALL),
            zone=time.tzname,
            filters=list(warnings.filters),
            processors=_processors(),
            priority=os.getpriority(os.PRIO_PROCESS, 0),
            libraries=LibraryState.read(),
            modules=len(sys.modules),
            descriptor=_lowest_free(),
        )

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        if self.handlers:
            for timer in _TIMERS:
                signal.setitimer(timer, 0)
        now = ProcessState.read()
        left_open = now.descriptor - self.descriptor > _MOST_OPENED
        if now == self:
            return now.modules >= self.modules and not left_open
        self._restore_python(now)
        same_libraries = self.libraries.restore(now.libraries)
        return self._restore_system(now) and same_libraries and now.modules >= self.modules and not left_open

    def _restore_python(self, now: ProcessState) -> None:
        sys.path[:] = self.path
        sys.argv[:] = self.arguments
        for (_, write), value, present in zip(_SETTINGS, self.settings, now.settings, strict=True):
            if value != present:
                write(value)
        if self.filters != now.filters:
            self._restore_filters(now)
        if self.zone != now.zone:
            time.tzset()

    def _restore_filters(self, now: ProcessState) -> None:
        filters = self.filters
        if now.modules != self.modules:
            # Those of a library that the step imported first stay, as they would be there in any process that has it.
            filters = [one for one in now.filters if one in self.filters or one[0] != "error"]
        warnings.resetwarnings()
        warnings.filters[:] = filters  # type: ignore[index]

    def _restore_system(self, now: ProcessState) -> bool:
        try:
            for number, handler, present in zip(_SIGNALS, self.handlers, now.handlers, strict=False):
                if handler is not None and handler is not present:
                    signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, self.blocked)
            for limit, value, present in zip(_LIMITS, self.limits, now.limits, strict=True):
                if value != present:
                    resource.setrlimit(limit, value)
            if self.locale != now.locale:
                locale.setlocale(locale.LC_ALL, self.locale)
            if self.processors != now.processors:
                os.sched_setaffinity(0, self.processors)
            if self.priority != now.priority:
                os.setpriority(os.PRIO_PROCESS, 0, self.priority)
        except (OSError, ValueError, locale.Error):
            # A limit that was lowered for good, for example: only an administrator may raise it again.
            return False
        return True


def _processors() -> Any:
    read = getattr(os, "sched_getaffinity", None)
    return None if read is None else read(0)


def _lowest_free() -> int:
    with suppress(OSError):
        # Not a copy of one that the step may have closed.
        found = os.open(os.devnull, os.O_RDONLY)
        os.close(found)
        return found
    # There is none left.
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
