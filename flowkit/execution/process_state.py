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
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct

from flowkit.execution.library_state import LibraryState

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


class ProcessState(Struct, frozen=True):
    """This process as it is at one moment.

    Attributes:
        modules: How many are loaded.
        descriptor: The lowest free one, by which files that stay open are noticed.
    """

    kept: _Kept
    modules: int
    descriptor: int

    @classmethod
    def read(cls) -> ProcessState:
        """Return the state as it is now."""
        kept = _Kept(
            path=list(sys.path),
            arguments=list(sys.argv),
            blocked=signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            locale=locale.setlocale(locale.LC_ALL),
            zone=(time.tzname, time.timezone, time.altzone, time.daylight),
            filters=list(warnings.filters),
            libraries=LibraryState.read(),
        )
        return cls(kept, len(sys.modules), _lowest_free())

    def restore(self) -> bool:
        """Put back what has changed since, and say whether all is as it was."""
        if threading.current_thread() is threading.main_thread():
            for timer in _TIMERS:
                signal.setitimer(timer, 0)
        now = ProcessState.read()
        whole = now.modules >= self.modules and now.descriptor - self.descriptor <= _MOST_OPENED
        if now.kept == self.kept:
            return whole
        self._restore_python(now)
        same_libraries = self.kept.libraries.restore(now.kept.libraries)
        return self._restore_system(now.kept) and same_libraries and whole

    def _restore_python(self, now: ProcessState) -> None:
        sys.path[:] = self.kept.path
        sys.argv[:] = self.kept.arguments
        if self.kept.filters != now.kept.filters:
            self._restore_filters(now)
        if self.kept.zone != now.kept.zone:
            time.tzset()

    def _restore_filters(self, now: ProcessState) -> None:
        filters = self.kept.filters
        if now.modules != self.modules:
            # Those of a library that the step imported first stay, as they would be there in any process that has it.
            filters = [one for one in now.kept.filters if one in self.kept.filters or one[0] != "error"]
        warnings.resetwarnings()
        warnings.filters[:] = filters  # type: ignore[index]

    def _restore_system(self, now: _Kept) -> bool:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, self.kept.blocked)
            if self.kept.locale != now.locale:
                locale.setlocale(locale.LC_ALL, self.kept.locale)
        except (OSError, ValueError, locale.Error):
            # One that is not installed any more, for example.
            return False
        return True


def _lowest_free() -> int:
    with suppress(OSError):
        # Not a copy of one that the step may have closed.
        found = os.open(os.devnull, os.O_RDONLY)
        os.close(found)
        return found
    # There is none left.
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
