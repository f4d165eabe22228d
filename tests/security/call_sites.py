"""Finds, in flowkit's own source, the calls that could run what data says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import flowkit

_MEANT = re.compile(
    r"\bpickle\.|Unpickler|marshal|shelve|dill|joblib\.|yaml|(?<![.\w])(?:eval|exec|compile|__import__)\(|import_module|"
    r"subprocess|os\.(?:system|popen|spawn|exec)|mktemp|tempnam|np\.load|shell=|allow_pickle|unpack_archive|tarfile|"
    r"extractall|\.query\(|\.eval\(|\b(?:SELECT|INSERT|UPDATE|DELETE|PRAGMA|WHERE|ORDER BY|CREATE|DROP|VALUES)\b"
)
"""A module without any of these has no call of interest, and need not be parsed."""

PACKAGE = Path(flowkit.__file__).parent


class Module(NamedTuple):
    """A parsed module; `name` is its path below the package."""

    name: str
    tree: ast.Module


class Call(NamedTuple):
    """A call, the function that it stands in, and what is called, as it is written."""

    place: str
    called: str
    node: ast.Call


@cache
def modules() -> tuple[Module, ...]:
    """Return the modules that may hold such a call; the templates are a project of their own."""
    texts = ((path, path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py")))
    return tuple(
        Module(path.relative_to(PACKAGE).as_posix(), ast.parse(text))
        for path, text in texts
        if "templates" not in path.parts and _MEANT.search(text)
    )


@cache
def calls() -> tuple[Call, ...]:
    """Return every call, with `module.py:function` or `module.py:Class.method` as its place."""
    return tuple(call for module in modules() for call in _calls_in(module.tree, module.name, ""))


def _calls_in(node: ast.AST, module: str, scope: str) -> Iterator[Call]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{child.name}".lstrip(".")
        elif isinstance(child, ast.Call):
            yield Call(f"{module}:{scope}", _written(child.func), child)
        yield from _calls_in(child, module, inner)


def uses_of(module: str, names: frozenset[str]) -> list[str]:
    """Return the places that name an attribute of a library's module, called or not, or take it by `from … import`."""
    found = []
    for one in modules():
        for node in ast.walk(one.tree):
            if isinstance(node, ast.ImportFrom) and node.module == module:
                taken = names.intersection(alias.name for alias in node.names)
                found += [f"{one.name}: from {module} import {name}" for name in taken]
            elif isinstance(node, ast.Attribute) and node.attr in names and _written(node.value) == module:
                found.append(f"{one.name}: {module}.{node.attr}")
    return found


def _written(called: ast.expr) -> str:
    """Return `a.b.c` as it is written; `?` stands for what is no name."""
    if isinstance(called, ast.Attribute):
        return f"{_written(called.value)}.{called.attr}"
    return called.id if isinstance(called, ast.Name) else "?"
