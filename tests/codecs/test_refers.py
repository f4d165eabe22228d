"""What encoded values refer to: every class and function that their bytes name instead of holding it."""

from __future__ import annotations

import functools
import pickle
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flowkit.codecs.pickling import dump_fixpoint
from flowkit.codecs.registry import CodecRegistry

HERE = __name__


class Base:
    def method(self) -> int:
        return 1


class Below(Base):
    def __init__(self) -> None:
        self.again = [Base(), Base()]


class _Single:
    def __reduce__(self) -> str:
        return "SINGLE"


SINGLE = _Single()


@functools.lru_cache
def remembered() -> int:
    return 1


def plain(rows: Any) -> Any:
    return rows


def make_inner() -> Any:
    def inner() -> int:
        return 1

    return inner


class Color(Enum):
    RED = 1


@dataclass
class Point:
    color: Color


class Pair(NamedTuple):
    point: Point


NAMES = [
    ("a nested instance", {"a": [Below()]}, {"Below", "Base"}),
    ("a class itself", [Base, Base], {"Base"}),
    ("a function, a partial one", (plain, functools.partial(plain, 1)), {"plain"}),
    ("a bound method", Base().method, {"Base"}),
    ("a cached function", [remembered], {"remembered"}),
    ("one that reduces to a name", [SINGLE], {"SINGLE"}),
    ("a function in a function", make_inner(), {"make_inner"}),
    ("elements of an array", np.array([Base(), None], dtype=object), {"Base"}),
    ("cells of a table", pd.DataFrame({"cell": [Base()]}), {"Base"}),
    ("an estimator", make_pipeline(FunctionTransformer(plain)), {"plain"}),
    ("a thousand instances", [Base() for _ in range(1000)] + [OrderedDict(a=Below())], {"Below", "Base"}),
]


@pytest.mark.parametrize(("what", "value", "names"), NAMES, ids=[case[0] for case in NAMES])
def test_a_pickle_tells_what_it_names(what: str, value: object, names: set[str]) -> None:
    """Each of this module's names that its bytes hold, and no other, sorted; a second time the same."""
    encoded = CodecRegistry().encode(value, Any)

    found = {name.partition(":")[2] for name in encoded.refers if name.partition(":")[0] == HERE}

    assert found == names
    assert list(encoded.refers) == sorted(set(encoded.refers))
    assert CodecRegistry().encode(value, Any).refers == encoded.refers


def test_json_tells_the_classes_that_it_tags() -> None:
    """Dataclasses, enums and named tuples, at any depth."""
    encoded = CodecRegistry().encode([Pair(Point(Color.RED))], list[Pair])

    assert encoded.format == "json"
    assert encoded.refers == (f"{HERE}:Color", f"{HERE}:Pair", f"{HERE}:Point")


@pytest.mark.parametrize(
    "value", [1, 1.5, "text", b"bytes", [1, {"a": (2, 3)}], np.arange(3), pd.DataFrame({"a": [1]})], ids=repr
)
def test_plain_data_refers_to_nothing(value: object) -> None:
    """Numbers, text, containers, arrays and tables bring no code along."""
    assert CodecRegistry().encode(value, Any).refers == ()


@pytest.mark.slow
def test_noting_names_costs_little() -> None:
    """What a large pickle names is heard while it is loaded, which its fixpoint needs anyhow."""
    value = [{"number": index, "again": Base()} for index in range(50_000)]
    started = time.perf_counter()
    pickle.dumps(pickle.loads(pickle.dumps(value, 5)), 5)
    bare = time.perf_counter() - started

    started = time.perf_counter()
    dump_fixpoint(value)

    assert time.perf_counter() - started < 20 * bare + 0.5
