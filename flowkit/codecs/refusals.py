"""Live things that no codec stores: open files, cursors, locks, generators, lazy tables and the like.

They are told by their classes, without importing the libraries these come from, so that a person reads what the value
is and what to return instead, rather than what pickle thought of it.
"""

from __future__ import annotations

import _thread
import io
import sys
import threading
from collections.abc import AsyncGenerator, Coroutine, Generator, Iterator
from functools import lru_cache
from types import FrameType, ModuleType, TracebackType
from typing import Any, NamedTuple

from flowkit.authoring.handles import Pending
from flowkit.authoring.secrets import Secret
from flowkit.codecs.hints import type_name
from flowkit.errors import CodecError


class Refusal(NamedTuple):
    """What a live thing is called, and what to do instead of returning it."""

    what: str
    remedy: str


_LAZY_FRAME = Refusal("A lazy table", "collect it first: return rows.collect()")
_LAZY_DASK = Refusal(
    "A lazy dask collection",
    "compute it first: return values.compute(). A dask DataFrame is stored where the annotation says dd.DataFrame",
)
_GENERATOR = Refusal("A generator", "collect it first: return list(values)")
_COROUTINE = Refusal("A coroutine", "await it first, and return what it gives")
_ITERATOR = Refusal("An iterator", "collect it first: return list(values)")
_FILE = Refusal("An open file", "read it and return its content, or return its Path.")
_SOCKET = Refusal("A socket", "return the data received, and open the socket in the step that uses it")
_DATABASE = Refusal("A database cursor or connection", "fetch the rows first, and connect in the step that uses them")
_LOCK = Refusal("A lock", "return plain data, and make the lock in the step that uses it")
_THREAD = Refusal("A thread, process or pool", "wait for its result and return that")
_MODULE = Refusal("A module", "import it in the step that uses it")
_FRAME = Refusal("A frame or traceback", "return a text made from it with the traceback module")
_HANDLE = Refusal("A step's handle", "call the step in the @pipeline body and return plain data from steps")
_SECRET = Refusal("A secret", "use it in the step, and let each step that needs it take the secret as a parameter")

_BUFFERS = (io.BytesIO, io.StringIO)

_BY_BASE: tuple[tuple[tuple[Any, ...], Refusal], ...] = (
    ((Pending,), _HANDLE),
    ((Secret,), _SECRET),
    ((ModuleType,), _MODULE),
    ((FrameType, TracebackType), _FRAME),
    ((Generator, AsyncGenerator), _GENERATOR),
    ((Coroutine,), _COROUTINE),
    ((_thread.LockType, type(threading.RLock()), threading.Condition, threading.Semaphore, threading.Event), _LOCK),
    ((threading.Thread,), _THREAD),
)

_BY_MODULE: tuple[tuple[str, tuple[str, ...], Refusal], ...] = (
    ("socket", ("socket",), _SOCKET),
    ("subprocess", ("Popen",), _THREAD),
    ("multiprocessing.process", ("BaseProcess",), _THREAD),
    ("concurrent.futures._base", ("Executor", "Future"), _THREAD),
    ("polars.lazyframe.frame", ("LazyFrame",), _LAZY_FRAME),
    ("mmap", ("mmap",), _FILE),
)


@lru_cache(maxsize=4096)
def _refuse_class(cls: Any) -> Refusal | None:
    if issubclass(cls, _BUFFERS):
        return None
    for bases, refusal in _BY_BASE:
        if issubclass(cls, bases):
            return refusal
    for module, names, refusal in _BY_MODULE:
        loaded = sys.modules.get(module)
        if loaded is not None and issubclass(cls, tuple(getattr(loaded, name) for name in names)):
            return refusal
    if issubclass(cls, io.IOBase) or _has(cls, "fileno", "close"):
        return _FILE
    if _has(cls, "fetchall", "execute") or _has(cls, "cursor", "commit"):
        return _DATABASE
    return _LAZY_DASK if _has(cls, "__dask_graph__", "compute") else None


def _has(cls: type, *names: str) -> bool:
    return all(callable(getattr(cls, name, None)) for name in names)


def find_refusal(value: object) -> Refusal | None:
    """Return why `value` itself cannot be stored, None where nothing is known against it."""
    if isinstance(value, type):
        return None
    # `tempfile` wraps its files in a class that gives everything by `__getattr__`.
    if type(value).__module__ == "tempfile" and hasattr(value, "file"):
        return _FILE
    cls: Any = type(value)
    return _refuse_class(cls)


def check_part(value: object, whole: object) -> None:
    """Refuse a live thing found inside the value `whole`.

    Raises:
        CodecError: It is one; the message names it, what it is in, and the remedy.
    """
    refusal = find_refusal(value)
    if refusal is not None:
        inside = "" if value is whole else type_name(whole)
        raise CodecError.for_refused(type_name(value), refusal.what, refusal.remedy, inside)


def check_whole(value: object) -> None:
    """Refuse a live thing, or an iterator, that a step returns.

    Raises:
        CodecError: It is one; the message names it and the remedy.
    """
    check_part(value, value)
    if isinstance(value, Iterator) and not isinstance(value, _BUFFERS):
        raise CodecError.for_refused(type_name(value), _ITERATOR.what, _ITERATOR.remedy)
