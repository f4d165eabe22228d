"""A table stored in pieces: the same artifact as the whole, and read back piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowkit.codecs.base import Chunk, Encoded
from flowkit.codecs.tables import TableCodec
from flowkit.codecs.tables_canonical import CHUNK_ROWS
from flowkit.codecs.tables_manifest import load_manifest
from flowkit.codecs.tables_partitions import divisions_of, partition_count, read_partition
from flowkit.codecs.tables_stream import TableStream
from flowkit.errors import PartitionError
from tests.codecs.memory_stored import MemoryStored


def stream(pieces: Sequence[pd.DataFrame]) -> Encoded:
    taken: list[Chunk] = []
    table = TableStream(lambda chunks: taken.extend(chunks) or chunks)  # type: ignore[func-returns-value]
    for piece in pieces:
        table.add(piece)
    return table.finish()


def cut(frame: pd.DataFrame, places: Sequence[int]) -> list[pd.DataFrame]:
    bounds = [0, *sorted(min(place, len(frame)) for place in places), len(frame)]
    return [frame.iloc[start:end] for start, end in itertools.pairwise(bounds)]


def wide(rows: int) -> pd.DataFrame:
    """Return a table with a column of every kind that comes in partitions."""
    counts = np.arange(rows)
    return pd.DataFrame(
        {
            "integer": counts,
            "float": np.where(counts % 3 == 0, np.nan, counts / 7),
            "flag": counts % 2 == 0,
            "text": pd.array([None if count % 5 == 0 else f"t{count % 11}" for count in counts], "string"),
            "category": pd.Categorical.from_codes(counts % 3, ["b", "a", "c"]),
            "moment": pd.date_range("2026-01-01", periods=rows, freq="s", tz="Europe/Berlin"),
            "nullable": pd.array([None if count % 4 == 0 else int(count) for count in counts], "Int64"),
            "span": pd.arrays.IntervalArray.from_breaks(np.arange(rows + 1)),
        }
    )


INDEXES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "range": lambda frame: frame,
    "part of a range": lambda frame: frame[frame.integer % 3 == 0],
    "moments": lambda frame: frame.set_index("moment"),
    "moments of a frequency": lambda frame: frame.set_index(pd.date_range("2026", periods=len(frame), freq="h")),
    "text": lambda frame: frame.set_index("text"),
    "categories": lambda frame: frame.set_index("category"),
    "named range": lambda frame: frame.rename_axis("row"),
    "no columns": lambda frame: frame[[]],
}


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(0, 60), places=st.lists(st.integers(0, 60), max_size=6), index=st.sampled_from(sorted(INDEXES)))
def test_where_pieces_end_does_not_count(rows: int, places: list[int], index: str) -> None:
    """However a table is cut, its manifest, its chunks and its digest are those of the whole."""
    frame = INDEXES[index](wide(rows))

    assert stream(cut(frame, places)) == TableCodec().encode(frame, None)


@pytest.mark.slow
@pytest.mark.parametrize("index", ["range", "part of a range", "moments of a frequency"])
@pytest.mark.parametrize("places", [[1], [CHUNK_ROWS], [CHUNK_ROWS - 1, CHUNK_ROWS + 1], [600_000, 2 * CHUNK_ROWS + 5]])
def test_where_pieces_end_does_not_count_across_chunks(places: list[int], index: str) -> None:
    """A table of several chunks has the digests of the whole too, although no more than a chunk's rows are held."""
    counts = np.arange(2 * CHUNK_ROWS + 100_000)
    frame = INDEXES[index](
        pd.DataFrame(
            {"integer": counts, "float": counts / 7, "category": pd.Categorical.from_codes(counts % 2, ["b", "a"])}
        )
    )

    streamed, whole = stream(cut(frame, places)), TableCodec().encode(frame, None)

    assert bytes(streamed.payload) == bytes(whole.payload)
    assert {chunk.digest for chunk in streamed.chunks} == {chunk.digest for chunk in whole.chunks}
    assert streamed.digest == whole.digest


@pytest.mark.slow
def test_a_large_table_of_few_bytes_is_one_segment_in_pieces_too() -> None:
    """Many rows of one value share their chunks: such a table is small, and stored as a small one."""
    frame = pd.DataFrame({"a": np.zeros(3 * CHUNK_ROWS, bool), "b": np.ones(3 * CHUNK_ROWS, bool)})

    assert stream(cut(frame, [CHUNK_ROWS // 2])) == TableCodec().encode(frame, None)


def test_rows_are_let_go_before_the_next_are_joined() -> None:
    """Chunks lie in the memory of their rows, all columns together: those of earlier rows are stored by then."""
    held: list[int] = []
    stored: list[Chunk] = []

    def keep(chunks: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
        stored.extend(chunks)
        held.append(len(stored))
        return tuple(Chunk(chunk.digest, chunk.size, b"") for chunk in chunks)

    table = TableStream(keep)
    for number in range(3):
        table.add(pd.DataFrame(np.random.default_rng(number).random((CHUNK_ROWS, 2)), columns=["a", "b"]))

    assert held == [2, 4]


def test_labels_that_count_each_piece_are_counted_on() -> None:
    """Pieces that number their own rows from 0, as readers of files give them, make one range."""
    frame = wide(10)
    pieces = [piece.reset_index(drop=True) for piece in cut(frame, [4, 7])]

    assert stream(pieces).digest == TableCodec().encode(frame, None).digest


def test_pieces_without_rows_do_not_count() -> None:
    """An empty piece changes nothing, also where its index is of another kind than the others'."""
    frame = wide(6).set_index("moment")
    empty = frame.iloc[:0].reset_index(drop=True)

    assert stream([empty, frame.iloc[:2], empty, frame.iloc[2:]]).digest == TableCodec().encode(frame, None).digest


def test_categories_in_another_order_are_brought_into_the_firsts() -> None:
    """The same categories in another order are the same dtype, and make one column."""
    first = pd.DataFrame({"c": pd.Categorical(["a", "b"], ["a", "b"])})
    second = pd.DataFrame({"c": pd.Categorical(["b", "a"], ["b", "a"])})
    whole = pd.concat([first, second], ignore_index=True)

    assert stream([first, second]).digest == TableCodec().encode(whole, None).digest


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (pd.DataFrame({"b": [1]}), "their columns"),
        (pd.DataFrame({"a": [1.5]}), "dtype of column 'a'"),
        (pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([(1, 2)])), "index of a dask DataFrame"),
    ],
)
def test_pieces_that_make_no_table_are_refused(second: pd.DataFrame, words: str) -> None:
    """Pieces that differ in columns, dtypes or kind of index are refused by what differs, with a remedy."""
    first = pd.DataFrame({"a": [1]}, index=pd.Index([7]))

    with pytest.raises(PartitionError, match=words) as refused:
        stream([first, second])
    assert refused.value.hint


@pytest.mark.slow
def test_a_table_is_read_back_piece_by_piece() -> None:
    """The partitions of a stored table, one after another, are the table; a selection opens only its columns."""
    counts = np.arange(CHUNK_ROWS + 50)
    frame = pd.DataFrame({"a": counts, "b": counts * 0.5, "c": pd.Categorical.from_codes(counts % 2, ["y", "x"])})
    stored: Any = MemoryStored(TableCodec().encode(frame, None))
    manifest = load_manifest(stored.payload)

    parts = [read_partition(stored, manifest, number, None, "allow") for number in range(partition_count(manifest))]

    assert [len(part) for part in parts] == [CHUNK_ROWS, 50]
    assert divisions_of(manifest) == (0, CHUNK_ROWS, CHUNK_ROWS + 49)
    assert pd.concat(parts).equals(frame)
    stored.opened.clear()
    pd.testing.assert_frame_equal(read_partition(stored, manifest, 1, ["b"], "allow"), frame.iloc[CHUNK_ROWS:][["b"]])
    assert len(stored.opened) == 1
