"""pandas, polars and pyarrow tables, stored by column.

The payload is a canonical JSON manifest: for each column its label, its dtype and the digests of its chunks, and the
facts of its container (index, attributes, flags, schema metadata). Where chunks lie is the store's matter. Equal
content gives equal bytes, whatever views, slices, chunking or garbage below nulls it came with.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flowkit.codecs.base import Encoded, Stored, digest_payload
from flowkit.codecs.hints import origins, type_name
from flowkit.codecs.tables_arrow import Entry, decode_arrow_table, encode_arrow_table
from flowkit.codecs.tables_chunks import PicklePolicy, TableReader, TableWriter
from flowkit.codecs.tables_convert import (
    arrow_from_any,
    pandas_from_any,
    pandas_series_from_polars,
    polars_from_any,
    polars_series_from_pandas,
)
from flowkit.codecs.tables_export import export_table
from flowkit.codecs.tables_manifest import (
    TableColumn,
    TableDescription,
    TableDifference,
    compare_tables,
    contains_pickle,
    describe_table,
    dump_manifest,
    load_manifest,
    select_columns,
)
from flowkit.codecs.tables_pandas import decode_frame, decode_series, encode_frame, encode_series
from flowkit.codecs.tables_polars import (
    decode_polars_frame,
    decode_polars_series,
    encode_polars_frame,
    encode_polars_series,
)
from flowkit.codecs.tables_views import view_table
from flowkit.contracts import ColumnSelection
from flowkit.errors import CodecError

__all__ = [
    "TableCodec",
    "TableColumn",
    "TableDescription",
    "TableDifference",
    "compare_tables",
    "contains_pickle",
    "describe_table",
    "export_table",
    "table_kind",
]

_ENCODERS: dict[str, Callable[[Any, TableWriter], Entry]] = {
    "pandas.DataFrame": encode_frame,
    "pandas.Series": encode_series,
    "polars.DataFrame": encode_polars_frame,
    "polars.Series": encode_polars_series,
    "pyarrow.Table": encode_arrow_table,
}

_DECODERS: dict[tuple[str, str], Callable[[Entry, TableReader], Any]] = {
    ("pandas.DataFrame", "pandas.DataFrame"): decode_frame,
    ("pandas.DataFrame", "polars.DataFrame"): polars_from_any,
    ("pandas.DataFrame", "pyarrow.Table"): arrow_from_any,
    ("polars.DataFrame", "polars.DataFrame"): decode_polars_frame,
    ("polars.DataFrame", "pandas.DataFrame"): pandas_from_any,
    ("polars.DataFrame", "pyarrow.Table"): arrow_from_any,
    ("pyarrow.Table", "pyarrow.Table"): decode_arrow_table,
    ("pyarrow.Table", "pandas.DataFrame"): pandas_from_any,
    ("pyarrow.Table", "polars.DataFrame"): polars_from_any,
    ("pandas.Series", "pandas.Series"): decode_series,
    ("pandas.Series", "polars.Series"): polars_series_from_pandas,
    ("polars.Series", "polars.Series"): decode_polars_series,
    ("polars.Series", "pandas.Series"): pandas_series_from_polars,
}


class TableCodec:
    """Store tables by column.

    Args:
        pickle: Whether columns of Python objects without a stored form of their own may be pickled, and loaded.
    """

    format = "table"
    suffix = ".table"

    def __init__(self, pickle: PicklePolicy = "allow") -> None:
        self._policy = pickle

    def handles(self, value: Any) -> bool:
        """Say whether `value` is a table or a series; imports nothing."""
        return _container(type(value)) is not None

    def encode(self, value: Any, hint: Any) -> Encoded:
        """Encode a table.

        Raises:
            CodecError: It is no table, a column cannot be stored, or one needs pickle where that is denied.
        """
        container = _container(type(value))
        if container is None:
            raise CodecError.for_table_view(type_name(value), "a table")
        writer = TableWriter(self._policy)
        manifest = _ENCODERS[container](value, writer)
        segment, chunks = writer.finish()
        if segment is not None:
            manifest["segment"] = segment
        if writer.pickled:
            manifest["pickled"] = sorted(writer.pickled)
        payload = dump_manifest(manifest)
        digest = digest_payload(self.format, payload)
        return Encoded(self.format, digest, payload, self.suffix, chunks, tuple(sorted(writer.refers)))

    def decode(self, stored: Stored, hint: Any, folder: Path) -> Any:
        """Read a table as the kind that `hint` names; a hint that names none gives the kind that was stored.

        pandas tables are writable and their own; polars and pyarrow tables lie over the stored bytes.

        Raises:
            CodecError: The table cannot be given as that kind, or holds pickle where that is denied.
        """
        return self.decode_columns(stored, hint, None)

    def decode_columns(self, stored: Stored, hint: Any, columns: Iterable[str] | None) -> Any:
        """Read some columns of a table by name, or all; no data of other columns is opened in a large table.

        Raises:
            CodecError: As `decode`, or a column is not there.
        """
        names = None if columns is None else tuple(columns)
        return self._decode(stored, hint, lambda table: table if names is None else select_columns(table, names))

    def decode_view(self, stored: Stored, hint: Any, selection: ColumnSelection) -> Any:
        """Read what a filtering contract keeps of a table, from the view that counts in the key.

        Raises:
            CodecError: As `decode`.
        """
        return self._decode(stored, hint, lambda table: view_table(table, selection))

    def _decode(self, stored: Stored, hint: Any, select: Callable[[Entry], Entry]) -> Any:
        manifest = load_manifest(stored.payload)
        kind = manifest["kind"]
        wanted = _wanted_container(hint, kind)
        decode = _DECODERS.get((kind, wanted))
        if decode is None:
            raise CodecError.for_table_view(kind, wanted)
        reader = TableReader(stored, manifest, writable=wanted.startswith("pandas."), policy=self._policy)
        selected = select(manifest)
        reader.prepare(selected)
        return decode(selected, reader)


def table_kind(value: Any) -> str | None:
    """Return `pandas`, `polars` or `pyarrow` for a table or series, else None; imports nothing.

    Subclasses of the libraries' own classes, which may carry more than a table, are none; pandera's are.
    """
    container = _container(type(value))
    return None if container is None else container.partition(".")[0]


def _container(cls: type) -> str | None:
    """Return the name under which tables of exactly this class are stored."""
    if cls.__module__.partition(".")[0] == "pandera":
        cls = next(filter(_is_own, cls.__mro__), cls)
    if not _is_own(cls):
        return None
    return f"{cls.__module__.partition('.')[0]}.{cls.__name__}"


def _is_own(cls: type) -> bool:
    """Say whether a class is one of the libraries' tables, by identity with what they offer."""
    library = cls.__module__.partition(".")[0]
    module = sys.modules.get(library)
    return f"{library}.{cls.__name__}" in _ENCODERS and getattr(module, cls.__name__, None) is cls


def _wanted_container(hint: Any, stored: str) -> str:
    found = [_named_container(cls) for cls in origins(hint)]
    named = [container for container in found if container is not None]
    return stored if stored in named or not named else named[0]


def _named_container(cls: Any) -> str | None:
    """Return the container that a class in a hint names: the library's own, or one above it."""
    if not isinstance(cls, type):
        return None
    return next((f"{own.__module__.partition('.')[0]}.{own.__name__}" for own in cls.__mro__ if _is_own(own)), None)
