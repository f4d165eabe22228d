"""Which tables have one digest and which must differ."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from flowkit.codecs.tables import TableCodec
from flowkit.codecs.tables_chunks import SEGMENT_LIMIT
from flowkit.codecs.tables_manifest import load_manifest
from tests.codecs.tables_values import ARROW_ARRAYS, PANDAS_COLUMNS, PANDAS_INDEXES, POLARS_SERIES

CODEC = TableCodec()
BERLIN = pd.DatetimeIndex(["2020-01-01 12:00"], tz="Europe/Berlin")
NAN = float("nan")


def digest(value: Any) -> str:
    return CODEC.encode(value, object).digest


def frame(values: Any, **options: Any) -> pd.DataFrame:
    return pd.DataFrame({"a": values}, **options)


def objects(*values: Any) -> pd.DataFrame:
    return frame(pd.Series(values, dtype=object))


def category(values: list[str | None], categories: list[str], *, ordered: bool = False) -> pd.DataFrame:
    return frame(pd.Categorical(values, categories=categories, ordered=ordered))


def edited_cell() -> tuple[pd.DataFrame, pd.DataFrame]:
    before = frame(np.zeros(1_000_000))
    after = before.copy()
    after.iloc[765_432, 0] = np.nextafter(0, 1)
    return before, after


def with_attributes(**attributes: Any) -> pd.DataFrame:
    table = frame([1])
    table.attrs = attributes
    return table


def single_label(*, duplicates: bool) -> pd.DataFrame:
    table = frame([1])
    table.flags.allows_duplicate_labels = duplicates
    return table


MUST_DIFFER = {
    "one cell of a million rows": edited_cell(),
    "column renamed": (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    "column order": (pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [2], "a": [1]})),
    "row order": (frame([1, 2]), frame([2, 1])),
    "index values": (frame([1], index=[1]), frame([1], index=[2])),
    "index name": (frame([1], index=pd.Index([1], name="x")), frame([1], index=pd.Index([1], name="y"))),
    "range to index": (frame([1, 2]), frame([1, 2], index=pd.Index([0, 1]))),
    "range bounds": (frame([1, 2]), frame([1, 2], index=pd.RangeIndex(1, 3))),
    "int width": (frame(np.array([1], "i8")), frame(np.array([1], "i4"))),
    "int sign": (frame(np.array([1], "i8")), frame(np.array([1], "u8"))),
    "byte order": (frame(np.array([1], "<i4")), frame(np.array([1], ">i4"))),
    "datetime unit": (frame(BERLIN.as_unit("s")), frame(BERLIN.as_unit("ms"))),
    "time zone, same instant": (frame(BERLIN), frame(BERLIN.tz_convert("Europe/Paris"))),
    "aware and naive": (frame(BERLIN.tz_convert("UTC")), frame(BERLIN.tz_convert(None))),
    "category order": (category(["x"], ["x", "y"]), category(["x"], ["y", "x"])),
    "ordered flag": (category(["x"], ["x"]), category(["x"], ["x"], ordered=True)),
    "unused category": (category(["x"], ["x"]), category(["x"], ["x", "y"])),
    "None and NaN": (objects(None), objects(NAN)),
    "None and NA": (objects(None), objects(pd.NA)),
    "NaN and NA": (objects(NAN), objects(pd.NA)),
    "NaT and NA": (objects(pd.NaT), objects(pd.NA)),
    "NaN and null": (frame(np.array([NAN])), frame(pd.array([None], dtype="Float64"))),
    "polars NaN and null": (pl.DataFrame({"a": [NAN, 1.0]}), pl.DataFrame({"a": [None, 1.0]})),
    "arrow NaN and null": (pa.table({"a": [NAN, 1.0]}), pa.table({"a": pa.array([None, 1.0])})),
    "text and number": (objects("1"), objects(1)),
    "1 and True": (objects(1), objects(True)),
    "1 and 1.0": (objects(1), objects(1.0)),
    "1 and numpy 1": (objects(1), objects(np.int64(1))),
    "signed zero": (frame([0.0]), frame([-0.0])),
    "Series name": (pd.Series([1], name="a"), pd.Series([1], name="b")),
    "Series name, 1 and True": (pd.Series([1], name=1), pd.Series([1], name=True)),
    "Series and frame": (pd.Series([1], name="a"), frame([1])),
    "row under a duplicate index": (frame([1, 2], index=[0, 0]), frame([2, 1], index=[0, 0])),
    "sparse and dense": (frame(pd.arrays.SparseArray([0, 1])), frame([0, 1])),
    "sparse fill": (
        frame(pd.arrays.SparseArray([0, 1], fill_value=0)),
        frame(pd.arrays.SparseArray([0, 1], fill_value=1)),
    ),
    "str and object": (frame(pd.array(["a"], dtype="str")), objects("a")),
    "string missing": (frame(pd.array(["a"], dtype="str")), frame(pd.array(["a"], dtype="string"))),
    "string storage": (
        frame(pd.array(["a"], dtype=pd.StringDtype("python"))),
        frame(pd.array(["a"], dtype=pd.StringDtype("pyarrow"))),
    ),
    "label 1 and '1'": (pd.DataFrame([[1]], columns=[1]), pd.DataFrame([[1]], columns=["1"])),
    "label str and object": (
        pd.DataFrame([[1]], columns=pd.Index(["a"], dtype="str")),
        pd.DataFrame([[1]], columns=pd.Index(["a"], dtype=object)),
    ),
    "name of the columns": (
        pd.DataFrame([[1]], columns=pd.Index(["a"], name="x")),
        pd.DataFrame([[1]], columns=pd.Index(["a"])),
    ),
    "freq": (
        frame([1, 2], index=pd.date_range("2020", periods=2, freq="D")),
        frame([1, 2], index=pd.DatetimeIndex(pd.date_range("2020", periods=2, freq="D"), freq=None)),
    ),
    "attributes": (with_attributes(a=1), with_attributes(a=True)),
    "tuple and list": (objects((1,)), objects([1])),
    "flags": (single_label(duplicates=True), single_label(duplicates=False)),
    "interval side": (frame(pd.interval_range(0, 1, closed="left")), frame(pd.interval_range(0, 1, closed="right"))),
    "period": (
        frame(pd.period_range("2020", periods=1, freq="M")),
        frame(pd.period_range("2020", periods=1, freq="D")),
    ),
    "kinds": (pl.DataFrame({"a": [1]}), pa.table({"a": [1]})),
    "enum categories": (
        pl.DataFrame({"a": pl.Series(["x"], dtype=pl.Enum(["x"]))}),
        pl.DataFrame({"a": pl.Series(["x"], dtype=pl.Enum(["x", "y"]))}),
    ),
    "empty columns of two types": (
        pa.table({"a": pa.array([], pa.int8())}),
        pa.table({"a": pa.array([], pa.int16())}),
    ),
    "arrow string and large string": (
        pa.table({"a": pa.array(["x"])}),
        pa.table({"a": pa.array(["x"], pa.large_string())}),
    ),
    "arrow metadata": (pa.table({"a": [1]}), pa.table({"a": [1]}).replace_schema_metadata({"k": "v"})),
    "arrow nullability": (
        pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64())])),
        pa.table([[1]], schema=pa.schema([pa.field("a", pa.int64(), nullable=False)])),
    ),
    "dictionary order": (
        pa.table({"a": pa.DictionaryArray.from_arrays([0], ["x", "y"])}),
        pa.table({"a": pa.DictionaryArray.from_arrays([1], ["y", "x"])}),
    ),
    "list and its elements": (pa.table({"a": [[1], [2, 3]]}), pa.table({"a": [[1, 2], [3]]})),
    "null and empty list": (pa.table({"a": [[1], None]}), pa.table({"a": [[1], []]})),
    "null struct and struct of null": (pa.table({"a": [{"x": 1}, None]}), pa.table({"a": [{"x": 1}, {"x": None}]})),
}


@pytest.mark.parametrize("case", MUST_DIFFER)
def test_tables_that_differ_have_digests_that_differ(case: str) -> None:
    """Whatever a step could tell apart makes another artifact."""
    before, after = MUST_DIFFER[case]

    assert digest(before) != digest(after)


def test_no_two_tables_of_the_collection_share_a_digest() -> None:
    """Every dtype, index and type that the tests know of is another artifact."""
    frames = [frame(values) for values in PANDAS_COLUMNS.values()]
    indexed = [pd.DataFrame({"a": [1, 2]}, index=index) for index in PANDAS_INDEXES.values()]
    tables = [pa.table({"x": array}) for array in ARROW_ARRAYS.values()]
    every = [*frames, *indexed, *(series.to_frame() for series in POLARS_SERIES.values()), *tables]

    assert len({digest(each) for each in every}) == len(every)


def garbage(values: list[Any], kind: pa.DataType, hidden: Any) -> pa.Array:
    """Return an array whose null slots hold `hidden` in the value buffer."""
    full = pa.array([hidden if value is None else value for value in values], kind)
    bits = pa.array([value is not None for value in values]).buffers()[1]
    own = full.buffers()[1 : kind.num_buffers]
    return pa.Array.from_buffers(kind, len(full), [bits, *own], -1, children=_children(full))


def _children(array: pa.Array) -> list[pa.Array]:
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        return [array.values]
    if pa.types.is_struct(array.type):
        return [array.field(place) for place in range(array.type.num_fields)]
    return []


GARBAGE = {
    "int": (pa.int64(), [1, None, 3], 9),
    "bool": (pa.bool_(), [True, None, False], True),
    "decimal": (pa.decimal128(5), [1, None, 3], 9),
    "string": (pa.string(), ["a", None, "c"], "hidden"),
    "large binary": (pa.large_binary(), [b"a", None, b"c"], b"hidden"),
    "list": (pa.list_(pa.int8()), [[1], None, [2, 3]], [7, 7]),
    "fixed list": (pa.list_(pa.int8(), 2), [[1, 2], None, [2, 3]], [7, 7]),
    "struct": (pa.struct([("x", pa.int8())]), [{"x": 1}, None, {"x": 2}], {"x": 7}),
    "fixed binary": (pa.binary(3), [b"abc", None, b"def"], b"???"),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_below_nulls_does_not_count(case: str) -> None:
    """What lies in a null's slot is not content, for every layout."""
    kind, values, hidden = GARBAGE[case]
    clean, dirty = pa.array(values, kind), garbage(values, kind, hidden)

    assert dirty.to_pylist() == values
    assert digest(pa.table({"a": dirty})) == digest(pa.table({"a": clean}))


def test_garbage_below_a_nullable_mask_does_not_count() -> None:
    """pandas' nullable arrays keep values under their mask; those are not content."""
    mask = np.array([False, True])
    one, other = (pd.arrays.IntegerArray(np.array([1, hidden]), mask) for hidden in (0, 77))

    assert digest(frame(one)) == digest(frame(other))


MUST_MATCH = {
    "view and copy": (frame(np.arange(10.0)[::2]), frame(np.arange(10.0)[::2].copy())),
    "blocks": (pd.DataFrame(np.ones((2, 2)), columns=["a", "b"]), pd.DataFrame({"a": [1.0, 1.0], "b": [1.0, 1.0]})),
    "slice of rows": (frame([1, 2, 3]).iloc[:2], frame([1, 2])),
    "order of attributes": (with_attributes(a=1, b=2), with_attributes(b=2, a=1)),
    "levels out of use": (
        frame([1, 2, 3], index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("c", 3)])).iloc[:2],
        frame([1, 2], index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
    ),
    "chunks of a string column": (
        pd.concat([frame(pd.array(["a", None], dtype="str")), frame(pd.array(["b"], dtype="str"))], ignore_index=True),
        frame(pd.array(["a", None, "b"], dtype="str")),
    ),
    "interned strings": (objects("ab" * 2, "abab"), objects("".join(["ab", "ab"]), "abab")),
    "polars chunks": (pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})]), pl.DataFrame({"a": [1, 2]})),
    "polars slice": (pl.DataFrame({"a": ["x", "y", None]})[1:], pl.DataFrame({"a": ["y", None]})),
    "polars categories seen before": (
        pl.DataFrame({"a": pl.Series(["q", "p"], dtype=pl.Categorical)})[1:],
        pl.DataFrame({"a": pl.Series(["p"], dtype=pl.Categorical)}),
    ),
    "sliced list": (pa.table({"a": [[9], [1], None]}).slice(1), pa.table({"a": [[1], None]})),
    "sliced map": (
        pa.table({"a": pa.array([[("x", 1)], [("y", 2)]], pa.map_(pa.string(), pa.int8()))}).slice(1),
        pa.table({"a": pa.array([[("y", 2)]], pa.map_(pa.string(), pa.int8()))}),
    ),
    "run ends": (
        pa.table({"a": pa.RunEndEncodedArray.from_arrays([1, 2, 3], ["a", "a", "b"])}),
        pa.table({"a": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"])}),
    ),
    "dictionaries by chunk": (
        pa.table({"a": pa.chunked_array([pa.array(["x"]).dictionary_encode(), pa.array(["y"]).dictionary_encode()])}),
        pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}),
    ),
}


@pytest.mark.parametrize("case", MUST_MATCH)
def test_equal_tables_have_one_digest(case: str) -> None:
    """How a table lies in memory and how it came about is not content."""
    one, other = MUST_MATCH[case]

    assert digest(one) == digest(other)


def test_a_pickled_copy_has_the_same_digest() -> None:
    """What another process would receive is the same artifact (pandas' own pickle turns big-endian numbers native)."""
    for name in PANDAS_COLUMNS.keys() - {"big-endian"}:
        table = frame(PANDAS_COLUMNS[name])

        assert digest(pickle.loads(pickle.dumps(table))) == digest(table), name


PROGRAM = """
import sys
from tests.codecs.tables_values import ARROW_ARRAYS, PANDAS_COLUMNS, POLARS_SERIES
import pandas as pd, polars as pl, pyarrow as pa
from flowkit.codecs.tables import TableCodec
pl.Series([str(i) for i in range(int(sys.argv[1]))], dtype=pl.Categorical)
tables = [pd.DataFrame({"a": v}) for v in PANDAS_COLUMNS.values()] + [pa.table({"a": v}) for v in ARROW_ARRAYS.values()]
for table in tables + list(POLARS_SERIES.values()):
    print(TableCodec().encode(table, object).digest)
"""


@pytest.mark.slow
def test_digests_are_the_same_in_every_process() -> None:
    """Hash seeds, interning and what a process has seen before do not count."""
    printed = [
        subprocess.run(
            [sys.executable, "-c", PROGRAM, seed],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed in ("1", "22")
    ]

    assert len(printed[0]) > 80
    assert printed[0] == printed[1]


def column_chunks(table: Any, name: str) -> list[str]:
    manifest = load_manifest(CODEC.encode(table, object).payload)
    (column,) = [column for column in manifest["columns"] if column["label"] == name]
    return [chunk for chunk, _ in column["data"]["chunks"]]


def test_a_small_table_is_one_segment_with_digests_by_column() -> None:
    """However wide, a table below the limit is one chunk, and its manifest still tells columns apart."""
    table = pd.DataFrame({f"c{place}": [place] for place in range(50)})

    encoded = CODEC.encode(table, object)

    assert len(encoded.chunks) == 1
    assert encoded.chunks[0].size < SEGMENT_LIMIT
    assert column_chunks(table, "c3") == column_chunks(table.assign(c4=0), "c3")


def test_a_column_that_did_not_change_keeps_its_chunks() -> None:
    """Adding a column to a large table adds that column's chunks only."""
    table = pd.DataFrame({"a": np.arange(200_000), "b": np.arange(200_000.0)})

    before = {chunk.digest for chunk in CODEC.encode(table, object).chunks}
    after = {chunk.digest for chunk in CODEC.encode(table.assign(c=table.b + 1), object).chunks}

    assert before < after
    assert len(after - before) == 1


def test_a_table_that_grew_keeps_its_full_chunks() -> None:
    """Rows added at the end leave every full chunk as it was."""
    rows = (1 << 20) + 10
    before = column_chunks(frame(np.arange(rows)), "a")
    after = column_chunks(frame(np.arange(rows + 500)), "a")

    assert before[0] == after[0]
    assert before[1] != after[1]


def test_libraries_share_the_data_of_equal_columns() -> None:
    """The same numbers and text in pandas, polars and pyarrow are the same chunks."""
    values = {"n": [1, 2, 3], "s": ["a", "b", "c"]}
    frames = [pd.DataFrame(values), pl.DataFrame(values)]
    chunks = []
    for each in frames:
        manifest = load_manifest(CODEC.encode(each, object).payload)
        data = [column["data"].get("data", column["data"]) for column in manifest["columns"]]
        chunks.append([leaf["chunks"] for leaf in data])

    assert chunks[0] == chunks[1]


def test_a_date_is_no_datetime() -> None:
    """Dates as Python objects differ from midnight as a timestamp."""
    assert digest(objects(dt.date(2020, 1, 1))) != digest(objects(pd.Timestamp("2020-01-01")))
