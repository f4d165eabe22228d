"""What a step may change of how the system treats its process: signals, limits, processors, how floats are rounded.

Nothing but steps and what is imported changes these in a step host, so they are read there only where something was.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

_SIGNALS = tuple(map(int, sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})))
_FATAL = frozenset(map(int, (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)))
"""What `faulthandler` handles past Python, which therefore cannot put that back."""

_LIMITS = tuple(
    getattr(resource, f"RLIMIT_{name}")
    for name in ("AS", "CORE", "CPU", "DATA", "FSIZE", "NOFILE", "NPROC", "STACK")
    if hasattr(resource, f"RLIMIT_{name}")
)

_handler_of: Callable[[int], Any] = getattr(sys.modules.get("_signal"), "getsignal", signal.getsignal)
"""Without making an enumeration's member of every answer, which takes longer than all the rest."""


def _read_timeout() -> float | None:
    """Return for how long new sockets wait; whoever has changed that has imported `socket`."""
    # A project may have a module of that name.
    read = getattr(sys.modules.get("socket"), "getdefaulttimeout", None)
    return None if read is None else read()


def _set_timeout(seconds: float | None) -> None:
    if (write := getattr(sys.modules.get("socket"), "setdefaulttimeout", None)) is not None:
        write(seconds)


_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    (gc.get_threshold, lambda thresholds: gc.set_threshold(*thresholds)),
    (_read_timeout, _set_timeout),
)

_READS = tuple(read for read, _ in _SETTINGS)

_ONE, _LITTLE = 1.0, 1e-17
_TO_NEAREST = 0


class ProcessSettings(Struct, frozen=True):
    """How this process is treated at one moment.

    Attributes:
        handlers: What handles each signal; nothing where this thread may not change it.
        policy: How it is scheduled, where the system tells.
        rounding: Two sums that come out differently by how floats are rounded.
    """

    values: Sequence[Any]
    handlers: Sequence[Any]
    limits: Sequence[tuple[int, int]]
    processors: Any
    priority: int
    policy: int | None
    rounding: tuple[float, float]

    @classmethod
    def read(cls) -> ProcessSettings:
        """Return the settings as they are now."""
        return cls._read(with_handlers=threading.current_thread() is threading.main_thread())

    @classmethod
    def _read(cls, *, with_handlers: bool) -> ProcessSettings:
        return cls(
            values=[read() for read in _READS],
            handlers=_handlers() if with_handlers else (),
            limits=list(map(resource.getrlimit, _LIMITS)),
            processors=_processors(0),
            priority=os.getpriority(os.PRIO_PROCESS, 0),
            policy=_policy(0),
            rounding=(_ONE + _LITTLE, _ONE - _LITTLE),
        )

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        now = self._read(with_handlers=bool(self.handlers))
        if now == self:
            return True
        if now.values != self.values:
            for (_, write), value in zip(_SETTINGS, self.values, strict=True):
                write(value)
        try:
            return self._restore_handlers(now.handlers) and self._restore_system(now)
        except (OSError, ValueError):
            # A limit that was lowered for good, for example: only an administrator may raise it again.
            return False

    def _restore_handlers(self, present: Sequence[Any]) -> bool:
        if present == self.handlers:
            return True
        whole = True
        for number, handler, now in zip(_SIGNALS, self.handlers, present, strict=True):
            if handler is now:
                continue
            if number in _FATAL:
                whole = False
            elif handler is not None:
                signal.signal(number, handler)
        return whole

    def _restore_system(self, now: ProcessSettings) -> bool:
        for limit, value, present in zip(_LIMITS, self.limits, now.limits, strict=True):
            if value != present:
                resource.setrlimit(limit, value)
        if now.processors != self.processors:
            os.sched_setaffinity(0, self.processors)
        if self.policy is not None and now.policy != self.policy:
            os.sched_setscheduler(0, self.policy, os.sched_param(0))
        if now.priority != self.priority:
            os.setpriority(os.PRIO_PROCESS, 0, self.priority)
        if now.rounding == self.rounding:
            return True
        ctypes.CDLL(None).fesetround(_TO_NEAREST)
        return self.rounding == (_ONE + _LITTLE, _ONE - _LITTLE)


def _handlers() -> list[Any]:
    return list(map(_handler_of, _SIGNALS))


def _nothing(_: int) -> None:
    """Stand for what this system does not tell."""


_processors: Callable[[int], Any] = getattr(os, "sched_getaffinity", _nothing)
_policy: Callable[[int], int | None] = getattr(os, "sched_getscheduler", _nothing)
