"""Tables come back as they went in, and what comes back has the same digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.codecs.tables import TableCodec
from flowkit.codecs.tables_chunks import SEGMENT_LIMIT
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.tables_values import ARROW_ARRAYS, PANDAS_COLUMNS, PANDAS_INDEXES, POLARS_SERIES

CODEC = TableCodec()
NOWHERE = Path("unused")


def round_trip(value: Any, hint: Any = object) -> Any:
    """Return decode(encode(value)), having seen that it is a fixpoint."""
    encoded = CODEC.encode(value, hint)
    decoded = CODEC.decode(MemoryStored(encoded), hint, NOWHERE)
    assert CODEC.encode(decoded, hint).digest == encoded.digest
    return decoded


def assert_same_frame(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(actual, expected, check_exact=True, check_freq=True)
    assert actual.index.identical(expected.index)
    assert actual.columns.identical(expected.columns)
    assert actual.dtypes.tolist() == expected.dtypes.tolist()


@pytest.mark.parametrize("name", PANDAS_COLUMNS)
def test_a_pandas_column_comes_back_with_its_dtype(name: str) -> None:
    """Every dtype of pandas round-trips in a frame, with its values and missing values, and no rows too."""
    frame = pd.DataFrame({"c": PANDAS_COLUMNS[name]})

    assert_same_frame(round_trip(frame), frame)
    assert_same_frame(round_trip(frame.iloc[:0]), frame.iloc[:0])
    series = frame["c"].rename(("a", 1))
    pd.testing.assert_series_equal(round_trip(series), series, check_exact=True)


# pandas itself cannot assign into sparse columns, nor a list into a column of Arrow lists.
READ_ONLY_IN_PANDAS = {"sparse", "sparse blocks", "sparse bool", "arrow list"}


@pytest.mark.parametrize("name", sorted(PANDAS_COLUMNS.keys() - READ_ONLY_IN_PANDAS))
def test_a_pandas_consumer_may_write_into_what_it_got(name: str) -> None:
    """Every column is writable at once, and what is written does not reach the stored bytes."""
    encoded = CODEC.encode(pd.DataFrame({"c": PANDAS_COLUMNS[name]}), object)
    stored = MemoryStored(encoded)
    frame = CODEC.decode(stored, pd.DataFrame, NOWHERE)

    frame.iloc[0, 0] = frame.iloc[1, 0]

    again = CODEC.decode(stored, pd.DataFrame, NOWHERE)
    assert CODEC.encode(again, object).digest == encoded.digest
    assert CODEC.encode(frame, object).digest != encoded.digest


@pytest.mark.parametrize("name", PANDAS_INDEXES)
def test_a_pandas_index_comes_back_as_it_was(name: str) -> None:
    """Class, dtype, names, bounds and freq of an index survive, over rows and over columns."""
    index = PANDAS_INDEXES[name]
    by_rows = pd.DataFrame({"v": [1, 2]}, index=index)
    by_columns = pd.DataFrame([[1, 2.5]], columns=index)

    assert_same_frame(round_trip(by_rows), by_rows)
    assert_same_frame(round_trip(by_columns), by_columns)
    assert [type(label) for label in round_trip(by_columns).columns] == [type(label) for label in index]
    series = pd.Series([1, 2], index=index, name=index[0])
    pd.testing.assert_series_equal(round_trip(series), series)
    assert type(round_trip(series).name) is type(series.name)


def test_attributes_and_flags_of_a_frame_survive() -> None:
    """`attrs`, with the types inside, and the flag against duplicate labels come back."""
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = {"unit": ("m", [2, np.float32(1.5)], {"z": None, 1: b"x"}), "nan": float("inf")}
    frame.flags.allows_duplicate_labels = False

    again = round_trip(frame)

    assert again.attrs == frame.attrs
    assert type(again.attrs["unit"][1][1]) is np.float32
    assert not again.flags.allows_duplicate_labels


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=["a", "b"]),
        pd.DataFrame(columns=["a"]),
        pd.DataFrame([[1]], columns=pd.Index(["\udc80"], dtype=object)),
        pd.DataFrame({f"c{place}": np.arange(3.0) for place in range(150)}),
        pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"]),
    ],
    ids=["empty", "rows only", "columns only", "surrogate label", "wide", "duplicate labels"],
)
def test_frames_of_odd_shapes_round_trip(frame: pd.DataFrame) -> None:
    """No columns, no rows, many columns and labels that are no Unicode all come back."""
    assert_same_frame(round_trip(frame), frame)


def test_a_wide_frame_is_not_fragmented() -> None:
    """A frame of many columns comes back in blocks: adding a column does not make pandas warn."""
    frame = round_trip(pd.DataFrame(np.zeros((2, 300)), columns=[f"c{place}" for place in range(300)]))

    frame["more"] = 1

    assert frame.shape == (2, 301)


@pytest.mark.parametrize("name", POLARS_SERIES)
def test_polars_values_come_back_with_their_dtype(name: str) -> None:
    """Every dtype of polars round-trips, as a series and in a frame."""
    series = POLARS_SERIES[name]

    polars.testing.assert_series_equal(round_trip(series), series)
    polars.testing.assert_frame_equal(round_trip(series.to_frame()), series.to_frame())
    polars.testing.assert_series_equal(round_trip(series.clear()), series.clear())


@pytest.mark.parametrize("frame", [pl.DataFrame(), pl.DataFrame(height=3)], ids=["empty", "rows only"])
def test_a_polars_frame_without_columns_keeps_its_height(frame: pl.DataFrame) -> None:
    """Rows are counted where there are no columns to count."""
    assert round_trip(frame).shape == frame.shape


def test_polars_objects_round_trip() -> None:
    """A column of Python objects is pickled element by element."""
    items = [{"a"}, 1, None]

    assert round_trip(pl.Series("x", items, dtype=pl.Object)).to_list() == items


@pytest.mark.parametrize("name", ARROW_ARRAYS)
def test_a_pyarrow_column_comes_back_with_its_type(name: str) -> None:
    """Every Arrow type round-trips, also sliced and in several chunks, with field and schema metadata."""
    array = ARROW_ARRAYS[name]
    schema = pa.schema([pa.field("x", array.type, metadata={"k": "v"})], metadata={"m": "n"})
    for data in (pa.chunked_array([array], array.type), pa.chunked_array([array, array], array.type).slice(1)):
        table = pa.table([data], schema=schema)

        again = round_trip(table)

        again.validate(full=True)
        assert again.schema.equals(table.schema, check_metadata=True)
        assert again.to_pylist() == table.to_pylist()


def test_a_pyarrow_table_without_columns_keeps_its_rows() -> None:
    """A selection of no columns still counts its rows."""
    assert round_trip(pa.table({"a": [1, 2]}).select([])).num_rows == 2


def test_columns_of_several_chunks_round_trip() -> None:
    """Rows beyond one chunk, and data beyond one segment, come back whole."""
    rows = (1 << 20) + 7
    frame = pd.DataFrame(
        {
            "f": np.arange(rows, dtype=float),
            "t": pd.date_range("2020", periods=rows, freq="s").where(np.arange(rows) % 5 > 0),
            "n": pd.array(np.arange(rows), dtype="Int64"),
            "b": np.arange(rows) % 3 == 0,
            "s": pd.Series(["a", "bb", None]).take(np.arange(rows) % 3).to_numpy(),
        }
    )

    encoded = CODEC.encode(frame, object)

    assert encoded.bytes > SEGMENT_LIMIT
    assert_same_frame(round_trip(frame), frame)


def test_pandas_columns_of_one_chunk_lie_over_the_stored_map() -> None:
    """A numeric column is not copied: what the store maps is what the frame holds."""
    rows = 1 << 18
    encoded = CODEC.encode(pd.DataFrame({"f": np.arange(rows, dtype=float)}), object)
    maps: list[memoryview] = []

    class Watched(MemoryStored):
        def chunk(self, digest: str, *, writable: bool = False) -> memoryview:
            maps.append(super().chunk(digest, writable=writable))
            return maps[-1]

    frame = CODEC.decode(Watched(encoded), pd.DataFrame, NOWHERE)
    frame.iloc[0, 0] = 1234.5

    assert np.frombuffer(maps[0], np.uint8).tobytes().find(np.float64(1234.5).tobytes()) > 0


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
    st.decimals(allow_nan=False),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CELLS, max_size=8))
def test_python_objects_round_trip_by_exact_type(items: list[Any]) -> None:
    """Any mix of plain objects in an object column keeps types and bits."""
    values = np.empty(len(items), object)
    values[:] = items
    frame = pd.DataFrame({"o": pd.Series(values, dtype=object)})

    again = round_trip(frame)["o"].tolist()

    assert [(type(item), repr(item)) for item in again] == [(type(item), repr(item)) for item in items]


ROWS = st.fixed_dictionaries(
    {
        "i": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
        "f": st.one_of(st.none(), st.floats()),
        "s": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)),
        "l": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.booleans()), max_size=3)),
        "d": st.one_of(st.none(), st.fixed_dictionaries({"x": st.one_of(st.none(), st.integers(0, 9))})),
    }
)
SCHEMA = pa.schema(
    {
        "i": pa.int64(),
        "f": pa.float64(),
        "s": pa.string(),
        "l": pa.list_(pa.bool_()),
        "d": pa.struct({"x": pa.int8()}),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, max_size=20), st.data())
def test_slices_and_chunks_do_not_count(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    """A table, the same rows in other chunks, and the same rows as a slice of more have one digest."""
    table = pa.Table.from_pylist(rows, SCHEMA)
    cut = data.draw(st.integers(0, len(rows)))
    before = pa.Table.from_pylist(data.draw(st.lists(ROWS, max_size=9)), SCHEMA)
    in_chunks = pa.concat_tables([table.slice(0, cut), table.slice(cut)])
    in_slice = pa.concat_tables([before, table, before]).combine_chunks().slice(len(before), len(rows))

    digests = {CODEC.encode(each, pa.Table).digest for each in (table, in_chunks, in_slice)}

    assert len(digests) == 1
    assert round_trip(table).equals(table) or any(row["f"] != row["f"] for row in rows)
