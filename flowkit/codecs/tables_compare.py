"""Counts the values that differ between two states of a table, column by column; only these columns are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flowkit.codecs.base import Stored
from flowkit.codecs.tables_chunks import Leaf, TableReader, leaves
from flowkit.codecs.tables_manifest import columns_by_name, describe_dtype, load_manifest

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 5_000_000
"""Of longer tables no values are counted: reading their columns would take seconds."""


def count_differing(before: Stored, after: Stored, names: Iterable[str]) -> dict[str, int]:
    """Return how many values differ at the same place, for each of the columns where that can be told.

    It cannot where the number of rows, a column's dtype or the way it is stored differs, nor of categories and nested
    columns that are stored in several pieces.

    Args:
        before: The table then.
        after: The table now.
        names: Columns of both.

    Raises:
        CodecError: A manifest was written by another version of the format.
        LostArtifactError: Data of a column is gone or damaged.
    """
    old, new = load_manifest(before.payload), load_manifest(after.payload)
    if old["rows"] != new["rows"] or not 0 < old["rows"] <= MOST_ROWS:
        return {}
    readers = TableReader(before, old, writable=False), TableReader(after, new, writable=False)
    old_columns, new_columns = columns_by_name(old), columns_by_name(new)
    counts = {}
    for name in names:
        pair = old_columns[name], new_columns[name]
        pieces = [list(leaves(column)) for column in pair]
        if [len(found) for found in pieces] == [1, 1] and describe_dtype(pair[0]) == describe_dtype(pair[1]):
            counts[name] = _count(readers, (pieces[0][0], pieces[1][0]))
    return {name: count for name, count in counts.items() if count is not None}


def _count(readers: tuple[TableReader, TableReader], pieces: tuple[Leaf, Leaf]) -> int | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    old, new = (reader.read(piece) for reader, piece in zip(readers, pieces, strict=True))
    if old.type != new.type or len(old) != len(new):
        return None
    try:
        same = pc.fill_null(pc.equal(old, new), fill_value=False)
    except pa.ArrowNotImplementedError:
        # Such as lists: Arrow has no comparison of them.
        return None
    absent = pc.and_(_is_missing(old), _is_missing(new))
    return len(old) - int(pc.sum(pc.or_(same, absent)).as_py() or 0)


def _is_missing(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which values are null or NaN, of which none is equal to another."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.is_null(column, nan_is_null=pa.types.is_floating(column.type))
