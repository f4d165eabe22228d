"""A table's manifest: read, selected from, described and compared, without the table's library or its data."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from flowkit.codecs.base import Buffer
from flowkit.codecs.tables_arrow import Entry, unpack_field
from flowkit.codecs.tables_chunks import leaves
from flowkit.codecs.tables_scalars import describe_scalar, dump_json, zone_name
from flowkit.errors import CodecError

VERSION = 1


class TableColumn(Struct, frozen=True):
    """A column as `artifact show` tells it; `bytes` is its data before any sharing."""

    name: str
    dtype: str
    bytes: int


class TableDescription(Struct, frozen=True):
    """A stored table: its kind, such as `pandas.DataFrame`, its rows, its index in words, and its columns."""

    kind: str
    rows: int
    index: str
    columns: tuple[TableColumn, ...]
    pickled: tuple[str, ...]


class TableDifference(Struct, frozen=True):
    """Names of the columns that differ between two tables, and whether order, rows' index or other facts differ."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    reordered: bool
    index_changed: bool
    facts_changed: bool


def dump_manifest(manifest: Entry) -> bytes:
    """Return the payload of a manifest."""
    return dump_json({"version": VERSION, **manifest})


def load_manifest(payload: Buffer) -> Entry:
    """Parse a payload.

    Raises:
        CodecError: It is none, or was written by another version of the format.
    """
    try:
        manifest: Entry = json.loads(bytes(payload).decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise CodecError.for_damaged("table", f"{type(error).__name__}: {error}") from error
    if not isinstance(manifest, dict):
        raise CodecError.for_damaged("table", "its manifest is no object")
    if manifest.get("version") != VERSION:
        raise CodecError.for_table_version(manifest.get("version"), VERSION)
    columns = manifest.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, dict) and "label" in column for column in columns):
        raise CodecError.for_damaged("table", "its manifest lists no columns")
    return manifest


def contains_pickle(payload: Buffer) -> bool:
    """Say whether reading the table would load pickled values."""
    return bool(load_manifest(payload).get("pickled"))


def select_columns(manifest: Entry, names: Iterable[Any]) -> Entry:
    """Return a manifest of some columns only, in the order of `names`; every column of a name that occurs twice.

    Args:
        manifest: A manifest of a whole table.
        names: Labels as the manifest has them: text for most columns.

    Raises:
        CodecError: A name is not that of a column.
    """
    columns = manifest["columns"]
    places: list[int] = []
    for name in names:
        found = [place for place, column in enumerate(columns) if _same_label(column["label"], name)]
        if not found:
            raise CodecError.for_missing_column(repr(name), ", ".join(_column_names(manifest)))
        places.extend(found)
    return {**manifest, "columns": [columns[place] for place in places], "places": places}


def describe_table(payload: Buffer) -> TableDescription:
    """Return a stored table's columns with their dtypes, its rows and its index."""
    manifest = load_manifest(payload)
    names = _column_names(manifest)
    columns = tuple(
        TableColumn(name, describe_dtype(column), sum(size for leaf in leaves(column) for _, size in leaf["chunks"]))
        for name, column in zip(names, manifest["columns"], strict=True)
    )
    index = _describe_index(manifest["index"]) if "index" in manifest else ""
    return TableDescription(manifest["kind"], manifest["rows"], index, columns, tuple(manifest.get("pickled", ())))


def compare_tables(before: Buffer, after: Buffer) -> TableDifference:
    """Return which columns were added, removed and changed, by name, between two stored tables."""
    return compare_manifests(load_manifest(before), load_manifest(after))


def compare_manifests(old: Entry, new: Entry) -> TableDifference:
    """Return the same for two parsed manifests."""
    old_columns, new_columns = columns_by_name(old), columns_by_name(new)
    common = [name for name in new_columns if name in old_columns]
    return TableDifference(
        added=tuple(name for name in new_columns if name not in old_columns),
        removed=tuple(name for name in old_columns if name not in new_columns),
        changed=tuple(name for name in common if old_columns[name] != new_columns[name]),
        reordered=common != [name for name in old_columns if name in new_columns],
        index_changed=old.get("index") != new.get("index"),
        facts_changed=_facts(old) != _facts(new),
    )


def describe_dtype(column: Entry) -> str:
    """Return a column's dtype as its own library would print it."""
    kind = column["as"]
    if "field" in column:
        return str(unpack_field(column["field"]).type)
    if kind in ("polars", "polars-objects"):
        return _describe_polars(column["dtype"]) if kind == "polars" else "Object"
    if kind in ("numpy", "masked", "pickled"):
        return str(column["dtype"])
    if kind == "zoned":
        return f"datetime64[{column['unit']}, {zone_name(column['zone'])}]"
    if kind == "string":
        return "str" if column["missing"] == "NaN" else "string"
    if kind == "sparse":
        return f"Sparse[{describe_dtype(column['values'])}, {describe_scalar(column['fill'])}]"
    if kind == "arrow-dtype":
        return f"{unpack_field(column['type']).type}[pyarrow]"
    return _describe_others(kind, column)


def _describe_others(kind: str, column: Entry) -> str:
    if kind == "period":
        return f"period[{column['freq']}]"
    if kind == "interval":
        return f"interval[{describe_dtype(column['left'])}, {column['closed']}]"
    return {"text": "object", "objects": "object", "categorical": "category"}[kind]


def _describe_polars(packed: list[Any]) -> str:
    name, *parts = packed
    if name in ("List", "Array"):
        return f"{name}({', '.join([_describe_polars(parts[0]), *map(str, parts[1:])])})"
    if name == "Struct":
        return f"Struct({', '.join(f'{field}: {_describe_polars(inner)}' for field, inner in parts)})"
    if name in ("Enum", "Categorical") or not parts:
        return str(name)
    return f"{name}({', '.join(str(part) for part in parts if part is not None)})"


def _describe_index(entry: Entry) -> str:
    if entry["class"] == "RangeIndex":
        return "RangeIndex({}, {}, {})".format(*entry["bounds"])
    if entry["class"] == "MultiIndex":
        return f"MultiIndex({', '.join(describe_scalar(name) for name in entry['names'])})"
    if entry["class"] == "pickled":
        return "pickled"
    return f"{entry['class']}({describe_dtype(entry['values'])})"


def _same_label(encoded: Any, name: Any) -> bool:
    """Compare exactly: 1, True and 1.0 are equal in Python, and different labels here."""
    return type(encoded) is type(name) and bool(encoded == name)


def _column_names(manifest: Entry) -> list[str]:
    return [describe_scalar(column["label"]) for column in manifest["columns"]]


def columns_by_name(manifest: Entry) -> dict[str, Entry]:
    """Return columns by name, later ones of one name numbered, without the name itself."""
    found: dict[str, Entry] = {}
    for column in manifest["columns"]:
        name = base = describe_scalar(column["label"])
        count = 1
        while name in found:
            count += 1
            name = f"{base}#{count}"
        found[name] = column
    return found


def _facts(manifest: Entry) -> Entry:
    """Return what belongs to the table as a whole; the segment only mirrors the columns."""
    beside = ("columns", "index", "segment", "rows", "pickled")
    return {name: value for name, value in manifest.items() if name not in beside}
