"""Modules that are imported for what their import does, and never read."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from flowkit.fingerprint.context import Context
from flowkit.fingerprint.facts import TopImport
from flowkit.fingerprint.ownership import Owner, file_of
from flowkit.fingerprint.source import SourceFile


def imported_for_effect(context: Context, module: ModuleType) -> list[ModuleType]:
    """Return the project modules that a module imports at its top and never reads, in order."""
    known = context.effects.get(id(module))
    if known is None:
        known = context.effects[id(module)] = _find_effects(context, module)
    return known


def _find_effects(context: Context, module: ModuleType) -> list[ModuleType]:
    file = file_of(module)
    found = []
    for item in _imports_of(context, file, module.__dict__) if file is not None else ():
        target = sys.modules.get(_absolute(module, item.level, item.module, item.member)) if not item.is_read else None
        if target is None or target is module or context.ownership.of_module(target) is not Owner.PROJECT:
            continue
        found.append(target)
    return found


def _imports_of(context: Context, file: str, namespace: dict[str, Any]) -> Sequence[TopImport]:
    written = context.sources.text(file, namespace)
    known = written.facts.imports if written is not None else None
    if written is None or known is not None:
        return known or ()
    source = context.sources.file(file, namespace=namespace)
    if source is None:
        return ()
    known = list(_read_imports(source))
    source.written.facts.add_imports(known)
    return known


def _read_imports(source: SourceFile) -> Iterator[TopImport]:
    read = _read_names(source.nodes)
    for bound, level, module, member in _find_imports(source.tree):
        # Read itself, or the package that it starts with is read bare.
        is_read = bound in read or ("." in bound and f"={bound.partition('.')[0]}" in read)
        yield TopImport(bound, level, module, member, is_read)


def _find_imports(tree: ast.Module) -> Iterator[tuple[str, int, str, str]]:
    """Yield (bound name, level, module, member) of each import at the top of a file."""
    for node in _top_statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname or alias.name, 0, alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            # What a star brings in is found by name where it is used.
            for alias in node.names:
                if alias.name != "*":
                    yield (alias.asname or alias.name, node.level, node.module or "", alias.name)


def _read_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Return every dotted name that is read, with its prefixes; names read without an attribute also with a `=`."""
    read: set[str] = set()
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in inner and isinstance(node.ctx, ast.Load):
            read |= {node.id, f"={node.id}"}
        elif isinstance(node, ast.Attribute) and (dotted := _dotted(node)) is not None:
            parts = dotted.split(".")
            read.update(".".join(parts[: count + 1]) for count in range(len(parts)))
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
