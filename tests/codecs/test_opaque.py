"""Anything else: stored as pickle where it may be, refused by name where it is live."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import io
import itertools
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from flowkit.codecs.registry import CodecRegistry
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import NOWHERE, REGISTRY, received
from tests.ids import stable_id

PROJECT = Path(__file__).parents[2]


class Thing:
    def __init__(self, part: Any = None) -> None:
        self.part = part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and self.part == other.part


class Unloadable:
    def __reduce__(self) -> Any:
        return (int, ("not a number",))


class Failing:
    def __reduce__(self) -> Any:
        raise KeyError("no state")


class Counter:
    """Iterable by its own hand, as a data loader may be."""

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        raise StopIteration


KEPT = [
    Thing([1, {2}]),
    collections.OrderedDict(b=1, a=2),
    collections.Counter("aab"),
    range(3),
    {"model": Thing(1)},
    re.compile("a+"),
    io.BytesIO,
    itertools.chain,
    slice(1, 2),
    len,
    ...,
]


@pytest.mark.parametrize("value", KEPT, ids=stable_id)
def test_other_objects_read_back(value: Any) -> None:
    """What no other codec takes is stored as pickle, marked opaque, and equals what it was."""
    encoded = REGISTRY.encode(value, Any)
    assert (encoded.format, encoded.suffix) == ("opaque", ".pkl")
    back = REGISTRY.decode(MemoryStored(encoded), Any, NOWHERE)
    assert back == value
    assert type(back) is type(value)
    assert REGISTRY.encode(back, Any).digest == encoded.digest


def test_values_in_memory_buffers_are_not_open_files() -> None:
    """A BytesIO is a value, not a handle."""
    assert received(io.BytesIO(b"ab")).getvalue() == b"ab"


def live_things() -> Iterator[tuple[Any, str, str]]:
    lock = "return plain data"
    yield threading.Lock(), "A lock", lock
    yield threading.RLock(), "A lock", lock
    yield threading.Condition(), "A lock", lock
    yield threading.Event(), "A lock", lock
    yield threading.Thread(target=len), "A thread, process or pool", "wait for its result"
    yield concurrent.futures.Future(), "A thread, process or pool", "wait for its result"
    yield (item for item in ()), "A generator", "list("
    yield (lambda: (yield))(), "A generator", "list("
    yield os, "A module", "import it"
    yield sys._getframe(), "A frame or traceback", "traceback module"
    yield open(os.devnull), "An open file", "return its Path"  # noqa: SIM115
    yield open(os.devnull, "rb", buffering=0), "An open file", "return its Path"  # noqa: SIM115
    yield tempfile.NamedTemporaryFile(), "An open file", "return its Path"  # noqa: SIM115
    yield tempfile.SpooledTemporaryFile(), "An open file", "return its Path"  # noqa: SIM115
    yield socket.socket(), "A socket", "open the socket in the step"
    yield sqlite3.connect(":memory:"), "A database cursor or connection", "fetch the rows first"
    yield sqlite3.connect(":memory:").cursor(), "A database cursor or connection", "fetch the rows first"
    yield pl.LazyFrame({"a": [1]}), "A lazy table", "collect it first"


LIVE = list(live_things())


@pytest.mark.parametrize(("value", "what", "remedy"), LIVE, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"a": [v]}, Thing], ids=["bare", "in dict", "in object"])
def test_live_things_are_refused_by_name(value: Any, what: str, remedy: str, wrap: Any) -> None:
    """A live thing, also inside a container or an object, is refused by what it is, with what to return instead."""
    with pytest.raises(CodecError) as caught:
        REGISTRY.encode(wrap(value), Any)
    assert caught.value.message == f"{what} cannot be stored."
    assert remedy in caught.value.hint
    assert not caught.value.retryable


@pytest.mark.parametrize(("value", "what", "remedy"), LIVE, ids=lambda part: type(part).__name__)
def test_live_things_are_refused_as_such_where_pickle_is_denied(value: Any, what: str, remedy: str) -> None:
    """Nobody is told to allow pickle for what pickle could not hold."""
    with pytest.raises(CodecError, match=what):
        CodecRegistry("deny").encode(value, Any)


@pytest.mark.parametrize("value", [iter([1]), map(len, []), zip(), itertools.count(), Counter()], ids=stable_id)
def test_iterators_are_refused_as_results(value: Any) -> None:
    """What can be read only once is not a result."""
    with pytest.raises(CodecError, match="An iterator cannot be stored") as caught:
        REGISTRY.encode(value, Any)
    assert "list(values)" in caught.value.hint


def test_a_coroutine_is_refused() -> None:
    """A coroutine that nobody awaited is not a result."""
    coroutine = asyncio.sleep(0)
    with pytest.raises(CodecError, match="A coroutine"):
        REGISTRY.encode(coroutine, Any)
    coroutine.close()


@pytest.mark.parametrize("value", [Unloadable(), Failing(), Thing(memoryview(b""))])
def test_what_pickle_fails_on_is_reported_at_once(value: Any) -> None:
    """A value that does not pickle, or would not load for its consumer, fails the step that made it."""
    with pytest.raises(CodecError, match="pickle fails on it") as caught:
        REGISTRY.encode(value, Any)
    assert "@fk.codec" in caught.value.hint


def test_denied_pickle_names_type_reason_and_remedy() -> None:
    """Where pickle is denied, the error says what in the value would need it."""
    with pytest.raises(CodecError, match="this project denies") as caught:
        CodecRegistry("deny").encode({"a": [1, Thing()]}, dict)
    text = str(caught.value)
    assert "['a'][1]" in text
    assert "@fk.codec" in text


def test_denied_pickle_is_not_loaded_either() -> None:
    """A store written elsewhere cannot make a project that denies pickle load one."""
    with pytest.raises(CodecError, match="is pickle, which this project denies"):
        CodecRegistry("deny").decode(MemoryStored(REGISTRY.encode(Thing(), Any)), Any, NOWHERE)


def test_arrays_of_objects_are_opaque() -> None:
    """An array that only pickle can hold is stored so, and refused where that is denied."""
    value = np.array([1, "a", None], dtype=object)
    assert REGISTRY.encode(value, np.ndarray).format == "opaque"
    assert received(value, np.ndarray).tolist() == [1, "a", None]
    with pytest.raises(CodecError, match="denies"):
        CodecRegistry("deny").encode(value, np.ndarray)


LOCAL = """
import sys
from pathlib import Path
from tests.codecs.round_trip import REGISTRY, NOWHERE
from tests.codecs.memory_stored import MemoryStored

class Local:
    def __init__(self, x): self.x = x
    def double(self): return 2 * self.x

if sys.argv[1] == "write":
    sys.stdout.buffer.write(bytes(REGISTRY.encode([Local(4), lambda: 5], object).payload))
"""


def test_classes_of_main_load_in_another_process(tmp_path: Path) -> None:
    """An object whose class is defined in a script or notebook is read by a process that has no such class."""
    script = tmp_path / "script.py"
    script.write_text(LOCAL)
    payload = subprocess.run(
        [sys.executable, str(script), "write"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    ).stdout
    encoded = REGISTRY.encode(Thing(), Any)
    stored = MemoryStored(type(encoded)("opaque", encoded.digest, payload, ".pkl"))
    local, function = REGISTRY.decode(stored, Any, NOWHERE)
    assert (local.double(), function()) == (8, 5)


def test_classes_of_modules_go_by_name() -> None:
    """A class that any process can import is not copied into the artifact."""
    payload = bytes(REGISTRY.encode(Thing(), Any).payload)
    assert b"cloudpickle" not in payload
    assert b"test_opaque" in payload
