"""Columns of Arrow arrays, and pyarrow tables.

A column's entry says how its data lies: `arrow` in canonical form, `dictionary` as codes and values with the order of
the values kept, `verbatim` where no canonical form is known. What type it was declared with is told beside it, by the
container that it belongs to.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from flowkit.codecs.tables_canonical import has_canonical_form, restore_type
from flowkit.codecs.tables_chunks import TableReader, TableWriter

if TYPE_CHECKING:
    import pyarrow as pa

Entry = dict[str, Any]


def encode_arrow(data: pa.ChunkedArray, writer: TableWriter) -> Entry:
    """Write a column of any Arrow type."""
    import pyarrow as pa

    kind = data.type
    if pa.types.is_dictionary(kind) and has_canonical_form(kind.value_type) and has_canonical_form(kind.index_type):
        codes, values = _unified(data)
        return {"as": "dictionary", "codes": writer.write(codes), "values": writer.write(values)}
    if has_canonical_form(kind):
        return {"as": "arrow", "data": writer.write(data)}
    whole = data if data.num_chunks else pa.chunked_array([pa.array([], kind)])
    return {"as": "verbatim", "data": writer.write_verbatim(whole)}


def decode_arrow(entry: Entry, kind: pa.DataType | None, reader: TableReader) -> pa.ChunkedArray:
    """Read a column as the type that it was declared with, or as it is stored where `kind` is None."""
    import pyarrow as pa

    if entry["as"] == "verbatim":
        return reader.read(entry["data"])
    if entry["as"] == "dictionary":
        return _decode_dictionary(entry, kind, reader)
    if kind is None:
        return reader.read(entry["data"])
    return pa.chunked_array([restore_type(chunk, kind) for chunk in reader.read(entry["data"]).chunks], kind)


def _decode_dictionary(entry: Entry, kind: pa.DataType | None, reader: TableReader) -> pa.ChunkedArray:
    stored = reader.read(entry["values"]).combine_chunks()
    values = stored if kind is None else restore_type(stored, kind.value_type)
    return join_dictionary(reader.read(entry["codes"]), values, ordered=kind is not None and kind.ordered)


def join_dictionary(codes: pa.ChunkedArray, values: pa.Array, *, ordered: bool) -> pa.ChunkedArray:
    """Return a dictionary column; one of no rows has a chunk too, which is what keeps its values."""
    import pyarrow as pa

    pieces = codes.chunks or [pa.array([], codes.type)]
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(piece, values, ordered=ordered, safe=False) for piece in pieces]
    )


def encode_arrow_table(table: pa.Table, writer: TableWriter) -> Entry:
    """Write a pyarrow table: each column with its field, and the schema's own metadata."""
    columns = []
    for field, data in zip(table.schema, table.columns, strict=True):
        writer.column = repr(field.name)
        columns.append({"label": field.name, "field": pack_field(field), **encode_arrow(data, writer)})
    metadata = table.schema.metadata or {}
    pairs = [[_text(name), _text(content)] for name, content in metadata.items()]
    return {"kind": "pyarrow.Table", "rows": table.num_rows, "columns": columns, "metadata": pairs}


def decode_arrow_table(manifest: Entry, reader: TableReader) -> pa.Table:
    """Read a pyarrow table."""
    import pyarrow as pa

    fields = [unpack_field(column["field"]) for column in manifest["columns"]]
    columns = [
        decode_arrow(column, field.type, reader) for column, field in zip(manifest["columns"], fields, strict=True)
    ]
    metadata = {base64.b64decode(name): base64.b64decode(content) for name, content in manifest["metadata"]}
    schema = pa.schema(fields, metadata or None)
    if not columns:
        return _without_columns(manifest["rows"], schema)
    return pa.Table.from_arrays(columns, schema=schema)


def pack_field(field: pa.Field) -> str:
    """Return a field's name, type, nullability and metadata as text for a manifest."""
    import pyarrow as pa

    return _text(pa.schema([field]).serialize().to_pybytes())


def unpack_field(text: str) -> pa.Field:
    """Return the field that `pack_field` wrote."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text))).field(0)


def _without_columns(rows: int, schema: pa.Schema) -> pa.Table:
    """Return a table of rows without columns, which keeps the count of a selection of none."""
    import pyarrow as pa

    return pa.table({"c": pa.nulls(rows)}).replace_schema_metadata(schema.metadata).select([])


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _unified(data: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.Array]:
    """Return codes and values of a dictionary column whose chunks may have dictionaries of their own."""
    import pyarrow as pa

    kind = data.type
    if data.num_chunks > 1:
        data = data.unify_dictionaries()
    values = data.chunk(0).dictionary if data.num_chunks else pa.array([], kind.value_type)
    codes = [chunk.indices for chunk in data.chunks]
    return pa.chunked_array(codes, kind.index_type), values
