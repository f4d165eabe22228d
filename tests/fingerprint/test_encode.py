"""Parameters as canonical bytes: what differs is told apart, what is equal is not."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
import os
import pickle
import struct
import subprocess
import sys
from collections import OrderedDict, namedtuple
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from flowkit.errors import EncodingError, InputError
from flowkit.fingerprint.canonical import canonicalise
from flowkit.fingerprint.encode import (
    digest_value,
    encode_artifact,
    encode_code,
    encode_path,
    encode_value,
    encode_view,
)


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Shade(enum.Enum):
    RED = 1


class Flags(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: object
    y: object = 0


class Pair(NamedTuple):
    x: object
    y: object = 0


class Model(BaseModel):
    x: object
    y: object = 0


UTC = dt.UTC
NOON = dt.datetime(2026, 7, 1, 12)
PAIRS = {
    "4 one and True": (1, True),
    "zero and False": (0, False),
    "int and float": (1, 1.0),
    "float and complex": (1.0, 1 + 0j),
    "int and Decimal": (1, Decimal(1)),
    "60 zeros": (0.0, -0.0),
    "zeros of a complex": (complex(0.0, 0.0), complex(-0.0, 0.0)),
    "58 None, NaN": (None, math.nan),
    "None and Ellipsis": (None, ...),
    "59 text and number": ("1", 1),
    "text and bytes": ("a", b"a"),
    "bytes and bytearray": (b"a", bytearray(b"a")),
    "65 tuple and list": ((1,), [1]),
    "set and frozenset": ({1}, frozenset({1})),
    "empty set, list and dict": (set(), []),
    "empty list and dict": ([], {}),
    "66 equal fields of other classes": (Point(1, 2), Frozen(1, 2)),
    "66 dataclass and dict": (Point(1, 2), {"x": 1, "y": 2}),
    "NamedTuple and tuple": (Pair(1, 2), (1, 2)),
    "pydantic and dataclass": (Model(x=1), Point(1)),
    "dataclass field": (Point(1, 2), Point(1, 3)),
    "enum members": (Colour.RED, Colour.GREEN),
    "enums": (Colour.RED, Shade.RED),
    "enum and its value": (Colour.RED, 1),
    "flags": (Flags.A, Flags.A | Flags.B),
    "68 aware and naive": (NOON, NOON.replace(tzinfo=UTC)),
    "54 zones of one instant": (NOON.replace(tzinfo=ZoneInfo("UTC")), NOON.replace(tzinfo=ZoneInfo("Etc/UTC"))),
    "54 offset and zone": (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=ZoneInfo("UTC"))),
    "fold": (NOON, NOON.replace(fold=1)),
    "date and datetime": (dt.date(2026, 7, 1), dt.datetime(2026, 7, 1)),
    "microsecond": (NOON, NOON.replace(microsecond=1)),
    "time": (dt.time(1), dt.time(1, fold=1)),
    "timedelta": (dt.timedelta(days=1), dt.timedelta(days=1, microseconds=1)),
    "Decimal digits": (Decimal("1.0"), Decimal("1.00")),
    "Decimal zeros": (Decimal("0"), Decimal("-0")),
    "Decimal NaNs": (Decimal("NaN"), Decimal("sNaN")),
    "Fraction": (Fraction(1, 2), Fraction(1, 3)),
    "UUID and text": (UUID(int=1), str(UUID(int=1))),
    "ranges": (range(3), range(0, 3, 2)),
    "range and list": (range(2), [0, 1]),
    "slices": (slice(1), slice(None, 1, 1)),
    "69 borders of strings": (("ab", "c"), ("a", "bc")),
    "69 borders of numbers": ((1, 1), (11,)),
    "nesting": ([[1], 2], [[1, 2]]),
    "nested dicts": ({"a": {"b": 1}}, {"a": {}, "b": 1}),
    "key and value swapped": ({1: 2}, {2: 1}),
    "70 nested value": ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}),
    "keys of other types": ({1: 0}, {"1": 0}),
    "numpy and Python": (np.float64(1.0), 1.0),
    "numpy widths": (np.int32(1), np.int64(1)),
    "numpy signs": (np.uint8(1), np.int8(1)),
    "numpy units": (np.datetime64("2026-01-01", "D"), np.datetime64("2026-01-01", "s")),
    "numpy bool": (np.bool_(True), np.uint8(1)),
    "huge ints": (10**5000, 10**5000 + 1),
    "surrogates": ("\ud800", "\ud801"),
    "composed characters": ("\u00e9", "e\u0301"),
    "functions": (len, max),
}


def _code(value):
    return f"{value.__module__}.{value.__qualname__}"


@pytest.mark.parametrize("case", PAIRS, ids=str)
def test_what_differs_is_told_apart(case):
    """Type, sign, borders and nesting count, bare and inside a container."""
    first, second = PAIRS[case]
    assert encode_value(first, code=_code) != encode_value(second, code=_code)
    assert encode_value([first], code=_code) != encode_value([second], code=_code)
    assert digest_value("p", first, code=_code) != digest_value("p", second, code=_code)
    assert digest_value("p", first, code=_code) == digest_value("q", first, code=_code)


EQUALS = {
    "86 order of keys": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "86 order of nested keys": ([{"a": 1, "b": {1: 0, "1": 0}}], [{"b": {"1": 0, 1: 0}, "a": 1}]),
    "87 order of sets": ({"a", "b", "c"}, {"c", "b", "a"}),
    "88 interning": ("".join(["a", "b"]), "ab"),
    "88 shared references": ([[1]] * 2, [[1], [1]]),
    "99 NaN": (math.nan, struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0123))[0]),
    "93 slices of bytes": (b"abc"[1:2], b"b"),
    "big-endian numpy scalars": (np.array([1], ">i4")[0], np.int32(1)),
    "hours and minutes": (dt.timedelta(hours=1), dt.timedelta(minutes=60)),
}


@pytest.mark.parametrize("case", EQUALS, ids=str)
def test_what_is_equal_is_encoded_equally(case):
    """Order, identity and layout do not count."""
    first, second = EQUALS[case]
    assert encode_value(first) == encode_value(second)


class Text(str):
    __slots__ = ()


class Bag(dict):
    pass


Old = namedtuple("Old", "a")
CYCLE: list = [1]
CYCLE.append({"self": CYCLE})

REFUSED = {
    "object": ({"a": [0, 0, 0, object()]}, r"'rows'\['a'\]\[3\]"),
    "str subclass": ([Text("a")], r"'rows'\[0\].*str"),
    "dict subclass": (Bag(), "dict"),
    "OrderedDict": (OrderedDict(a=1), "dict"),
    "bool-like IntEnum is fine, int subclass is not": (type("Int", (int,), {})(1), "int"),
    "pandas Timestamp": (pd.Timestamp("2026-01-01"), "datetime"),
    "array": (np.zeros(2), "ndarray"),
    "generator": ((n for n in [1]), "generator"),
    "cycle": (CYCLE, r"'rows'\[1\]\['self'\].*contains itself"),
    "field of a dataclass": (Point(1, object()), r"'rows'\.y"),
    "key": ({(1, object()): 2}, r"\[1\]"),
    "function without a fingerprinter": (len, "len"),
    "foreign time zone": (NOON.replace(tzinfo=type("Z", (dt.tzinfo,), {})()), "time zone"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_has_no_encoding_is_refused_with_its_place(case):
    """Case 100: an unknown type, a subclass or a cycle is an error that names the parameter and the place in it."""
    value, message = REFUSED[case]
    with pytest.raises(EncodingError, match=message) as caught:
        digest_value("rows", value)
    assert "'rows'" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_value_that_is_too_deep_is_refused():
    """Nesting beyond the interpreter's limit is an error like any other."""
    value: list = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(EncodingError, match="deep"):
        digest_value("rows", value)


def test_named_tuples_of_both_kinds_are_known():
    """A NamedTuple is no subclass to be refused: it counts with its class and fields."""
    assert encode_value(Old(1)) != encode_value(Pair(1))


def test_the_leaf_is_asked_first_for_every_object():
    """References to artifacts stand anywhere in a value."""
    digest = "ab" * 32
    special = object()
    leaf = lambda item: encode_artifact(digest) if item is special else None  # noqa: E731
    assert encode_value(special, leaf) == encode_artifact(digest)
    assert encode_value([1, {"a": special}], leaf) != encode_value([1, {"a": digest}])
    forms = [encode_artifact(digest), encode_view(digest), encode_code(digest), encode_path("a", digest)]
    assert len({*forms, encode_value(digest)}) == 5
    assert encode_artifact(digest, [("m:f", digest)]) != encode_view(digest, [("m:f", digest)])


def test_a_path_counts_by_base_name_and_content(tmp_path):
    """Case 67: the folder that a file lies in does not count, its name and its bytes do; a path is no string."""
    for folder, name, content in (("a", "x", "1"), ("b", "x", "1"), ("c", "y", "1"), ("d", "x", "2")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    first, moved, renamed, edited = (encode_value(tmp_path / place) for place in ("a/x", "b/x", "c/y", "d/x"))
    assert first == moved
    assert len({first, renamed, edited, encode_value(str(tmp_path / "a/x"))}) == 4
    with pytest.raises(InputError, match="does not exist"):
        encode_value(tmp_path / "none")
    with pytest.raises(EncodingError):
        encode_value(type("P", (type(Path()),), {})(tmp_path))


def test_canonicalise_gives_what_the_encoding_does_not_tell_apart():
    """Case 86: the step gets dicts in sorted order, wherever they stand, and containers of its own."""
    first = {"b": [{"z": 1, "a": 2}], "a": (Point({"d": 1, "c": 2}), Pair({"d": 1, "c": 2}), Model(x={"d": 1, "c": 2}))}
    second = {
        "a": (Point({"c": 2, "d": 1}), Pair({"c": 2, "d": 1}), Model(x={"c": 2, "d": 1})),
        "b": [{"a": 2, "z": 1}],
    }
    one, two = canonicalise(first), canonicalise(second)
    assert repr(one) == repr(two)
    assert one == first
    assert one["b"] is not first["b"]
    assert one["a"][0] is not first["a"][0]
    frozen = canonicalise(Frozen({"b": 1, "a": 2}))
    assert list(frozen.x) == ["a", "b"]


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(allow_nan=False),
    st.dates(), st.datetimes(), st.timedeltas(), st.uuids(), st.fractions(), st.complex_numbers(),
)  # fmt: skip
KEYS = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.binary())
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def _written(value) -> str:
    """Return an independent canonical text: types and reprs, dicts sorted by their keys' texts."""
    kind = type(value).__name__
    if type(value) in (list, tuple):
        return f"{kind}({', '.join(map(_written, value))})"
    if type(value) is dict:
        return f"dict({', '.join(sorted(_written(key) + ':' + _written(item) for key, item in value.items()))})"
    return f"{kind}({value!r})"


@settings(max_examples=100, deadline=None)
@given(VALUES, VALUES)
def test_encodings_are_equal_exactly_where_the_values_are(first, second):
    """Two values have one encoding if and only if an independent canonical text of both is the same."""
    assert (encode_value(first) == encode_value(second)) == (_written(first) == _written(second))


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=6), st.randoms())
def test_insertion_order_never_counts(value, random):
    """A dict filled in another order has the same encoding, and the step receives the same order."""
    items = list(value.items())
    random.shuffle(items)
    shuffled = dict(items)
    assert encode_value(shuffled) == encode_value(value)
    assert list(canonicalise(shuffled)) == list(canonicalise(value))


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_canonicalise_keeps_the_encoding_and_is_a_fixpoint(value):
    """What the step receives has the same key as what was passed."""
    canonical = canonicalise(value)
    assert encode_value(canonical) == encode_value(value)
    assert _written(canonicalise(canonical)) == _written(canonical) == _written(value)


def test_encoding_imports_nothing_heavy():
    """A reused run must not import numpy, pandas or pydantic on flowkit's account."""
    program = (
        "import sys, flowkit.fingerprint.encode as e, flowkit.fingerprint.canonical as c, flowkit.fingerprint.code,"
        "flowkit.fingerprint.environment as v\n"
        "e.digest_value('p', {'a': [1, 2.0, {3}], 'b': None}); c.canonicalise({'a': 1})\n"
        "v.EnvironmentReader().read(frozenset({'pandas'}))\n"
        "heavy = {'numpy', 'pandas', 'pydantic', 'pandera', 'pyarrow', 'networkx', 'beartype', 'importlib.metadata'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
