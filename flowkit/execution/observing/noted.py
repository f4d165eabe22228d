"""What the step that runs does, and what leaves no trace afterwards: variables past `os.environ`, threads it starts."""

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


def is_own_thread(thread: threading.Thread) -> bool:
    """Whether the project's own code has started a thread."""
    return thread in _STARTED
