"""A stored table read partition by partition: each row lies in one chunk of every column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flowkit.codecs.base import Stored
from flowkit.codecs.tables_arrow import Entry
from flowkit.codecs.tables_canonical import CHUNK_ROWS
from flowkit.codecs.tables_chunks import PicklePolicy, TableReader
from flowkit.codecs.tables_convert import pandas_from_any
from flowkit.codecs.tables_manifest import select_columns
from flowkit.codecs.tables_pandas import decode_frame
from flowkit.codecs.tables_pieces import DATA, PLAIN
from flowkit.errors import CodecError

if TYPE_CHECKING:
    import pandas as pd


def read_partition(
    stored: Stored, manifest: Entry, number: int, columns: Sequence[Any] | None, policy: PicklePolicy
) -> pd.DataFrame:
    """Read one partition of a table, or some columns of it, as a writable pandas frame.

    Args:
        stored: The table's artifact.
        manifest: Its manifest, parsed.
        number: Which partition, from 0.
        columns: Labels of the columns, all if None.
        policy: Whether pickled values may be loaded.

    Raises:
        CodecError: It is no table of rows and columns, or holds pickle where that is denied.
        LostArtifactError: A chunk is gone or damaged.
    """
    reader = TableReader(stored, manifest, writable=True, policy=policy)
    part = _cut(manifest, number) if is_divisible(manifest) else manifest
    if columns is not None:
        part = select_columns(part, columns)
    if manifest["kind"] == "pandas.DataFrame":
        return decode_frame(part, reader)
    if manifest["kind"].endswith(".Series"):
        raise CodecError.for_table_view(manifest["kind"], "dask.dataframe.DataFrame")
    return pandas_from_any(part, reader)


def is_divisible(manifest: Entry) -> bool:
    """Say whether a stored table can be read piece by piece: each row of it lies in one chunk of every column."""
    if manifest["kind"] != "pandas.DataFrame" or not all(map(_is_divisible_column, manifest["columns"])):
        return False
    index = manifest["index"]
    return index["class"] == "RangeIndex" or ("values" in index and _is_divisible_column(index["values"]))


def _is_divisible_column(entry: Entry) -> bool:
    if entry["as"] == "interval":
        return _is_divisible_column(entry["left"]) and _is_divisible_column(entry["right"])
    return entry["as"] in PLAIN or (entry["as"] == "arrow-dtype" and entry["data"]["as"] == "arrow")


def partition_count(manifest: Entry) -> int:
    """Return into how many pieces a stored table can be cut: one at least."""
    return max(1, -(-manifest["rows"] // CHUNK_ROWS)) if is_divisible(manifest) else 1


def _cut(manifest: Entry, number: int) -> Entry:
    """Return the manifest of one piece of a divisible table; its data is that of the whole."""
    first = number * CHUNK_ROWS
    rows = min(CHUNK_ROWS, manifest["rows"] - first)
    columns = [_cut_column(column, number) for column in manifest["columns"]]
    return {**manifest, "columns": columns, "rows": rows, "index": _cut_index(manifest["index"], number, first, rows)}


def _cut_column(entry: Entry, number: int) -> Entry:
    if entry["as"] == "interval":
        return {**entry, **{side: _cut_column(entry[side], number) for side in ("left", "right")}}
    if entry["as"] == "arrow-dtype":
        inner = entry["data"]
        return {**entry, "data": {**inner, "data": _cut_leaf(inner["data"], number)}}
    return {**entry, **{name: _cut_leaf(entry[name], number) for name in DATA if name in entry}}


def _cut_leaf(leaf: Entry, number: int) -> Entry:
    return {"chunks": leaf["chunks"][number : number + 1]}


def _cut_index(entry: Entry, number: int, first: int, rows: int) -> Entry:
    if entry["class"] != "RangeIndex":
        return {**entry, "values": _cut_column(entry["values"], number)}
    start, _, step = entry["bounds"]
    return {**entry, "bounds": [start + first * step, start + (first + rows) * step, step]}


def divisions_of(manifest: Entry) -> tuple[int, ...] | None:
    """Return the first label of each piece and the last of all, where these are known to ascend; else None."""
    index, rows = manifest["index"], manifest["rows"]
    if index["class"] != "RangeIndex" or index["bounds"][2] <= 0 or rows == 0:
        return None
    start, _, step = index["bounds"]
    firsts = [start + number * CHUNK_ROWS * step for number in range(partition_count(manifest))]
    return (*firsts, start + (rows - 1) * step)
