"""What the step that runs does, and what leaves no trace afterwards: variables past `os.environ`, threads it starts."""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from weakref import WeakSet

from flowkit.execution.traces import is_hidden

_PUT: set[bytes] = set()
_STARTED: WeakSet[threading.Thread] = WeakSet()


def note_variable(name: str | bytes, _: object = None) -> None:
    """Note that an environment variable is set or removed for this process and its children."""
    _PUT.add(os.fsencode(name))


def note_thread(function: object, *_: object) -> None:
    """Note a thread that the user's own code starts, and no library on its account."""
    thread = getattr(function, "__self__", None)
    if isinstance(thread, threading.Thread) and _starts_itself(sys._getframe(1)):
        _STARTED.add(thread)


def take_variables() -> frozenset[bytes]:
    """Return the variables that were noted, and forget them."""
    taken = frozenset(_PUT)
    _PUT.clear()
    return taken


def is_own_thread(thread: threading.Thread) -> bool:
    """Whether the user's own code has started a thread."""
    return thread in _STARTED


def _starts_itself(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not threading.Thread.start.__code__:
        frame = frame.f_back
    caller = None if frame is None else frame.f_back
    return caller is not None and not is_hidden(caller.f_code.co_filename)
