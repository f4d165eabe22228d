"""A stored table as a file for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowkit.codecs.base import Stored
from flowkit.codecs.tables_chunks import PicklePolicy, TableReader
from flowkit.codecs.tables_convert import arrow_from_any
from flowkit.codecs.tables_manifest import load_manifest
from flowkit.codecs.tables_pandas import decode_frame, decode_series, is_default_index
from flowkit.errors import CodecError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SUFFIXES = (".parquet", ".csv")


def export_table(stored: Stored, path: Path, *, pickle: PicklePolicy = "allow") -> Path:
    """Write a stored table to `path` as Parquet or CSV, by its suffix, and return the path.

    A pandas index that is not the default one is written too. The file appears whole or not at all.

    Raises:
        CodecError: The suffix is another, the format cannot hold a column, or the file cannot be written.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise CodecError.for_table_export(str(path), f"the suffix is {path.suffix or 'missing'}")
    manifest = load_manifest(stored.payload)
    reader = TableReader(stored, manifest, writable=manifest["kind"].startswith("pandas."), policy=pickle)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        _write(manifest, reader, partial, path.suffix.lower())
        partial.replace(path)
    except (OSError, ValueError, TypeError, NotImplementedError) as error:
        # Arrow's own errors are of these classes.
        raise CodecError.for_table_export(str(path), str(error)) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _write(manifest: Any, reader: TableReader, path: Path, suffix: str) -> None:
    if not manifest["kind"].startswith("pandas."):
        return _write_arrow(arrow_from_any(manifest, reader), path, suffix)
    frame = _frame(manifest, reader)
    keep_index = not is_default_index(manifest["index"], manifest["rows"])
    if suffix == ".csv":
        frame.to_csv(path, index=keep_index)
        return None
    frame.to_parquet(path, engine="pyarrow", index=keep_index)
    return None


def _frame(manifest: Any, reader: TableReader) -> pd.DataFrame:
    if manifest["kind"] == "pandas.DataFrame":
        return decode_frame(manifest, reader)
    series = decode_series(manifest, reader)
    return series.to_frame("values" if series.name is None else series.name)


def _write_arrow(table: pa.Table, path: Path, suffix: str) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    write = pyarrow.csv.write_csv if suffix == ".csv" else pyarrow.parquet.write_table
    write(table, path)
