"""The canonical form of a syntax tree: what it means, without where it stands and how it is laid out.

Left out are positions, contexts, literal prefixes, type comments, `pass`, bare constants (docstrings among them) and
flowkit's own decorators. At the root, a function's defaults and annotations are left out too: the live ones count.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from typing import Any

from flowkit.fingerprint.framing import count_bytes, double_bytes, frame, frame_text

OwnDecorator = Callable[[ast.expr], bool]

_IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SCOPES = (*_FUNCTIONS, ast.ClassDef)


def canonical_syntax(root: ast.AST, own_decorator: OwnDecorator, docstrings: bool = False) -> bytes:
    """Return a syntax tree's canonical bytes.

    Args:
        root: A function, lambda, class or module.
        own_decorator: Whether a decorator's expression is one of flowkit's, and so does not count.
        docstrings: Whether bare constants count, because reached code reads `__doc__`.
    """
    written: list[bytes] = []
    # An explicit stack: long sums and chained calls are deeper than the interpreter lets functions recurse. A scope
    # leaves behind what says whether the scope around it is a function.
    waiting: list[Any] = [root]
    in_function = False
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.AST):
            kind: Any = type(item)
            written.append(_header(kind))
            if isinstance(item, _SCOPES):
                waiting.append(_Leave(in_function))
                in_function = kind is not ast.ClassDef
                waiting.extend(reversed(_scope_fields(item, item is root, own_decorator)))
            else:
                fields = [getattr(item, name, None) for name in _fields(kind)]
                if in_function and kind is ast.AnnAssign and isinstance(item.target, ast.Name):  # type: ignore[attr-defined]
                    # Never evaluated for a local name, so it cannot matter.
                    fields[1] = None
                waiting.extend(reversed(fields))
        elif isinstance(item, list):
            kept = item if docstrings else [child for child in item if not _is_idle(child)]
            written.append(b"[" + count_bytes(len(kept)))
            waiting.extend(reversed(kept))
        elif type(item) is _Leave:
            in_function = item.was_in_function
        else:
            written.append(constant_bytes(item))
    return b"".join(written)


class _Leave:
    """Marks the end of a scope among what is waiting."""

    __slots__ = ("was_in_function",)

    def __init__(self, was_in_function: bool) -> None:
        self.was_in_function = was_in_function


@cache
def _header(kind: Any) -> bytes:
    return frame_text(b"(", kind.__name__)


@cache
def _fields(kind: Any) -> tuple[str, ...]:
    return tuple(name for name in kind._fields if name not in _IGNORED)


def _scope_fields(node: ast.AST, is_root: bool, own_decorator: OwnDecorator) -> list[Any]:
    if is_root and isinstance(node, _FUNCTIONS):
        return _root_function_fields(node, own_decorator)
    found: list[Any] = []
    kind: Any = type(node)
    for name in _fields(kind):
        value: Any = getattr(node, name, None)
        if name == "decorator_list":
            value = [decorator for decorator in value if not own_decorator(decorator)]
        found.append(value)
    return found


def _root_function_fields(node: ast.AST, own_decorator: OwnDecorator) -> list[Any]:
    arguments: ast.arguments = node.args  # type: ignore[attr-defined]
    names: list[Any] = [
        [argument.arg for argument in group] for group in (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)
    ]
    names += [argument.arg if argument else None for argument in (arguments.vararg, arguments.kwarg)]
    if isinstance(node, ast.Lambda):
        return [*names, node.body]
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    decorators = [decorator for decorator in node.decorator_list if not own_decorator(decorator)]
    return [node.name, *names, node.body, decorators, getattr(node, "type_params", [])]


def _is_idle(node: object) -> bool:
    kind = type(node)
    return kind is ast.Pass or (kind is ast.Expr and type(node.value) is ast.Constant)  # type: ignore[attr-defined]


def constant_bytes(value: Any) -> bytes:
    """Return a literal's bytes with its type: `1`, `True` and `1.0` differ, and so do `0.0` and `-0.0`."""
    kind = type(value)
    if kind is str:
        return frame_text(b"s", value)
    if value is None or value is Ellipsis or kind is bool:
        return frame_text(b"o", repr(value))
    if kind is int:
        return frame_text(b"i", hex(value))
    if kind is float:
        return frame(b"f", double_bytes(value))
    if kind is complex:
        return frame(b"z", double_bytes(value.real) + double_bytes(value.imag))
    if kind is bytes:
        return frame(b"y", value)
    if kind in (tuple, frozenset):
        items = [constant_bytes(item) for item in value]
        return frame(b"t" if kind is tuple else b"F", b"".join(items if kind is tuple else sorted(items)))
    raise TypeError(f"no literal is a {kind.__name__}")
