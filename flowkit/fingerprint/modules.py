"""Modules that count whole: passed on as objects, imported for their effect, opened by `globals()` or `exec`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from blake3 import blake3

from flowkit.fingerprint.callables import is_compiled
from flowkit.fingerprint.context import Context
from flowkit.fingerprint.decorators import DecoratorJudge
from flowkit.fingerprint.effects import imported_for_effect
from flowkit.fingerprint.freshness import is_as_imported, is_older_than_process
from flowkit.fingerprint.ownership import file_of
from flowkit.fingerprint.resolve import global_tokens
from flowkit.fingerprint.source import SourceText, text_of_loader
from flowkit.fingerprint.syntax import canonical_syntax
from flowkit.fingerprint.tokens import Body, Tokens, text
from flowkit.fingerprint.values import ValueEncoder

_NOTEBOOK = frozenset({"In", "Out", "get_ipython", "exit", "quit", "open"})
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages"})
_KEPT_BY_JOBLIB = "func_code.py"
"""Where `joblib.Memory` writes the text of a function beside its results: no source of the project."""


def module_body(encoder: ValueEncoder, module: ModuleType) -> Body:
    """Return what a project module contributes as a whole: its file, and everything in its namespace."""
    context = encoder.context
    context.note_module(module.__name__)
    digest, source = _file_share(context, module)
    tokens: Tokens = [text(b"m", digest)]
    if context.sources_count:
        tokens.append(text(b"s", source))
    if is_compiled(module):
        return Body("module", tokens, "")
    for name, value in _globals(module):
        tokens += [text(b"n", name), *global_tokens(encoder, f"{module.__name__}:{name}", value)]
    tokens += [context.module(found) for found in imported_for_effect(context, module)]
    return Body("module", tokens, source)


def _globals(module: ModuleType) -> Iterator[tuple[str, Any]]:
    is_notebook = file_of(module) is None
    for name, value in sorted(module.__dict__.items()):
        if name.startswith("__") and name.endswith("__") and name != "__getattr__":
            continue
        if is_notebook and (name in _NOTEBOOK or name.startswith("_")):
            continue
        yield name, value


def _file_share(context: Context, module: ModuleType) -> tuple[str, str]:
    file = file_of(module)
    if file is None or not os.path.isfile(file):
        return "", ""
    written = context.sources.text(file, module.__dict__) if file.endswith(".py") else None
    digest = _digest_tree(context, file, written, module.__dict__, module.__dict__) if written is not None else None
    if written is None or digest is None:
        return _digest_bytes(Path(file)), ""
    return digest, written.decoded


def _digest_tree(
    context: Context,
    file: str,
    written: SourceText,
    meanings: dict[str, Any],
    namespace: dict[str, Any] | None,
) -> str | None:
    """Return the digest of a whole text's syntax, None where it is not Python's."""
    digest = written.facts.tree(context.docstrings, meanings)
    source = context.sources.file(file, namespace=namespace) if digest is None else None
    if source is not None:
        judge = DecoratorJudge(meanings)
        digest = blake3(canonical_syntax(source.tree, judge, context.docstrings)).hexdigest()
        source.written.facts.add_tree(context.docstrings, digest, judge)
    return digest


def sources_body(encoder: ValueEncoder) -> Body:
    """Return what all sources of the project contribute, for imports under a name that only running the code tells."""
    context = encoder.context
    root = context.project.root
    tokens: Tokens = []
    shown = []
    loaded = {file: module for module in list(sys.modules.values()) if (file := _own_file(module)) is not None}
    for path in _source_files(context):
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        module = loaded.get(str(path))
        namespace = module.__dict__ if module is not None else None
        if module is not None and not _runs_as_written(context, str(path), module):
            # The import that the code makes gives the module as it is loaded.
            context.mark_uncacheable(f"module {module.__name__} may have been loaded before {name} was edited")
        written = context.sources.text(str(path), namespace)
        found = _digest_tree(context, str(path), written, {}, namespace) if written is not None else None
        digest = found or _digest_bytes(path)
        tokens += [text(b"n", name), text(b"m", digest)]
        shown.append(f"{name} {digest[:12]}")
    return Body("module", tokens, "\n".join(shown))


def _own_file(module: object) -> str | None:
    return file_of(module) if isinstance(module, ModuleType) and hasattr(module, "__file__") else None


def _runs_as_written(context: Context, file: str, module: ModuleType) -> bool:
    """Whether the text that counts for a file is that of the module which is loaded."""
    if is_older_than_process(file) or text_of_loader(file, module.__dict__) is not None:
        return True
    source = context.sources.file(file, namespace=module.__dict__) if file.endswith(".py") else None
    return source is not None and is_as_imported(module, file, source)


def _source_files(context: Context) -> Iterator[Path]:
    root = context.project.root
    folders = [root, *(root / entry for entry in context.project.code if (root / entry).is_dir())]
    for folder in dict.fromkeys(folders):
        for place, names, files in os.walk(folder):
            # Environments and hidden folders inside the project are not its sources.
            names[:] = sorted(name for name in names if _is_source_folder(Path(place, name)))
            found = sorted(name for name in files if name.endswith((".py", ".so")))
            yield from (Path(place, name) for name in found if name != _KEPT_BY_JOBLIB or "joblib" not in place)


def _is_source_folder(folder: Path) -> bool:
    return not folder.name.startswith(".") and folder.name not in _LEFT_OUT and not (folder / "pyvenv.cfg").exists()


def _digest_bytes(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest()
