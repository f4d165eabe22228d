"""Modules that are imported for what their import does, and never read."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import ModuleType

from flowkit.fingerprint.context import Context
from flowkit.fingerprint.ownership import Owner, file_of
from flowkit.fingerprint.source import SourceFile

_KNOWN: dict[int, tuple[SourceFile, tuple[tuple[int, str, str], ...]]] = {}


def imported_for_effect(context: Context, module: ModuleType) -> list[ModuleType]:
    """Return the project modules that a module imports at its top and never reads, in order."""
    file = file_of(module)
    source = context.sources.file(file, namespace=module.__dict__) if file is not None else None
    if source is None:
        return []
    found = []
    for level, name, member in unread_imports(source):
        target = sys.modules.get(_absolute(module, level, name, member))
        if target is not None and target is not module and context.ownership.of_module(target) is Owner.PROJECT:
            found.append(target)
    return found


def unread_imports(source: SourceFile) -> tuple[tuple[int, str, str], ...]:
    """Return (level, module, member) of the imports at the top of a file whose names it never reads."""
    kept = _KNOWN.get(id(source))
    if kept is None:
        kept = _KNOWN[id(source)] = (source, tuple(_find_unread(source.tree)))
    return kept[1]


def _find_unread(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    read = _read_names(tree)
    for node in _top_statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not _is_read(alias.asname or alias.name, read):
                    yield (0, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                # What a star brings in is found by name where it is used.
                if alias.name != "*" and not _is_read(alias.asname or alias.name, read):
                    yield (node.level, node.module or "", alias.name)


def _is_read(name: str, read: set[str]) -> bool:
    """Whether a dotted name is read itself, or the package that it starts with is read bare."""
    return name in read or ("." in name and f"={name.partition('.')[0]}" in read)


def _read_names(tree: ast.Module) -> set[str]:
    """Return every dotted name that is read, with its prefixes; names read without an attribute also with a `=`."""
    read: set[str] = set()
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            inner.add(id(node.value))
        dotted = _dotted(node)
        if dotted is not None:
            parts = dotted.split(".")
            read.update(".".join(parts[: count + 1]) for count in range(len(parts)))
            if len(parts) == 1 and id(node) not in inner:
                read.add(f"={dotted}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            # Named in `__all__` or in an annotation.
            read.add(node.value)
    return read


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return ".".join([node.id, *reversed(parts)])
    return None


def _top_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    waiting: list[ast.stmt] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            waiting.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
            for handler in getattr(node, "handlers", []):
                waiting.extend(handler.body)


def _absolute(module: ModuleType, level: int, name: str, member: str) -> str:
    package = (module.__package__ or "") if level else ""
    parts = package.split(".") if package else []
    base = parts[: len(parts) - level + 1] if level else []
    return ".".join([*base, *(part for part in (name, member) if part)])
