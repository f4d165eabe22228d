"""JSON over generated values."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.authoring.types import Metrics
from flowkit.codecs.json import JsonCodec
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import NOWHERE

CODEC = JsonCodec()

TEXT = st.text(st.characters(codec=None, categories=None)) | st.sampled_from(["$", "$set", "$dict", '{"$tuple":[]}'])
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=8)
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.just(dt.UTC) | st.timezones(), allow_imaginary=True)
    | st.times()
    | st.timedeltas()
)
KEYS = st.recursive(ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=12,
)


def shape(value: Any) -> Any:
    """Return a value's types all the way down, dicts and sets without an order."""
    kind = type(value).__name__
    if isinstance(value, dict):
        return kind, sorted((repr(shape(key)), repr(shape(item))) for key, item in value.items())
    if isinstance(value, list | tuple):
        return kind, [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return kind, sorted(repr(shape(item)) for item in value)
    return kind, repr(value)


def shuffled(value: Any, order: random.Random) -> Any:
    """Return an equal value, its dicts and sets filled in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(item, order)) for key, item in value.items()]
        order.shuffle(items)
        return dict(items)
    if isinstance(value, list | tuple):
        return type(value)(shuffled(item, order) for item in value)
    if isinstance(value, set | frozenset):
        items = list(value)
        order.shuffle(items)
        return type(value)(items)
    return value


def text_of(value: Any) -> bytes:
    return bytes(CODEC.encode(value, Any).payload)


def trip(value: Any) -> Any:
    return CODEC.decode(MemoryStored(CODEC.encode(value, Any)), Any, NOWHERE)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_any_plain_value_reads_back_exactly(value: Any) -> None:
    """Types and contents survive at every depth, and the text of what is read is the text it was read from."""
    back = trip(value)
    assert shape(back) == shape(value)
    assert text_of(back) == text_of(value)


@given(VALUES, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_insertion_order_never_counts(value: Any, order: random.Random) -> None:
    """The same content filled in another order gives the same bytes."""
    assert text_of(shuffled(value, order)) == text_of(value)


@given(VALUES, VALUES)
@settings(max_examples=100, deadline=None)
def test_different_values_have_different_texts(one: Any, other: Any) -> None:
    """No two values of different shape share a text."""
    assert (text_of(one) == text_of(other)) == (shape(one) == shape(other))


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "self"), st.floats(), max_size=5))
@settings(max_examples=100, deadline=None)
def test_metrics_read_back_as_metrics(values: dict[str, float]) -> None:
    """Any names and floats, NaN included, survive as Metrics."""
    back = trip(Metrics(**values))
    assert type(back) is Metrics
    assert list(back) == sorted(values)
    assert text_of(back) == text_of(Metrics(**values))
