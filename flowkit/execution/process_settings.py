"""What a step may change of how the system treats its process: signals, limits, processors, how floats are rounded.

Nothing but steps and what is imported changes these in a step host, so they are read there only where something was.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import socket
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

_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (sys.getswitchinterval, sys.setswitchinterval),
    (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    (gc.get_threshold, lambda thresholds: gc.set_threshold(*thresholds)),
    (socket.getdefaulttimeout, socket.setdefaulttimeout),
)

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
        return cls(
            values=[read() for read, _ in _SETTINGS],
            handlers=_handlers() if threading.current_thread() is threading.main_thread() else (),
            limits=_limits(),
            processors=_processors(),
            priority=_priority(),
            policy=_policy(),
            rounding=_rounding(),
        )

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        if [read() for read, _ in _SETTINGS] != self.values:
            for (_, write), value in zip(_SETTINGS, self.values, strict=True):
                write(value)
        try:
            return self._restore_handlers() and self._restore_system()
        except (OSError, ValueError):
            # A limit that was lowered for good, for example: only an administrator may raise it again.
            return False

    def _restore_handlers(self) -> bool:
        if not self.handlers:
            return True
        present = _handlers()
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

    def _restore_system(self) -> bool:
        present = _limits()
        if present != self.limits:
            for limit, value, now in zip(_LIMITS, self.limits, present, strict=True):
                if value != now:
                    resource.setrlimit(limit, value)
        if _processors() != self.processors:
            os.sched_setaffinity(0, self.processors)
        if self.policy is not None and _policy() != self.policy:
            os.sched_setscheduler(0, self.policy, os.sched_param(0))
        if _priority() != self.priority:
            os.setpriority(os.PRIO_PROCESS, 0, self.priority)
        if _rounding() != self.rounding:
            ctypes.CDLL(None).fesetround(_TO_NEAREST)
        return _rounding() == self.rounding


def _handlers() -> list[Any]:
    return list(map(_handler_of, _SIGNALS))


def _limits() -> list[tuple[int, int]]:
    return list(map(resource.getrlimit, _LIMITS))


def _processors() -> Any:
    read = getattr(os, "sched_getaffinity", None)
    return None if read is None else read(0)


def _priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def _policy() -> int | None:
    read = getattr(os, "sched_getscheduler", None)
    return None if read is None else read(0)


def _rounding() -> tuple[float, float]:
    return _ONE + _LITTLE, _ONE - _LITTLE
