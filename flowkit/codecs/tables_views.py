"""A stored table as a step behind a filtering contract sees it: some of its columns, and what belongs to all of them.

A view is a manifest like the table's own, so what is decoded and what counts in a key are the same thing: two tables
whose views are equal give equal values. Needs neither the table's library nor its data.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any

from blake3 import blake3

from flowkit.codecs.base import Buffer
from flowkit.codecs.tables_arrow import Entry
from flowkit.codecs.tables_manifest import load_manifest
from flowkit.codecs.tables_scalars import dump_json
from flowkit.contracts import ColumnSelection
from flowkit.records import Digest

_DOMAIN = b"flowkit table view 1\0"
_STORAGE = ("segment", "pickled")
"""What a manifest says of the table as it is stored: other columns decide on it, and it changes no value."""

_PANDAS = base64.b64encode(b"pandas").decode("ascii")
"""The name, as a manifest has it, under which a pyarrow table keeps what pandas needs to know of its columns."""


def view_table(manifest: Entry, selection: ColumnSelection) -> Entry:
    """Return a manifest of the columns that a contract keeps; the manifest as it is where the whole table counts."""
    view = _view(manifest, selection)
    return manifest if view is None else view


def digest_view(payload: Buffer, selection: ColumnSelection) -> Digest | None:
    """Return the digest of all that a step sees of a table; None where it is given the whole of it.

    Kind, rows, the selected columns with their order, index, attributes and flags count; other columns do not.
    """
    view = _view(load_manifest(payload), selection)
    if view is None:
        return None
    seen = {name: value for name, value in view.items() if name not in _STORAGE}
    return blake3(_DOMAIN + dump_json(seen)).hexdigest()


def _view(manifest: Entry, selection: ColumnSelection) -> Entry | None:
    kind, columns = manifest["kind"], manifest["columns"]
    if kind.endswith(".Series") or (kind == "pandas.DataFrame" and manifest["labels"]["class"] != "labels"):
        return None
    places = selection.choose([column["label"] for column in columns])
    if places is None:
        return None
    kept = [columns[place] for place in places]
    if kind != "pyarrow.Table":
        return {**manifest, "columns": kept}
    metadata = _metadata_of(manifest["metadata"], {column["label"] for column in kept})
    return None if metadata is None else {**manifest, "columns": kept, "metadata": metadata}


def _metadata_of(pairs: list[list[str]], names: Collection[str]) -> list[list[str]] | None:
    """Return a pyarrow table's metadata without what pandas left there on other columns.

    None where one of the columns is the index for pandas: it would be missed when the table becomes a DataFrame.
    """
    kept = []
    for name, content in pairs:
        if name != _PANDAS:
            kept.append([name, content])
            continue
        told = _read_json(content)
        if told is None or any(isinstance(index, str) for index in told.get("index_columns", ())):
            return None
        told["columns"] = [column for column in told.get("columns", ()) if column.get("field_name") in names]
        kept.append([name, base64.b64encode(dump_json(told)).decode("ascii")])
    return kept


def _read_json(content: str) -> dict[str, Any] | None:
    try:
        told = json.loads(base64.b64decode(content))
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
