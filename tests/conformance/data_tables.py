"""Values that differ in one respect, as source text that is edited on disk: cases 44 to 70 but for files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One difference between two values.

    Attributes:
        number: Of the case.
        title: What differs, and in what kind of value.
        hint: The annotation of step and parameter.
        before: An expression for the one value.
        after: An expression for the other.
        reason: Why the step runs that is called with the other: a table or a `Path` is an input, wherever it stands.
    """

    number: int
    title: str
    hint: str
    before: str
    after: str
    reason: str = "parameter"

    @property
    def label(self) -> str:
        return f"case {self.number}: {self.title}"


IMPORTS = '''"""Values that differ in one respect only."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

import flowkit as fk

MILLION = 1_000_000
FRAME, SERIES, INDEX, ARRAY = pd.DataFrame, pd.Series, pd.Index, np.array


def million(cell: int) -> np.ndarray:
    values = np.arange(MILLION)
    values[777_777] += cell
    return values


class Plain:
    def __init__(self, size: int) -> None:
        self.size = size


class Alike(Plain):
    pass


@dataclass
class Cat:
    name: str


@dataclass
class Dog:
    name: str


class Point(NamedTuple):
    x: int
    y: int


class Level(Enum):
    LOW = 1


class Grade(Enum):
    LOW = 1


NOON = dt.datetime(2026, 3, 1, 12)
TIMES = ["2026-03-01 12:00", "2026-03-01 13:00"]
'''

D, S, A = "pd.DataFrame", "pd.Series", "np.ndarray"
"""The annotations that stand most often."""
_CATS = 'pd.Categorical(["a", "b"], categories={})'
_ZONED = 'pd.to_datetime(TIMES, utc=True).tz_convert("{}")'

VALUES = [
    Difference(44, "one cell of a million rows, pandas", D, 'FRAME({"n": million(0)})', 'FRAME({"n": million(1)})'),
    Difference(44, "one cell of a million rows, numpy", A, "million(0)", "million(1)"),
    Difference(
        44,
        "one cell of a million rows, polars",
        "pl.DataFrame",
        'pl.DataFrame({"n": million(0)})',
        'pl.DataFrame({"n": million(1)})',
    ),
    Difference(
        44,
        "one cell of a million rows, pyarrow",
        "pa.Table",
        'pa.table({"n": million(0)})',
        'pa.table({"n": million(1)})',
    ),
    Difference(45, "column rename, pandas", D, 'FRAME({"a": [1]})', 'FRAME({"b": [1]})'),
    Difference(45, "column rename, polars", "pl.DataFrame", 'pl.DataFrame({"a": [1]})', 'pl.DataFrame({"b": [1]})'),
    Difference(45, "column rename, pyarrow", "pa.Table", 'pa.table({"a": [1]})', 'pa.table({"b": [1]})'),
    Difference(45, "column rename, number for text", D, "FRAME({1: [1]})", 'FRAME({"1": [1]})'),
    Difference(45, "name of the columns", D, 'FRAME({"a": [1]})', 'FRAME({"a": [1]}).rename_axis(columns="x")'),
    Difference(46, "column order, pandas", D, 'FRAME({"a": [1], "b": [1]})', 'FRAME({"b": [1], "a": [1]})'),
    Difference(
        46,
        "column order, polars",
        "pl.DataFrame",
        'pl.DataFrame({"a": [1], "b": [1]})',
        'pl.DataFrame({"b": [1], "a": [1]})',
    ),
    Difference(47, "row order, pandas", D, 'FRAME({"a": [1, 2]}, index=[0, 0])', 'FRAME({"a": [2, 1]}, index=[0, 0])'),
    Difference(47, "row order, polars", "pl.DataFrame", 'pl.DataFrame({"a": [1, 2]})', 'pl.DataFrame({"a": [2, 1]})'),
    Difference(48, "index values", D, 'FRAME({"a": [1, 2]}, index=[0, 1])', 'FRAME({"a": [1, 2]}, index=[0, 2])'),
    Difference(
        48,
        "values of a second level",
        D,
        'FRAME({"a": [1]}, index=pd.MultiIndex.from_tuples([(0, "x")]))',
        'FRAME({"a": [1]}, index=pd.MultiIndex.from_tuples([(0, "y")]))',
    ),
    Difference(
        49,
        "index name",
        D,
        'FRAME({"a": [1]}, index=INDEX([0], name="i"))',
        'FRAME({"a": [1]}, index=INDEX([0], name="j"))',
    ),
    Difference(49, "index name, none", S, "SERIES([1], index=INDEX([5]))", 'SERIES([1], index=INDEX([5], name="i"))'),
    Difference(50, "RangeIndex to Index", D, 'FRAME({"a": [1, 2]})', 'FRAME({"a": [1, 2]}, index=INDEX([0, 1]))'),
    Difference(51, "int64 to int32, pandas", D, 'FRAME({"a": [1]}, dtype="int64")', 'FRAME({"a": [1]}, dtype="int32")'),
    Difference(51, "int64 to int32, numpy", A, 'ARRAY([1], dtype="int64")', 'ARRAY([1], dtype="int32")'),
    Difference(51, "int64 to Int64", D, 'FRAME({"a": [1]}, dtype="int64")', 'FRAME({"a": [1]}, dtype="Int64")'),
    Difference(
        51,
        "int64 to int32, index",
        D,
        'FRAME({"a": [1]}, index=INDEX([7], dtype="int64"))',
        'FRAME({"a": [1]}, index=INDEX([7], dtype="int32"))',
    ),
    Difference(52, "int to uint, pandas", D, 'FRAME({"a": [1]}, dtype="int64")', 'FRAME({"a": [1]}, dtype="uint64")'),
    Difference(52, "int to uint, numpy", A, 'ARRAY([1], dtype="int8")', 'ARRAY([1], dtype="uint8")'),
    Difference(
        52,
        "int to uint, polars",
        "pl.DataFrame",
        'pl.DataFrame({"a": [1]}, schema={"a": pl.Int64})',
        'pl.DataFrame({"a": [1]}, schema={"a": pl.UInt64})',
    ),
    Difference(
        53,
        "datetime unit, pandas",
        S,
        'SERIES(pd.to_datetime(TIMES)).astype("datetime64[s]")',
        'SERIES(pd.to_datetime(TIMES)).astype("datetime64[ns]")',
    ),
    Difference(
        53,
        "datetime unit, numpy",
        A,
        'ARRAY(["2026-03-01"], dtype="datetime64[D]")',
        'ARRAY(["2026-03-01"], dtype="datetime64[s]")',
    ),
    Difference(
        53,
        "datetime unit, index",
        D,
        'FRAME({"a": [1, 2]}, index=pd.to_datetime(TIMES).as_unit("s"))',
        'FRAME({"a": [1, 2]}, index=pd.to_datetime(TIMES).as_unit("ms"))',
    ),
    Difference(
        54,
        "time zone, same instant, pandas",
        S,
        f"SERIES({_ZONED.format('UTC')})",
        f"SERIES({_ZONED.format('Europe/Berlin')})",
    ),
    Difference(
        54,
        "time zone, same instant, index",
        D,
        f'FRAME({{"a": [1, 2]}}, index={_ZONED.format("UTC")})',
        f'FRAME({{"a": [1, 2]}}, index={_ZONED.format("Asia/Tokyo")})',
    ),
    Difference(
        54,
        "time zone, same instant, value",
        "dt.datetime",
        'NOON.replace(tzinfo=ZoneInfo("UTC"))',
        'NOON.replace(hour=13, tzinfo=ZoneInfo("Europe/Berlin"))',
    ),
    Difference(55, "category order", S, f"SERIES({_CATS.format(['a', 'b'])})", f"SERIES({_CATS.format(['b', 'a'])})"),
    Difference(
        55,
        "category order, index",
        D,
        f'FRAME({{"n": [1, 2]}}, index={_CATS.format(["a", "b"])})',
        f'FRAME({{"n": [1, 2]}}, index={_CATS.format(["b", "a"])})',
    ),
    Difference(
        55,
        "category order, polars",
        "pl.DataFrame",
        'pl.DataFrame({"a": ["x", "y"]}, schema={"a": pl.Enum(["x", "y"])})',
        'pl.DataFrame({"a": ["x", "y"]}, schema={"a": pl.Enum(["y", "x"])})',
    ),
    Difference(
        56, "ordered flag", S, 'SERIES(pd.Categorical(["a", "b"]))', 'SERIES(pd.Categorical(["a", "b"], ordered=True))'
    ),
    Difference(
        57, "unused category", S, f"SERIES({_CATS.format(['a', 'b'])})", f"SERIES({_CATS.format(['a', 'b', 'c'])})"
    ),
    Difference(
        58,
        "None and NaN apart",
        D,
        'FRAME({"a": SERIES([None, 1], dtype=object)})',
        'FRAME({"a": SERIES([np.nan, 1], dtype=object)})',
    ),
    Difference(
        58,
        "NaN and NA apart",
        D,
        'FRAME({"a": SERIES([np.nan, 1], dtype=object)})',
        'FRAME({"a": SERIES([pd.NA, 1], dtype=object)})',
    ),
    Difference(
        58,
        "NaN and null apart, polars",
        "pl.DataFrame",
        'pl.DataFrame({"a": [None]}, schema={"a": pl.Float64})',
        'pl.DataFrame({"a": [float("nan")]}, schema={"a": pl.Float64})',
    ),
    Difference(58, "None and NaN apart, value", "list[float | None]", "[None]", '[float("nan")]'),
    Difference(
        59,
        "text for a number, pandas",
        D,
        'FRAME({"a": SERIES(["1"], dtype=object)})',
        'FRAME({"a": SERIES([1], dtype=object)})',
    ),
    Difference(59, "text for a number, value", "list[int | str]", '["1"]', "[1]"),
    Difference(59, "text for a number, key", "dict[int | str, int]", '{"1": 2}', "{1: 2}"),
    Difference(59, "True for 1", "list[int | bool]", "[1]", "[True]"),
    Difference(59, "1.0 for 1, opaque", "list[Any]", "[1]", "[1.0]"),
    Difference(60, "signed zero, pandas", D, 'FRAME({"a": [0.0]})', 'FRAME({"a": [-0.0]})'),
    Difference(60, "signed zero, numpy", A, "ARRAY([0.0])", "ARRAY([-0.0])"),
    Difference(60, "signed zero, value", "float", "0.0", "-0.0"),
    Difference(60, "signed zero, metric", "fk.Metrics", "fk.Metrics(drift=0.0)", "fk.Metrics(drift=-0.0)"),
    Difference(61, "array shape", A, "np.arange(6).reshape(2, 3)", "np.arange(6).reshape(3, 2)"),
    Difference(61, "array shape, one more axis", A, "np.arange(6)", "np.arange(6).reshape(1, 6)"),
    Difference(61, "shape of nothing", A, "np.zeros((0, 3))", "np.zeros((3, 0))"),
    Difference(62, "Series name", S, 'SERIES([1], name="a")', 'SERIES([1], name="b")'),
    Difference(62, "Series name, none", S, "SERIES([1])", "SERIES([1], name=0)"),
    Difference(
        63,
        "a row under a duplicate index",
        D,
        'FRAME({"a": [1, 2]}, index=[5, 5])',
        'FRAME({"a": [1, 3]}, index=[5, 5])',
    ),
    Difference(64, "sparse against dense", D, 'FRAME({"a": [0, 1]})', 'FRAME({"a": pd.arrays.SparseArray([0, 1])})'),
    Difference(
        64,
        "what a sparse column leaves out",
        D,
        'FRAME({"a": pd.arrays.SparseArray([0, 1], fill_value=0)})',
        'FRAME({"a": pd.arrays.SparseArray([0, 1], fill_value=1)})',
    ),
    Difference(65, "tuple against list, value", "list[int] | tuple[int, ...]", "(1, 2)", "[1, 2]"),
    Difference(65, "tuple against list, inside", "dict[str, list[int] | tuple[int, ...]]", '{"a": (1,)}', '{"a": [1]}'),
    Difference(65, "tuple against list, opaque", "Any", "[(1, 2)]", "[[1, 2]]"),
    Difference(66, "equal __dict__, other class", "Any", "Plain(1)", "Alike(1)"),
    Difference(66, "equal fields, other dataclass", "Cat | Dog", 'Cat("a")', 'Dog("a")'),
    Difference(66, "equal value, other Enum", "Level | Grade", "Level.LOW", "Grade.LOW"),
    Difference(66, "equal fields, named and plain tuple", "Any", "[Point(1, 2)]", "[(1, 2)]"),
    Difference(68, "aware against naive datetime", "dt.datetime", "NOON", "NOON.replace(tzinfo=dt.timezone.utc)"),
    Difference(
        68,
        "aware against naive datetime, pandas",
        S,
        "SERIES(pd.to_datetime(TIMES))",
        "SERIES(pd.to_datetime(TIMES, utc=True))",
    ),
    Difference(69, "where texts are cut", "list[str]", '["ab", "c"]', '["a", "bc"]'),
    Difference(69, "where texts are cut, pandas", D, 'FRAME({"a": ["ab", "c"]})', 'FRAME({"a": ["a", "bc"]})'),
    Difference(69, "where numbers are cut", "list[int]", "[1, 1]", "[11]"),
    Difference(69, "where lists are cut", "list[list[int]]", "[[1], [2]]", "[[1, 2], []]"),
]
"""What a step gives: another value of its producer's must run its consumer."""

PARAMETERS = [
    Difference(59, "text for a number, parameter", "int | str", '"1"', "1"),
    Difference(59, "True for 1, parameter", "int | bool", "1", "True"),
    Difference(60, "signed zero, parameter", "float", "0.0", "-0.0"),
    Difference(51, "int64 to int32, parameter", A, 'ARRAY([1], dtype="int64")', 'ARRAY([1], dtype="int32")', "input"),
    Difference(45, "column rename, parameter", D, 'FRAME({"a": [1]})', 'FRAME({"b": [1]})', "input"),
    Difference(65, "tuple against list, parameter", "list[int] | tuple[int, ...]", "(1, 2)", "[1, 2]"),
    Difference(66, "equal fields, other dataclass, parameter", "Cat | Dog", 'Cat("a")', 'Dog("a")'),
    Difference(66, "equal value, other Enum, parameter", "Level | Grade", "Level.LOW", "Grade.LOW"),
    Difference(67, "Path against str", "Path | str", '"data/same.txt"', 'Path("data/same.txt")', "input"),
    Difference(67, "base name of a Path", "Path", 'Path("data/same.txt")', 'Path("data/equal.txt")', "input"),
    Difference(67, "base name of a folder", "Path", 'Path("data/folder")', 'Path("data/twin")', "input"),
    Difference(
        68, "aware against naive datetime, parameter", "dt.datetime", "NOON", "NOON.astimezone(dt.timezone.utc)"
    ),
    Difference(69, "where texts are cut, parameter", "tuple[str, ...]", '("ab", "c")', '("a", "bc")'),
    Difference(69, "where numbers are cut, parameter", "tuple[int, ...]", "(1, 1)", "(11,)"),
    Difference(70, "nested value", "dict[str, list[dict[str, int]]]", '{"a": [{"b": 1}]}', '{"a": [{"b": 2}]}'),
    Difference(70, "nested key", "dict[str, dict[str, int]]", '{"a": {"b": 1}}', '{"a": {"c": 1}}'),
    Difference(70, "one more element, deep inside", "list[list[list[int]]]", "[[[1]]]", "[[[1, 1]]]"),
    Difference(70, "a field of a dataclass in a list", "list[Cat]", '[Cat("a")]', '[Cat("b")]'),
    Difference(70, "scale of a Decimal", "Decimal", 'Decimal("1.0")', 'Decimal("1.00")'),
]
"""What the pipeline's text says: another value of a parameter must run its step."""
