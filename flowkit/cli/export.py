"""Writes an artifact to a file of a person's choice, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from flowkit.cli.looking import StoreView
from flowkit.codecs.base import Stored
from flowkit.codecs.paths import PathCodec
from flowkit.codecs.tables_export import export_table
from flowkit.codecs.tables_manifest import describe_table
from flowkit.errors import CodecError, OutputError, UsageError
from flowkit.records import Artifact
from flowkit.store.local import LocalStore

_TABLE_SUFFIXES = frozenset({".parquet", ".csv"})
_SUFFIXES = {
    "json": frozenset({".json", ".txt"}),
    "npy": frozenset({".npy"}),
    "pickle": frozenset({".pkl", ".pickle"}),
}
"""How the file may end that a payload is written to as it is, where flowkit knows better than its author."""
_OTHERS = frozenset({".json", ".npy", ".pkl", ".pickle", ".tsv", ".xlsx", ".feather", ".arrow", ".joblib"})
"""Endings that promise another content; an ending that promises nothing known is taken."""
_NOT_KEPT = ("file", "folder")


def export_artifact(view: StoreView, artifact: Artifact, file: Path, *, overwrite: bool) -> None:
    """Write an artifact to `file`.

    Args:
        view: The store.
        artifact: A table becomes Parquet or CSV by the file's suffix; a returned path what it was; else the payload.
        file: Where to.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        OutputError: It cannot be written.
        UsageError: The file is there, its suffix does not fit, the artifact's content is not in the store, or it is a
            table that holds pickled values.
        StoreError: The artifact is lost.
    """
    _check(artifact, file, overwrite)
    stored = LocalStore(view.folder).open(artifact)
    try:
        if artifact.format == "table":
            held = describe_table(stored.payload).pickled
            if held:
                raise UsageError.for_pickled_export(str(file), artifact.digest, ", ".join(held))
            export_table(stored, file, pickle="deny")
        elif artifact.format == PathCodec.format:
            _export_path(stored, file)
        else:
            _export_payload(stored, file)
    except CodecError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno:
            raise OutputError.for_file(str(file), os.strerror(error.__cause__.errno)) from error
        raise
    except OSError as error:
        raise OutputError.for_file(str(file), error.strerror or str(error)) from error


def _check(artifact: Artifact, file: Path, overwrite: bool) -> None:
    if artifact.format in _NOT_KEPT:
        hint = "its lineage names the nodes that took it: flowkit lineage " + artifact.digest[:12] + "."
        raise UsageError.for_export(str(file), "it came in as a path, and the store keeps only its digest", hint)
    if artifact.format == "table" and file.suffix.lower() not in _TABLE_SUFFIXES:
        hint = "end the file's name with .parquet or .csv."
        raise UsageError.for_export(str(file), f"a table cannot be written as {file.suffix or 'no'} file", hint)
    wanted = _SUFFIXES.get(artifact.format)
    if wanted is not None and file.suffix.lower() in _TABLE_SUFFIXES | _OTHERS - wanted:
        hint = f"end the file's name with {' or '.join(sorted(wanted))}."
        raise UsageError.for_export(str(file), f"what is stored as {artifact.format} is not {file.suffix}", hint)
    if file.is_dir() or (file.exists() and not overwrite):
        hint = "choose another file, or replace it with --overwrite." if not file.is_dir() else "name a file in it."
        raise UsageError.for_export(str(file), "it is there already" if not file.is_dir() else "it is a folder", hint)
    if not file.absolute().parent.is_dir():
        raise UsageError.for_export(str(file), f"there is no folder '{file.parent}'", "make that folder first.")


def _export_payload(stored: Stored, file: Path) -> None:
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(stored.payload)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _export_path(stored: Stored, file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".flowkit-", dir=file.absolute().parent) as folder:
        copy = PathCodec().decode(stored, Path, Path(folder))
        if copy.is_dir():
            shutil.move(copy, file)
        else:
            copy.replace(file)
