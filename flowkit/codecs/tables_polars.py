"""polars DataFrames and Series.

A column is its Arrow data and its polars dtype. What polars numbers by process, as categoricals, or has no Arrow type
for is written as text and cast back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowkit.codecs.hints import type_name
from flowkit.codecs.tables_arrow import Entry, decode_arrow, encode_arrow
from flowkit.codecs.tables_chunks import TableReader, TableWriter
from flowkit.codecs.tables_elements import decode_elements, encode_elements
from flowkit.errors import CodecError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_MOST_DIGITS = 38
AS_TEXT = ("Categorical", "Enum", "Int128", "UInt128")


def encode_polars_frame(frame: pl.DataFrame, writer: TableWriter) -> Entry:
    """Write a polars DataFrame."""
    columns = [_encode_column(series, writer) for series in frame.get_columns()]
    return {"kind": "polars.DataFrame", "rows": frame.height, "columns": columns}


def decode_polars_frame(manifest: Entry, reader: TableReader) -> pl.DataFrame:
    """Read a polars DataFrame over the stored bytes."""
    import polars as pl

    if not manifest["columns"]:
        return without_columns(manifest["rows"])
    return pl.DataFrame([_decode_column(column, reader) for column in manifest["columns"]])


def without_columns(rows: int) -> pl.DataFrame:
    """Return a frame of rows without columns, where this polars can have one."""
    import polars as pl

    return pl.repeat(0, rows, dtype=pl.Int8, eager=True).to_frame("c").drop("c")


def encode_polars_series(series: pl.Series, writer: TableWriter) -> Entry:
    """Write a polars Series as a table of one column that carries its name."""
    return {"kind": "polars.Series", "rows": len(series), "columns": [_encode_column(series, writer)]}


def decode_polars_series(manifest: Entry, reader: TableReader) -> pl.Series:
    """Read a polars Series over the stored bytes."""
    (column,) = manifest["columns"]
    return _decode_column(column, reader)


def _encode_column(series: pl.Series, writer: TableWriter) -> Entry:
    import polars as pl
    import pyarrow as pa

    writer.column = repr(series.name)
    if series.dtype == pl.Object:
        items = series.to_list()
        names = sorted({type_name(item) for item in items})
        leaf = writer.write(encode_elements(items, writer))
        return {"label": series.name, "as": "polars-objects", "types": names, "data": leaf}
    try:
        stored = _stored_arrow(series)
    except (pl.exceptions.PolarsError, pa.ArrowInvalid) as error:
        raise CodecError.for_table_column(writer.column, str(series.dtype), str(error)) from error
    data = encode_arrow(stored, writer)
    return {"label": series.name, "as": "polars", "dtype": pack_dtype(series.dtype), "data": data}


def _decode_column(column: Entry, reader: TableReader) -> pl.Series:
    import polars as pl

    name = column["label"]
    if column["as"] == "polars-objects":
        return pl.Series(name, decode_elements(reader.read(column["data"]), reader), dtype=pl.Object)
    dtype = unpack_dtype(column["dtype"])
    data = decode_arrow(column["data"], None, reader)
    if _has_empty_array(column["dtype"]):
        # polars panics on Arrow's arrays of width 0.
        return pl.Series(name, data.to_pylist(), dtype=_text_instead(dtype)).cast(dtype)
    series = pl.Series(name, pl.from_arrow(data))
    if series.dtype == dtype and not _needs_text(dtype):
        return series
    stored = _text_instead(dtype)
    return series.cast(stored).cast(dtype)


def _stored_arrow(series: pl.Series) -> pa.ChunkedArray:
    """Return a series as Arrow data that equal series share."""
    import polars as pl
    import pyarrow as pa

    oldest = pl.CompatLevel.oldest()
    if isinstance(series.dtype, pl.Enum):
        codes = series.to_physical().to_arrow(compat_level=oldest)
        categories = series.dtype.categories.to_arrow(compat_level=oldest)
        return pa.chunked_array([pa.DictionaryArray.from_arrays(codes, categories, safe=False)])
    stored = _text_instead(series.dtype)
    data = (series.cast(stored) if _needs_text(series.dtype) else series).to_arrow(compat_level=oldest)
    if isinstance(series.dtype, pl.Categorical):
        # In the order of first appearance: the codes polars has depend on what else the process has seen.
        data = data.dictionary_encode()
    return pa.chunked_array([data])


def pack_dtype(dtype: Any) -> list[Any]:
    """Return a polars dtype as JSON: its name and what it is made of."""
    name = dtype.base_type().__name__
    return [name, *_PACK.get(name, lambda _: [])(dtype)]


def unpack_dtype(packed: list[Any]) -> Any:
    """Return the polars dtype that `pack_dtype` wrote."""
    import polars as pl

    name, *parts = packed
    if name in _UNPACK:
        return _UNPACK[name](pl, parts)
    kind = getattr(pl, name) if isinstance(name, str) and name.isidentifier() else None
    # The name is the manifest's word: nothing else that polars has, such as a function that reads files, is called.
    if not (isinstance(kind, type) and issubclass(kind, pl.DataType)):
        raise CodecError.for_damaged("table", f"{name!r} is no polars dtype")
    return kind(*parts)


def _pack_categorical(dtype: Any) -> list[Any]:
    categories = getattr(dtype, "categories", None)
    if categories is None or categories.is_global():
        return []
    return [categories.name(), categories.namespace(), str(categories.physical())]


def _unpack_categorical(pl: Any, parts: list[Any]) -> Any:
    if not parts:
        return pl.Categorical()
    name, namespace, physical = parts
    return pl.Categorical(pl.Categories(name, namespace=namespace, physical=getattr(pl, physical)))


_PACK: dict[str, Callable[[Any], list[Any]]] = {
    "Datetime": lambda dtype: [dtype.time_unit, dtype.time_zone],
    "Duration": lambda dtype: [dtype.time_unit],
    "Decimal": lambda dtype: [dtype.precision or _MOST_DIGITS, dtype.scale],
    "List": lambda dtype: [pack_dtype(dtype.inner)],
    "Array": lambda dtype: [pack_dtype(dtype.inner), dtype.size],
    "Struct": lambda dtype: [[field.name, pack_dtype(field.dtype)] for field in dtype.fields],
    "Enum": lambda dtype: dtype.categories.to_list(),
    "Categorical": _pack_categorical,
}

_UNPACK: dict[str, Callable[[Any, list[Any]], Any]] = {
    "List": lambda pl, parts: pl.List(unpack_dtype(parts[0])),
    "Array": lambda pl, parts: pl.Array(unpack_dtype(parts[0]), parts[1]),
    "Struct": lambda pl, parts: pl.Struct([pl.Field(name, unpack_dtype(inner)) for name, inner in parts]),
    "Enum": lambda pl, parts: pl.Enum(parts),
    "Categorical": _unpack_categorical,
}


def dtype_needs_text(packed: list[Any]) -> bool:
    """Say whether a packed dtype, or one inside it, is kept as text."""
    name, *parts = packed
    if name in AS_TEXT:
        return True
    if name in ("List", "Array"):
        return dtype_needs_text(parts[0])
    return name == "Struct" and any(dtype_needs_text(inner) for _, inner in parts)


def _has_empty_array(packed: list[Any]) -> bool:
    name, *parts = packed
    if name in ("List", "Array"):
        return parts[1:] == [0] or _has_empty_array(parts[0])
    return name == "Struct" and any(_has_empty_array(inner) for _, inner in parts)


def _needs_text(dtype: Any) -> bool:
    return dtype_needs_text(pack_dtype(dtype))


def _text_instead(dtype: Any) -> Any:
    """Return the dtype with text in the place of what is kept as text."""
    return unpack_dtype(_packed_text(pack_dtype(dtype)))


def _packed_text(packed: list[Any]) -> list[Any]:
    name, *parts = packed
    if name in AS_TEXT:
        return ["String"]
    if name in ("List", "Array"):
        return [name, _packed_text(parts[0]), *parts[1:]]
    if name == "Struct":
        return [name, *([field, _packed_text(inner)] for field, inner in parts)]
    return packed
