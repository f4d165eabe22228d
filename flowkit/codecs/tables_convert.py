"""A stored table of one library as a table of another.

No value changes: what the wanted library has no type for is an error that names the column. A pandas default index
(0, 1, 2, … without a name) has no content and is left out; any other has no place outside pandas and is an error.
Integers and booleans with missing values become pandas' nullable dtypes, as floats would not hold them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowkit.codecs.tables_arrow import Entry, decode_arrow, decode_arrow_table, join_dictionary, unpack_field
from flowkit.codecs.tables_chunks import TableReader
from flowkit.codecs.tables_manifest import describe_dtype
from flowkit.codecs.tables_pandas import build_frame, is_default_index
from flowkit.codecs.tables_pandas_arrays import decode_array
from flowkit.codecs.tables_polars import without_columns
from flowkit.codecs.tables_scalars import describe_scalar, zone_name
from flowkit.errors import CodecError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_DIRECT = ("numpy", "masked", "string", "zoned", "text")


def arrow_from_any(manifest: Entry, reader: TableReader, wanted: str = "pyarrow.Table") -> pa.Table:
    """Read any stored table as a pyarrow Table; `wanted` is the kind that errors name."""
    import pyarrow as pa

    if manifest["kind"] == "pyarrow.Table":
        return decode_arrow_table(manifest, reader)
    if manifest["kind"].startswith("pandas."):
        _check_pandas(manifest, wanted)
    if not manifest["columns"]:
        return pa.table({"c": pa.nulls(manifest["rows"])}).select([])
    names = [_column_name(column) for column in manifest["columns"]]
    return pa.table([_column_as_arrow(column, reader, wanted) for column in manifest["columns"]], names=names)


def polars_from_any(manifest: Entry, reader: TableReader) -> pl.DataFrame:
    """Read a table stored by pandas or pyarrow as a polars DataFrame."""
    import polars as pl

    for column in manifest["columns"]:
        names = [other["label"] for other in manifest["columns"]]
        if names.count(column["label"]) > 1:
            raise CodecError.for_column_labels(describe_scalar(column["label"]), "polars.DataFrame")
    table = arrow_from_any(manifest, reader, "polars.DataFrame")
    if not table.num_columns:
        return without_columns(manifest["rows"])
    frame = pl.from_arrow(table)
    return frame if isinstance(frame, pl.DataFrame) else frame.to_frame()


def polars_series_from_pandas(manifest: Entry, reader: TableReader) -> pl.Series:
    """Read a Series stored by pandas as a polars Series; no name becomes the empty one."""
    import polars as pl

    (column,) = manifest["columns"]
    named = column if column["label"] is not None else {**column, "label": ""}
    table = arrow_from_any({**manifest, "columns": [named]}, reader, "polars.Series")
    return pl.Series(named["label"], pl.from_arrow(table.column(0)))


def pandas_from_any(manifest: Entry, reader: TableReader) -> pd.DataFrame:
    """Read a table stored by polars or pyarrow as a writable pandas DataFrame with a default index."""
    import pandas as pd

    table = arrow_from_any(manifest, reader, "pandas.DataFrame")
    arrays = [_pandas_values(column) for column in table.columns]
    frame = build_frame(arrays, pd.RangeIndex(manifest["rows"]))
    frame.columns = pd.Index(table.column_names, dtype=None if table.column_names else "str")
    return frame


def pandas_series_from_polars(manifest: Entry, reader: TableReader) -> pd.Series[Any]:
    """Read a Series stored by polars as a writable pandas Series with a default index."""
    frame = pandas_from_any(manifest, reader)
    series: pd.Series[Any] = frame.iloc[:, 0]
    return series


def _check_pandas(manifest: Entry, wanted: str) -> None:
    if not is_default_index(manifest["index"], manifest["rows"]):
        raise CodecError.for_table_index(manifest["index"]["class"], wanted)
    names = [_column_name(column) for column in manifest["columns"]]
    for column, name in zip(manifest["columns"], names, strict=True):
        if not isinstance(column["label"], str) or names.count(name) > 1:
            raise CodecError.for_column_labels(name, wanted)


def _column_name(column: Entry) -> str:
    return describe_scalar(column["label"])


def _column_as_arrow(column: Entry, reader: TableReader, wanted: str) -> pa.ChunkedArray:
    import pyarrow as pa

    kind = column["as"]
    if kind == "polars" and not _is_integer_text(column["dtype"]):
        return decode_arrow(column["data"], None, reader)
    if kind in _DIRECT and "elements" not in column and not column.get("dtype", "").startswith("complex"):
        data = reader.read(column["data"])
        return data.cast(pa.timestamp(column["unit"], zone_name(column["zone"]))) if kind == "zoned" else data
    if kind == "categorical":
        return _categorical_as_arrow(column, reader, wanted)
    if kind == "arrow-dtype":
        return decode_arrow(column["data"], unpack_field(column["type"]).type, reader)
    if kind in ("objects", "sparse"):
        return _values_as_arrow(column, reader, wanted)
    raise CodecError.for_column_view(_column_name(column), describe_dtype(column), wanted)


def _categorical_as_arrow(column: Entry, reader: TableReader, wanted: str) -> pa.ChunkedArray:
    categories = _column_as_arrow({**column["categories"], "label": column["label"]}, reader, wanted)
    return join_dictionary(reader.read(column["codes"]), categories.combine_chunks(), ordered=column["ordered"])


def _values_as_arrow(column: Entry, reader: TableReader, wanted: str) -> pa.ChunkedArray:
    """Convert Python objects and sparse values, where Arrow finds one type for them all."""
    import numpy as np
    import pyarrow as pa

    values = np.asarray(decode_array(column, reader))
    try:
        return pa.chunked_array([pa.array(values, from_pandas=False)])
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise CodecError.for_column_view(_column_name(column), describe_dtype(column), wanted) from error


def _is_integer_text(packed: list[Any]) -> bool:
    """Say whether a polars dtype holds 128-bit integers, which Arrow has no type for."""
    return "Int128" in str(packed)


def _pandas_values(column: pa.ChunkedArray) -> Any:
    import numpy as np
    import pyarrow as pa

    types = pa.types
    if column.null_count and (types.is_integer(column.type) or types.is_boolean(column.type)):
        return _nullable(column)
    series = column.to_pandas()
    if not isinstance(series.dtype, np.dtype):
        return series.array
    plain = series.array.to_numpy(copy=False)
    return plain if plain.flags.writeable else plain.copy()


def _nullable(column: pa.ChunkedArray) -> Any:
    import pandas as pd
    import pyarrow as pa

    name = "boolean" if pa.types.is_boolean(column.type) else str(column.type).capitalize().replace("Uint", "UInt")
    dtype: Any = pd.api.types.pandas_dtype(name)
    return dtype.__from_arrow__(column)
