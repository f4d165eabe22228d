"""What the step that runs does and leaves no trace of: variables past `os.environ`, threads, hooks, its process itself."""

from __future__ import annotations

import functools
import os
import sys
import threading
from weakref import WeakSet

from flowkit.execution.observing.recorder import RECORDER
from flowkit.execution.traces import is_hidden
from flowkit.fingerprint.watched import note_watch

_PUT: set[bytes] = set()
_LASTING: set[str] = set()
_BARE: list[str] = []
_STARTED: WeakSet[threading.Thread] = WeakSet()


def install_threads() -> None:
    """Note the threads that the project's own code starts, and no library on its account."""
    original = threading.Thread.start

    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        if RECORDER.active and not is_hidden(sys._getframe(1).f_code.co_filename):
            _STARTED.add(self)
        original(self)

    note_watch(start, original)
    threading.Thread.start = start  # type: ignore[method-assign]


def note_variable(name: str | bytes, _: object = None) -> None:
    """Note that an environment variable is set or removed for this process and its children."""
    _PUT.add(os.fsencode(name))


def take_variables() -> frozenset[bytes]:
    """Return the variables that were noted, and forget them."""
    taken = frozenset(_PUT)
    _PUT.clear()
    return taken


def note_lasting(what: str) -> None:
    """Note that the step does to its process what nothing can take back."""
    _LASTING.add(what)


def take_lasting() -> frozenset[str]:
    """Return what was noted so, and forget it."""
    taken = frozenset(_LASTING)
    _LASTING.clear()
    return taken


def note_thread(function: object, *_: object) -> None:
    """Note a thread that the project's own code starts past `threading`, which therefore does not know it."""
    # One frame each is the hook's and its handler's.
    if not is_hidden(sys._getframe(2).f_code.co_filename):
        _BARE.append(getattr(function, "__name__", repr(type(function))))


def forget_bare_threads() -> None:
    """Forget the threads that were noted so."""
    _BARE.clear()


def bare_threads() -> tuple[str, ...]:
    """Return the functions that were noted so, by name."""
    return tuple(_BARE)


def is_own_thread(thread: threading.Thread) -> bool:
    """Whether the project's own code has started a thread."""
    return thread in _STARTED
