"""What a step may change of its whole process: read before it, put back after it where that can be done.

What it leaves changed would change what other steps do, as a warning filter does that makes errors of warnings. Every
node pays for the reading, so that takes microseconds. What can be noticed and not be put back needs a new process.
"""

from __future__ import annotations

import locale
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from flowkit.execution.library_state import LibraryState, imported_since

_change_mask: Callable[..., Any] = getattr(sys.modules.get("_signal"), "pthread_sigmask", signal.pthread_sigmask)
"""Without making an enumeration's member of every signal."""
_set_timer, _open, _close = signal.setitimer, os.open, os.close
"""Those of the system themselves, whatever watches `os` or takes its place."""

_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_MOST_OPENED = 100
"""How many files a step may leave open, as libraries do that it imports, before its process is given up."""


class _Kept(Struct, frozen=True):
    """What has to be the same afterwards.

    Attributes:
        libraries: The settings of libraries that change what is computed or seen.
    """

    path: Sequence[str]
    arguments: Sequence[str]
    blocked: Any
    locale: str
    zone: tuple[Any, ...]
    filters: Sequence[Any]
    libraries: LibraryState

    @classmethod
    def read(cls) -> _Kept:
        return cls(
            path=list(sys.path),
            arguments=list(sys.argv),
            blocked=_change_mask(signal.SIG_BLOCK, ()),
            locale=locale.setlocale(locale.LC_ALL),
            zone=(time.tzname, time.timezone, time.altzone, time.daylight),
            filters=list(warnings.filters),
            libraries=LibraryState.read(),
        )


class ProcessState(Struct):
    """This process before a step, and again when it is restored.

    Attributes:
        modules: How many are loaded.
        descriptor: The lowest free one, by which files that stay open are noticed.
        has_timers: Whether this is the main thread, for whose sake steps set timers.
    """

    kept: _Kept
    modules: int
    descriptor: int
    has_timers: bool

    @classmethod
    def read(cls) -> ProcessState:
        """Return the state as it is now."""
        in_main = threading.current_thread() is threading.main_thread()
        return cls(_Kept.read(), len(sys.modules), _lowest_free(), in_main)

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        if self.has_timers:
            for timer in _TIMERS:
                _set_timer(timer, 0)
        now, modules, descriptor = _Kept.read(), len(sys.modules), _lowest_free()
        whole = modules >= self.modules and descriptor - self.descriptor <= _MOST_OPENED
        if now != self.kept:
            self._restore_python(now, imported=imported_since(self.modules))
            same_libraries = self.kept.libraries.restore(now.libraries)
            whole = self._restore_system(now) and same_libraries and whole
        self.modules, self.descriptor = modules, descriptor
        return whole

    def _restore_python(self, now: _Kept, *, imported: bool) -> None:
        sys.path[:] = self.kept.path
        sys.argv[:] = self.kept.arguments
        if self.kept.filters != now.filters:
            self._restore_filters(now, imported=imported)
        if self.kept.zone != now.zone:
            time.tzset()

    def _restore_filters(self, now: _Kept, *, imported: bool) -> None:
        filters = self.kept.filters
        if imported:
            # Those of a library that the step imported first stay, as they would be there in any process that has it.
            filters = [one for one in now.filters if one in self.kept.filters or one[0] != "error"]
        warnings.resetwarnings()
        warnings.filters[:] = filters  # type: ignore[index]

    def _restore_system(self, now: _Kept) -> bool:
        try:
            _change_mask(signal.SIG_SETMASK, self.kept.blocked)
            if self.kept.locale != now.locale:
                locale.setlocale(locale.LC_ALL, self.kept.locale)
        except (OSError, ValueError, locale.Error):
            # One that is not installed any more, for example.
            return False
        return True


def _lowest_free() -> int:
    with suppress(OSError):
        # Not a copy of one that the step may have closed.
        found = _open(os.devnull, os.O_RDONLY)
        _close(found)
        return found
    # There is none left.
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
