"""pandas DataFrames, Series and Index objects.

A frame is its columns in order, its two indexes, its attributes and its flags. What pandas keeps beside these (how
blocks are laid out, caches, who made it) is not content.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flowkit.codecs.tables_arrow import Entry
from flowkit.codecs.tables_chunks import TableReader, TableWriter
from flowkit.codecs.tables_pandas_arrays import decode_array, encode_array
from flowkit.codecs.tables_scalars import decode_scalar, encode_scalar

if TYPE_CHECKING:
    import pandas as pd

_MOST_BLOCKS = 100


def encode_frame(frame: pd.DataFrame, writer: TableWriter) -> Entry:
    """Write a DataFrame."""
    labels, columns = list(frame.columns), []
    for place, label in enumerate(labels):
        writer.column = repr(label)
        columns.append({"label": encode_scalar(label, writer), **encode_array(frame.iloc[:, place].array, writer)})
    writer.column = "of labels"
    return {
        "kind": "pandas.DataFrame",
        "columns": columns,
        "labels": _encode_labels(frame.columns, writer),
        **_encode_common(frame, writer),
    }


def decode_frame(manifest: Entry, reader: TableReader) -> pd.DataFrame:
    """Read a writable DataFrame; `manifest` may hold a selection of the columns that were stored."""
    frame = build_frame([decode_array(column, reader) for column in manifest["columns"]], _rows_index(manifest, reader))
    frame.columns = _decode_labels(manifest, reader)
    _restore_common(frame, manifest, reader)
    return frame


def encode_series(series: pd.Series[Any], writer: TableWriter) -> Entry:
    """Write a Series as a table of one column that carries its name."""
    writer.column = repr(series.name)
    column = {"label": encode_scalar(series.name, writer), **encode_array(series.array, writer)}
    return {"kind": "pandas.Series", "columns": [column], **_encode_common(series, writer)}


def decode_series(manifest: Entry, reader: TableReader) -> pd.Series[Any]:
    """Read a writable Series."""
    import pandas as pd

    (column,) = manifest["columns"]
    values, name = decode_array(column, reader), decode_scalar(column["label"], reader)
    index = _rows_index(manifest, reader)
    series: pd.Series[Any] = pd.Series(values, index=index, dtype=values.dtype, name=name, copy=False)
    _restore_common(series, manifest, reader)
    return series


def build_frame(arrays: Sequence[Any], index: pd.Index[Any]) -> pd.DataFrame:
    """Return a DataFrame over writable arrays without a copy, its columns numbered.

    Beyond `_MOST_BLOCKS` columns the arrays are joined into blocks, which copies: pandas warns of a fragmented frame,
    and works slowly, when a column is added to more.
    """
    import pandas as pd

    # A bare object array would be inferred to be text.
    columns = {
        place: pd.Series(values, index=index, dtype=object, copy=False) if values.dtype == object else values
        for place, values in enumerate(arrays)
    }
    frame = pd.DataFrame(columns, index=index, copy=False)
    return frame.copy() if len(arrays) > _MOST_BLOCKS else frame


def encode_index(index: pd.Index[Any], writer: TableWriter) -> Entry:
    """Write an index: a range by its bounds, a MultiIndex by levels in use and codes, others by their values."""
    import pandas as pd

    if type(index) is pd.RangeIndex:
        bounds = [int(index.start), int(index.stop), int(index.step)]
        return {"class": "RangeIndex", "name": encode_scalar(index.name, writer), "bounds": bounds}
    if type(index) is pd.MultiIndex:
        return _encode_multi_index(index, writer)
    if type(index).__name__ not in _CLASSES or not type(index).__module__.startswith("pandas"):
        return {"class": "pickled", "content": encode_scalar(index, writer)}
    freq = getattr(index, "freq", None) if type(index).__name__ in _REGULAR else None
    return {
        "class": type(index).__name__,
        "name": encode_scalar(index.name, writer),
        "freq": encode_scalar(freq, writer),
        "values": encode_array(index.array, writer),
    }


def decode_index(entry: Entry, reader: TableReader) -> pd.Index[Any]:
    """Read an index."""
    import pandas as pd

    if entry["class"] == "RangeIndex":
        start, stop, step = entry["bounds"]
        return pd.RangeIndex(start, stop, step, name=decode_scalar(entry["name"], reader))
    if entry["class"] == "MultiIndex":
        return _decode_multi_index(entry, reader)
    if entry["class"] == "pickled":
        pickled: pd.Index[Any] = decode_scalar(entry["content"], reader)
        return pickled
    values = decode_array(entry["values"], reader)
    index: Any = pd.Index(values, dtype=values.dtype, name=decode_scalar(entry["name"], reader), copy=False)
    if entry["freq"] is not None:
        index.freq = decode_scalar(entry["freq"], reader)
    found: pd.Index[Any] = index
    return found


_CLASSES = {"Index", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "CategoricalIndex", "IntervalIndex"}
_REGULAR = {"DatetimeIndex", "TimedeltaIndex"}


def is_default_index(entry: Entry, rows: int) -> bool:
    """Say whether an index only counts the rows from 0, and has no name."""
    return entry["class"] == "RangeIndex" and entry["bounds"] == [0, rows, 1] and entry["name"] is None


def _encode_multi_index(index: pd.MultiIndex, writer: TableWriter) -> Entry:
    import pyarrow as pa

    used = index.remove_unused_levels()
    return {
        "class": "MultiIndex",
        "names": [encode_scalar(name, writer) for name in used.names],
        "levels": [encode_index(level.rename(None), writer) for level in used.levels],
        "codes": [writer.write(pa.array(codes, mask=codes == -1, from_pandas=False)) for codes in used.codes],
    }


def _decode_multi_index(entry: Entry, reader: TableReader) -> pd.MultiIndex:
    import numpy as np
    import pandas as pd

    levels: Any = [decode_index(level, reader) for level in entry["levels"]]
    codes: Any = [reader.read_numpy(leaf, np.dtype(_code_dtype(leaf, reader)), -1) for leaf in entry["codes"]]
    names = [decode_scalar(name, reader) for name in entry["names"]]
    return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)


def _code_dtype(leaf: Any, reader: TableReader) -> str:
    return f"i{reader.read(leaf).type.bit_width // 8}"


def _encode_common(value: pd.DataFrame | pd.Series[Any], writer: TableWriter) -> Entry:
    """Return what frames and series share: the rows' index, attributes and flags."""
    writer.column = "of the index"
    index = encode_index(value.index, writer)
    writer.column = "of .attrs"
    return {
        "rows": len(value.index),
        "index": index,
        "attrs": encode_scalar(dict(value.attrs), writer) if value.attrs else None,
        "duplicate_labels": bool(value.flags.allows_duplicate_labels),
    }


def _restore_common(value: Any, manifest: Entry, reader: TableReader) -> None:
    if manifest["attrs"] is not None:
        value.attrs = decode_scalar(manifest["attrs"], reader)
    if not manifest["duplicate_labels"]:
        value.flags.allows_duplicate_labels = False


def _rows_index(manifest: Entry, reader: TableReader) -> pd.Index[Any]:
    return decode_index(manifest["index"], reader)


def _encode_labels(index: pd.Index[Any], writer: TableWriter) -> Entry:
    """Write the index over the columns; one whose labels and dtype tell it whole needs no data of its own."""
    import pandas as pd

    plain = type(index) is pd.Index and (
        index.dtype == object or str(index.dtype) in ("str", "string") or index.dtype.kind in "biuf"
    )
    if plain and not isinstance(index.dtype, pd.ArrowDtype) and _is_rebuilt(index):
        return {"class": "labels", "name": encode_scalar(index.name, writer), "dtype": str(index.dtype)}
    return encode_index(index, writer)


def _is_rebuilt(index: pd.Index[Any]) -> bool:
    """Say whether an index's labels and the name of its dtype give the index again."""
    import pandas as pd

    again: Any = pd.Index(list(index), dtype=str(index.dtype), name=index.name, tupleize_cols=False)
    return bool(again.dtype == index.dtype and again.identical(index))


def _decode_labels(manifest: Entry, reader: TableReader) -> pd.Index[Any]:
    import pandas as pd

    entry = manifest["labels"]
    if entry["class"] == "labels":
        labels = [decode_scalar(column["label"], reader) for column in manifest["columns"]]
        name = decode_scalar(entry["name"], reader)
        rebuilt: pd.Index[Any] = pd.Index(labels, dtype=entry["dtype"], name=name, tupleize_cols=False)
        return rebuilt
    index = decode_index(entry, reader)
    return index.take(manifest["places"]) if "places" in manifest else index
