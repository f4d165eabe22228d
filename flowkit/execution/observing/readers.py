"""Readers of pyarrow and polars, which open files without Python: wrapped when their modules are first imported."""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

from flowkit.execution.observing.recorder import RECORDER
from flowkit.fingerprint.observed import ObservedKind
from flowkit.fingerprint.watched import behind_watch, note_watch

_ARROW_TABLES = ("read_table", "read_pandas", "read_metadata", "read_schema", "ParquetFile", "ParquetDataset")
_POLARS_KINDS = ("csv", "parquet", "ipc", "ipc_stream", "ndjson", "json", "avro", "excel", "ods", "delta", "lines")
READERS: Mapping[str, tuple[str, ...]] = {
    "pyarrow": ("memory_map", "input_stream"),
    "pyarrow.parquet": _ARROW_TABLES,
    "pyarrow.parquet.core": _ARROW_TABLES,
    "pyarrow.dataset": ("dataset", "parquet_dataset"),
    "pyarrow.csv": ("read_csv", "open_csv"),
    "pyarrow.json": ("read_json", "open_json"),
    "pyarrow.feather": ("read_table", "read_feather"),
    "pyarrow.orc": ("read_table", "ORCFile"),
    "polars": (
        *(f"{verb}_{kind}" for verb in ("read", "scan") for kind in _POLARS_KINDS),
        *("read_csv_batched", "read_parquet_schema", "read_parquet_metadata", "read_ipc_schema"),
    ),
}
"""By module, its functions and classes whose first argument says what is read."""

_SOURCES = ("source", "where", "path", "path_or_paths", "paths", "input_file", "file", "metadata_path")


def install_readers() -> None:
    """Watch the modules that are imported from now on, and those that are there already."""
    sys.meta_path.insert(0, _Watcher())
    for name in READERS:
        if name in sys.modules:
            wrap_readers(sys.modules[name])


def wrap_readers(module: ModuleType) -> None:
    """Replace the readers in a module by ones that tell what they are about to read."""
    for name in READERS[module.__name__]:
        reader = getattr(module, name, None)
        if reader is None or behind_watch(reader) is not reader:
            continue
        if isinstance(reader, type):
            _wrap_class(reader)
        else:
            setattr(module, name, _wrap(reader, module.__name__, name))


def _wrap(reader: Callable[..., Any], module: str, name: str) -> Callable[..., Any]:
    @functools.wraps(reader)
    def watched(*args: Any, **kwargs: Any) -> Any:
        if RECORDER.active:
            _tell(args, kwargs)
        return reader(*args, **kwargs)

    # Where it stands, and not where the reader is defined: so it can be pickled, as the reader could.
    watched.__module__, watched.__qualname__ = module, name
    note_watch(watched, reader)
    return watched


def _wrap_class(reader: Any) -> None:
    """Wrap the initialiser, so that the class stays itself for `isinstance` and for who holds it already."""
    original = reader.__init__
    if behind_watch(original) is not original:
        return

    @functools.wraps(original)
    def watched(self: Any, *args: Any, **kwargs: Any) -> None:
        if RECORDER.active:
            _tell(args, kwargs)
        original(self, *args, **kwargs)

    note_watch(watched, original)
    reader.__init__ = watched


def _tell(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    source = args[0] if args else next((kwargs[name] for name in _SOURCES if name in kwargs), None)
    if kwargs.get("filesystem") is not None:
        return
    for path in _paths_in(source):
        if os.path.isdir(path):
            RECORDER.read(ObservedKind.TREE, path)
        elif any(sign in path for sign in "*?[") and not os.path.lexists(path):
            RECORDER.read(ObservedKind.TREE, _before_pattern(path))
        else:
            RECORDER.read(ObservedKind.FILE, path)


def _paths_in(source: Any) -> Iterator[str]:
    if isinstance(source, (list, tuple)):
        for item in source:
            yield from _paths_in(item)
    elif isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if isinstance(text, str) and text.startswith("file://"):
            text = unquote(urlsplit(text).path)
        if isinstance(text, str) and "://" not in text and "\n" not in text:
            yield text if os.path.lexists(text) else os.path.expanduser(text)


def _before_pattern(path: str) -> str:
    parts = path.split(os.sep)
    plain = next((index for index, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return os.sep.join(parts[:plain]) or ("." if not path.startswith(os.sep) else os.sep)


class _Watcher(importlib.abc.MetaPathFinder):
    """Lets the other finders find a module, and wraps its readers once it is there."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in READERS:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if finder is not self and find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)
                return spec  # type: ignore[no-any-return]
        return None


class _Loader(importlib.abc.Loader):
    """A module's own loader, with the wrapping after it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        if module.__spec__ is not None:
            # What asks for resources, or pickles a loader, must find the module's own again.
            module.__spec__.loader = self._loader
            module.__loader__ = self._loader
        wrap_readers(module)
