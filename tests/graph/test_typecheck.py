"""Edges are judged on annotations: what fits, what is left to the value, what is refused."""

# ruff: noqa: UP045  (both spellings of an optional are tried)

from __future__ import annotations

import collections.abc as abc
import subprocess
import sys
import typing
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NewType, Optional, Protocol, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import polars as pl
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from flowkit.graph.typecheck import Verdict, check_edge, check_value, edge_error, format_hint

T = TypeVar("T")
UserId = NewType("UserId", int)


class Trip(pa.DataFrameModel):
    fare: float


class Example(Trip):
    big_tip: int


class Ride(pp.DataFrameModel):
    fare: float


class Scores(abc.Mapping[str, float]):
    pass


class Row(TypedDict):
    a: int


class Sized(Protocol):
    def size(self) -> int: ...


class Box(Generic[T]):
    pass


Trips = Annotated[pd.DataFrame, Trip]
Examples = Annotated[pd.DataFrame, Example]
Floats, Ints = npt.NDArray[np.float64], npt.NDArray[np.int64]

FITS: list[tuple[Any, Any]] = [
    (int, int),
    (int, float),
    (bool, int),
    (bool, complex),
    (np.float64, float),
    (np.int64, int),
    (np.int64, float),
    (int, object),
    (None, None),
    (None, type(None)),
    (int, int | None),
    (None, Optional[int]),
    (int, float | str),
    (int | bool, float),
    (int | None, Optional[float]),
    (str, str | None),
    (Annotated[int, "x"], int),
    (int, Annotated[int, "x"]),
    (Annotated[int, "x"], Annotated[float, "y"]),
    (list[int], list[int]),
    (list[int], list[float]),
    (list[int], abc.Sequence[float]),
    (list[int], typing.Sequence[int]),
    (list[int], typing.Iterable[float]),
    (list[int], list),
    (list[list[int]], abc.Sequence[abc.Sequence[float]]),
    (dict[str, int], abc.Mapping[str, float]),
    (dict[str, int], abc.Iterable[str]),
    (dict[str, list[int]], dict[str, abc.Sequence[float]]),
    (tuple[int, str], tuple[float, str]),
    (tuple[int, int], tuple[float, ...]),
    (tuple[int, ...], abc.Sequence[int]),
    (tuple[int, bool], abc.Sequence[int]),
    (set[int], abc.Collection[float]),
    (str, abc.Sequence[str]),
    (bytes, abc.Sequence[int]),
    (Scores, abc.Mapping[str, float]),
    (Path, Path),
    (UserId, int),
    (UserId, float),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (Literal[1, "a"], int | str),
    (LogisticRegression, BaseEstimator),
    (type[int], type[object]),
    (abc.Callable[[int], int], abc.Callable[..., Any]),
    (Box[int], Box[int]),
    (Box[int], Box),
    (Floats, Floats),
    (Floats, np.ndarray),
    (Floats, npt.NDArray[Any]),
    (Floats, npt.NDArray[np.floating]),
    (Trips, Trips),
    (Trips, pd.DataFrame),
    (Examples, Trips),
    (Examples, Trips | None),
    (list[Examples], abc.Sequence[Trips]),
    (Row, dict),
]

REFUSED: list[tuple[Any, Any]] = [
    (float, int),
    (int, bool),
    (str, Path),
    (str, int),
    (int, str),
    (int, np.int64),
    (None, int),
    (int | None, int),
    (int | str, int),
    (int, str | None),
    (object, int),
    (BaseEstimator, LogisticRegression),
    (list[str], list[int]),
    (list[int], tuple[int, ...]),
    (list[str], abc.Sequence[float]),
    (abc.Sequence[int], list[int]),
    (dict[int, int], dict[str, int]),
    (dict[str, str], abc.Mapping[str, float]),
    (tuple[int, str], tuple[int, int]),
    (tuple[int, int], tuple[int, int, int]),
    (tuple[int, str], abc.Sequence[int]),
    (Scores, abc.Mapping[str, str]),
    (int, UserId),
    (str, Literal["a"]),
    (Literal["c"], Literal["a", "b"]),
    (Literal[1], Literal[True]),
    (Floats, Ints),
    (Ints, Floats),
    (Floats, list[float]),
    (pd.DataFrame, pl.DataFrame),
    (pl.DataFrame, pyarrow.Table),
    (pd.DataFrame, pd.Series),
    (Trips, Examples),
    (list[Trips], list[Examples]),
    (Trips | None, Trips),
    (Trips, Annotated[pl.DataFrame, Ride]),
    (pl.DataFrame, Annotated[pl.DataFrame, Trip]),
    (Box[int], Box[str]),
]

UNKNOWN: list[tuple[Any, Any]] = [
    (list, list[int]),
    (dict, abc.Mapping[str, int]),
    (tuple[int, ...], tuple[int, int]),
    (np.ndarray, Floats),
    (npt.NDArray[Any], Floats),
    (npt.NDArray[np.floating], Floats),
    (Floats, np.ndarray[tuple[int, int], np.dtype[np.float64]]),
    (pd.DataFrame, Trips),
    (pd.DataFrame, Trips | None),
    (dict[str, Any], Row),
    (int, Sized),
    ("Later", int),
    (int, typing.ForwardRef("Later")),
]

WARNS: list[tuple[Any, Any]] = [
    (Any, int),
    (int, Any),
    (list[Any], list[int]),
    (list[int], list[Any]),
    (list[int], list[Any] | None),
    (dict[str, Any], dict[str, int]),
    (int | None, Any),
]


def pairs(*groups: tuple[Verdict, list[tuple[Any, Any]]]) -> list[Any]:
    return [
        pytest.param(one, other, verdict, id=f"{format_hint(one)}->{format_hint(other)}-{verdict}")
        for verdict, group in groups
        for one, other in group
    ]


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    pairs(
        (Verdict.FITS, FITS),
        (Verdict.REFUSED, REFUSED),
        (Verdict.UNKNOWN, UNKNOWN),
        (Verdict.WARNS, WARNS),
    ),
)
def test_an_edge_is_judged(one: Any, other: Any, verdict: Verdict) -> None:
    """The table of what fits, what only the value can tell, what warns and what is refused."""
    fit = check_edge(one, other)

    assert fit.verdict is verdict, fit
    assert bool(fit.detail) is (verdict is not Verdict.FITS)


HINTS = st.recursive(
    st.sampled_from([int, float, str, bool, None, Path, pd.DataFrame, Trips, Examples, Floats, Any]),
    lambda inner: st.one_of(
        inner.map(lambda hint: list[hint]),
        inner.map(lambda hint: dict[str, hint]),
        inner.map(lambda hint: Optional[hint]),
        inner.map(lambda hint: tuple[hint, ...]),
        st.tuples(inner, inner).map(lambda hints: tuple[hints]),
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(HINTS)
def test_every_hint_fits_itself_and_its_optional(hint: Any) -> None:
    """Identical hints fit, and a hint fits wherever None is admitted besides."""
    assert check_edge(hint, hint).verdict is Verdict.FITS
    assert check_edge(hint, Optional[hint]).verdict in (Verdict.FITS, Verdict.WARNS)


@settings(max_examples=100, deadline=None)
@given(HINTS, HINTS)
def test_any_two_hints_get_a_verdict(one: Any, other: Any) -> None:
    """No pair of hints raises, and one that is not refused either way is not refused inside of a list."""
    fit = check_edge(one, other)

    assert check_edge(list[one], list[other]).verdict is fit.verdict or fit.verdict is Verdict.REFUSED


def test_another_table_library_comes_with_the_remedy() -> None:
    """A pandas table for a polars consumer is refused with the way to get another view of it."""
    assert "fk.as_type(…, pl.DataFrame)" in check_edge(pd.DataFrame, pl.DataFrame).remedy
    assert "fk.as_type(…, pd.DataFrame)" in check_edge(pyarrow.Table, Trips).remedy


def test_the_part_that_does_not_fit_is_named() -> None:
    """Inside of containers the detail says where."""
    assert check_edge(dict[str, list[str]], dict[str, list[int]]).detail == "values: items: str does not fit int"
    assert check_edge(tuple[int, str], tuple[int, int]).detail == "item 1: str does not fit int"
    assert check_edge(tuple[int, int], tuple[int]).detail == "a tuple of 2 does not fit one of 1"


def test_a_contract_error_names_the_columns() -> None:
    """An edge between contracts is refused with both contracts and what is missing."""
    fit = check_edge(Trips, Examples)

    error = edge_error("train", "rows", Examples, "load", Trips, "pipelines/taxi.py:61", fit)

    assert error.exit_code == 2
    assert str(error) == (
        "Step 'train' cannot take what 'load' gives.\n"
        "  parameter   rows: DataFrame[Example]\n"
        "  given       DataFrame[Trip]  (pipelines/taxi.py:61)\n"
        "  missing     big_tip\n"
        "Hint: pass the output of a step that gives DataFrame[Example], "
        "or declare DataFrame[Trip] as the contract of 'rows'."
    )


def test_a_type_error_names_both_types_and_the_part() -> None:
    """An edge between plain types is refused with both types; the part only where it is not plain."""
    whole = edge_error("train", "c", float, "load", str, "p.py:1", check_edge(str, float))
    part = edge_error("train", "c", list[float], "load", list[str], "p.py:1", check_edge(list[str], list[float]))

    assert whole.facts == (("parameter", "c: float"), ("given", "str  (p.py:1)"))
    assert part.facts[-1] == ("problem", "items: str does not fit float")


SHOWN: list[tuple[Any, str]] = [
    (int, "int"),
    (None, "None"),
    (float | None, "float | None"),
    (Optional[str], "str | None"),
    (list[int], "list[int]"),
    (tuple[int, ...], "tuple[int, ...]"),
    (abc.Sequence[float], "Sequence[float]"),
    (typing.List[int], "list[int]"),  # noqa: UP006
    (dict[str, Any], "dict[str, Any]"),
    (Literal["a", 1], "Literal['a', 1]"),
    (LogisticRegression, "LogisticRegression"),
    (pd.DataFrame, "pandas.DataFrame"),
    (Trips, "DataFrame[Trip]"),
    (Trips | None, "DataFrame[Trip] | None"),
    (list[Trips], "list[DataFrame[Trip]]"),
    (Annotated[pyarrow.Table, Trip], "Table[Trip]"),
    (Annotated[int, "x"], "int"),
    (Floats, "NDArray[float64]"),
    (np.ndarray, "ndarray"),
    (UserId, "UserId"),
    (T, "T"),
    ("Later", "Later"),
    (abc.Callable[[int], str], "Callable[[int], str]"),
]


@pytest.mark.parametrize(("hint", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_hints_are_shown_as_people_write_them(hint: Any, text: str) -> None:
    """Annotations in messages read as in the source."""
    assert format_hint(hint) == text


def test_a_broken_contract_is_refused_at_the_edge() -> None:
    """A pandas schema on a polars frame is found before anything runs."""
    fit = check_edge(pl.DataFrame, Annotated[pl.DataFrame, Trip])

    assert fit.verdict is Verdict.REFUSED
    assert "Trip is a pandera.pandas schema" in fit.detail


def test_plain_edges_do_not_import_beartype() -> None:
    """Classes, numbers, unions and containers are judged without beartype; hints beyond them are not."""
    program = """
import sys
from pathlib import Path
from typing import Callable, Sequence
from flowkit.graph.typecheck import check_edge
for one, other in ((int, float), (str, Path), (list[int], Sequence[float]), (int | None, float | None),
                   (dict[str, list[int]], dict[str, list[int]]), (tuple[int, int], tuple[float, ...])):
    check_edge(one, other)
assert "beartype" not in sys.modules
check_edge(Callable[[int], int], Callable[..., int])
assert "beartype" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([1, 1.5, "a", None, True, [1], ["a"], {"a": 1}, (1, "a"), Path("x")]), HINTS, HINTS)
def test_an_edge_that_fits_never_gives_a_value_that_does_not(value: Any, one: Any, other: Any) -> None:
    """What is of the producer's type is of the consumer's wherever the edge fits."""
    if check_value(value, one) is None and check_edge(one, other).verdict is Verdict.FITS:
        assert check_value(value, other) is None
