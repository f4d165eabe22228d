"""What the step that runs does and leaves no trace of: variables past `os.environ`, threads, hooks, its own process."""

from __future__ import annotations

import _thread
import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

from flowkit.execution.observing.recorder import RECORDER
from flowkit.execution.traces import is_hidden
from flowkit.fingerprint.watched import note_watch

_Noted = TypeVar("_Noted")

_PUT: set[bytes] = set()
_LASTING: set[str] = set()
_BARE: dict[object, str] = {}
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
    _install_bare_threads()


def _install_bare_threads() -> None:
    """Note the threads that the project's own code starts past `threading`, which therefore does not know them."""
    original = _thread.start_new_thread

    @functools.wraps(original)
    def start(function: Callable[..., Any], *arguments: Any) -> int:
        if not RECORDER.active or is_hidden(sys._getframe(1).f_code.co_filename):
            return original(function, *arguments)
        token = object()

        def run(*given: Any, **named: Any) -> None:
            try:
                function(*given, **named)
            finally:
                _BARE.pop(token, None)

        _BARE[token] = getattr(function, "__name__", type(function).__name__)
        return original(run, *arguments)

    note_watch(start, original)
    _thread.start_new_thread = start


def bare_threads() -> list[str]:
    """Return the functions of such threads that have not ended."""
    return list(_BARE.values())


def note_variable(name: str | bytes, _: object = None) -> None:
    """Note that an environment variable is set or removed for this process and its children."""
    _PUT.add(os.fsencode(name))


def take_variables() -> frozenset[bytes]:
    """Return the variables that were noted, and forget them."""
    return _take(_PUT)


def note_lasting(what: str) -> None:
    """Note that the step does to its process what nothing can take back."""
    _LASTING.add(what)


def take_lasting() -> frozenset[str]:
    """Return what was noted so, and forget it."""
    return _take(_LASTING)


def _take(noted: set[_Noted]) -> frozenset[_Noted]:
    if not noted:
        return frozenset()
    taken = frozenset(noted)
    noted.clear()
    return taken


def is_own_thread(thread: threading.Thread) -> bool:
    """Whether the project's own code has started a thread."""
    return thread in _STARTED
