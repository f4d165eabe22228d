"""Values are checked against annotations: constants while building, results while running."""

# ruff: noqa: UP045  (both spellings of an optional are tried)

from __future__ import annotations

import collections.abc as abc
import enum
import timeit
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from flowkit.errors import ValueTypeError
from flowkit.graph.fit import FITS, Fit, refused
from flowkit.graph.typecheck import Verdict, check_argument, check_constant, check_value


class Trip(pa.DataFrameModel):
    fare: float


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Row(TypedDict):
    a: int


@dataclass
class Settings:
    depth: int


@runtime_checkable
class Fitted(Protocol):
    def predict(self, rows: Any) -> Any: ...


class Unchecked(Protocol):
    def predict(self, rows: Any) -> Any: ...


UserId = NewType("UserId", int)
Trips = Annotated[pd.DataFrame, Trip]

GOOD: list[tuple[Any, Any]] = [
    (1, int),
    (1, float),
    (True, int),
    (1.5, complex),
    (np.float64(1.5), float),
    (np.float32(1.5), float),
    (np.int64(1), int),
    (np.int64(1), float),
    (np.bool_(True), bool),
    (Level.LOW, int),
    (None, None),
    (None, Optional[int]),
    (1, int | str),
    ("a", Literal["a", "b"]),
    ("x", Any),
    ("x", object),
    (Path("x"), Path),
    (Color.RED, Color),
    (Settings(1), Settings),
    ([1, 2], list[int]),
    ([1, 2], list[float]),
    ([], list[int]),
    ([1, 2], abc.Sequence[float]),
    ((1, 2), abc.Sequence[int]),
    ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]),
    ({"a": 1}, dict[str, float]),
    ({"a": [1]}, abc.Mapping[str, abc.Sequence[int]]),
    ({1, 2}, set[int]),
    ("abc", abc.Sequence[str]),
    (b"abc", abc.Sequence[int]),
    ([[1], [2]], list[list[int]]),
    ([1, None], list[int | None]),
    (1, UserId),
    (np.zeros(3), npt.NDArray[np.float64]),
    (np.zeros(3), np.ndarray),
    (np.zeros(3), npt.NDArray[Any]),
    (np.zeros((2, 2)), np.ndarray[tuple[int, int], np.dtype[np.float64]]),
    (pd.DataFrame(), pd.DataFrame),
    (pd.DataFrame(), Trips),
    (pl.DataFrame(), pl.DataFrame),
    (LogisticRegression(), LogisticRegression),
    (LogisticRegression(), Fitted),
    (LogisticRegression(), Unchecked),
    (len, typing.Callable[..., Any]),
    (int, type[int]),
    ({"a": 1}, Row),
    (1, "Later"),
]

BAD: list[tuple[Any, Any, str]] = [
    ("1", int, "'1', a str, not int"),
    (1.0, int, "1.0, a float, not int"),
    (1, bool, "1, an int, not bool"),
    (np.float64(1), int, "np.float64(1.0), a float64, not int"),
    (None, int, "None, not int"),
    (None, pd.DataFrame, "None, not pandas.DataFrame"),
    ([1], pd.DataFrame, "a list, not pandas.DataFrame"),
    (pl.DataFrame(), Trips, "a polars.DataFrame, not pandas.DataFrame"),
    ("x", Path, "'x', a str, not Path"),
    (1, str | None, "1, an int, not str"),
    (1, str | Path, "1, an int, not str | Path"),
    ("c", Literal["a", "b"], "'c', a str, not Literal['a', 'b']"),
    (1, Literal[True], "1, an int, not Literal[True]"),
    ([1, "a"], list[int], "[1]: 'a', a str, not int"),
    ({"a": [1, 2, "x"]}, dict[str, list[int]], "['a'][2]: 'x', a str, not int"),
    ({1: 1}, dict[str, int], "key: 1, an int, not str"),
    ((1, 2), tuple[int, str], "[1]: 2, an int, not str"),
    ((1, 2), tuple[int], "a tuple of 2, not of 1"),
    ([1], tuple[int, ...], "a list, not tuple[int, ...]"),
    ({1, "a"}, set[int], "['a']: 'a', a str, not int"),
    ("abc", abc.Sequence[int], "'a', a str, not int"),
    ("x" * 100, int, "a str, not int"),
    ("x", UserId, "'x', a str, not int"),
    (np.zeros(3), npt.NDArray[np.int64], "an array of float64, not NDArray[int64]"),
    ([1.0], npt.NDArray[np.float64], "a list, not NDArray[float64]"),
    (np.zeros(3), np.ndarray[tuple[int, int], np.dtype[np.float64]], "an array of 1 axes, not 2"),
    (object(), Fitted, "an object, not Fitted"),
    (str, type[int], "a type, not type[int]"),
    ([pd.DataFrame(), 3], list[Trips], "[1]: 3, an int, not pandas.DataFrame"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "hint"), GOOD, ids=[f"{type(value).__name__}-{hint}" for value, hint in GOOD])
def test_a_value_of_its_type_passes(value: Any, hint: Any) -> None:
    """Values of the type pass, with the numeric tower and numpy's scalars; what nobody can tell passes too."""
    assert check_value(value, hint) is None
    assert check_constant(value, hint).verdict in (Verdict.FITS, Verdict.UNKNOWN)


@pytest.mark.parametrize(("value", "hint", "said"), BAD, ids=[said for *_, said in BAD])
def test_a_value_of_another_type_is_told(value: Any, hint: Any, said: str) -> None:
    """What a value is instead is said in a clause that names the item inside of a container."""
    assert check_value(value, hint) == said
    assert check_constant(value, hint).verdict is Verdict.REFUSED


def test_a_text_for_a_path_comes_with_the_remedy() -> None:
    """A str where a Path is wanted is refused with what to write."""
    assert check_constant("data.csv", Path).remedy == "write Path('data.csv')."


def test_a_late_wrong_item_is_always_found() -> None:
    """Every item is looked at: one wrong item among a hundred thousand is found each time."""
    values: list[Any] = [*range(100_000), "x"]

    assert {check_value(values, list[int]) for _ in range(3)} == {"[100000]: 'x', a str, not int"}


def test_a_table_for_a_contract_is_left_to_its_validation() -> None:
    """A constant table is of its type; whether it holds the contract is not judged here."""
    fit = check_constant(pd.DataFrame({"nope": [1]}), Trips)

    assert fit.verdict is Verdict.UNKNOWN


def test_items_that_stand_for_later_values_are_asked_about() -> None:
    """An argument with leaves at any depth is judged with the verdict that the caller has for each."""

    class Later:
        pass

    asked: list[Any] = []

    def leaf_fit(item: Any, hint: Any) -> Fit | None:
        if not isinstance(item, Later):
            return None
        asked.append(hint)
        return FITS if hint is int else refused("later is an int")

    assert check_argument({"a": [1, Later()]}, dict[str, list[int]], leaf_fit) == FITS
    assert asked == [int]
    assert check_argument([Later()], list[str], leaf_fit).detail == "[0]: later is an int"
    assert check_argument([Later()], int, leaf_fit).verdict is Verdict.REFUSED


@pytest.mark.parametrize(("value", "hint"), [(1, int), (pd.DataFrame(), pd.DataFrame), (1, float), ("a", str)])
def test_simple_classes_are_checked_quickly(value: Any, hint: Any) -> None:
    """A plain class costs microseconds, for it is checked on every output."""
    seconds = min(timeit.repeat(lambda: check_value(value, hint), number=1000, repeat=5)) / 1000

    assert seconds < 10e-6  # about 0.2 µs; the margin is for a busy machine


def test_errors_of_wrong_values_say_step_and_type() -> None:
    """The errors for a wrong return and a wrong argument are a sentence, facts and a hint."""
    returned = ValueTypeError.for_output("load", "return", "pandas.DataFrame", check_value([1], pd.DataFrame) or "")
    taken = ValueTypeError.for_parameter("train", "c", "float", "'1', a str, not float")

    assert str(returned) == (
        "Step 'load' did not return what it declares.\n"
        "  declared   pandas.DataFrame as the return value\n"
        "  returned   a list, not pandas.DataFrame\n"
        "Hint: return pandas.DataFrame, or correct the return annotation of 'load'."
    )
    assert taken.message == "Step 'train' was given a value that 'c' cannot take."
    assert not returned.retryable
