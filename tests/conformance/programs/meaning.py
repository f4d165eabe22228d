"""What code and values mean, told without flowkit: whether an edit changed anything is proven here.

Code is compared as the compiler left it, without places and file names but with the types of its constants; values are
compared by their exact types and contents. Where both are the same before and after, an edit proves nothing.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Mapping
from typing import Any

_SCALARS = (bool, int, float, complex, str, bytes, bytearray, type(None), type(...), range)
_LEFT_OUT = frozenset(
    {"__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "_abc_impl", "__wrapped__"}
)
_LRU = type(functools.lru_cache(lambda: None))


def meaning(code: types.CodeType) -> tuple[Any, ...]:
    """Return all that counts of a code object, nested code included."""
    return (
        code.co_name,
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_exceptiontable,
        tuple(_constant(constant) for constant in code.co_consts),
    )


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return meaning(value)
    if isinstance(value, tuple):
        return ("tuple", *map(_constant, value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(map(repr, map(_constant, value))))
    return type(value).__name__, repr(value)


def same_code(before: str, after: str) -> bool:
    """Whether two texts of a module compile to the same."""
    return meaning(compile(before, "m", "exec")) == meaning(compile(after, "m", "exec"))


def shape(text: str, sort: bool = False) -> Any:
    """Return a text's tree without places, docstrings and `pass`; with its top statements sorted if asked."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                setattr(node, field, [item for item in block if not _is_idle(item)])
        if isinstance(node, ast.Constant):
            node.kind = None
    tops = [ast.dump(item) for item in tree.body]
    return sorted(tops) if sort else tops


def _is_idle(node: ast.AST) -> bool:
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def snapshot(value: Any) -> Any:
    """Return what a global holds: data by exact type and content, functions by code and what they were made with.

    What code refers to by name is left out: that is for the model to know.
    """
    return _taken(value, True, set())


def _taken(value: Any, is_top: bool, seen: set[int]) -> Any:
    if isinstance(value, _SCALARS) and type(value) in _SCALARS:
        return type(value).__name__, repr(value)
    if id(value) in seen:
        return "again"
    seen = {*seen, id(value)}

    def into(inner: Any) -> Any:
        return _taken(inner, False, seen)

    kind = type(value).__name__
    if isinstance(value, type):
        return _class(value, into) if is_top else ("class", value.__qualname__)
    if isinstance(value, types.FunctionType):
        return (kind, meaning(value.__code__), *map(into, _made_with(value)))
    if isinstance(value, types.MethodType):
        return kind, into(value.__func__), into(value.__self__)
    if isinstance(value, (staticmethod, classmethod)):
        return kind, into(value.__func__)
    if isinstance(value, property):
        return kind, into(value.fget), into(value.fset)
    if isinstance(value, functools.partial):
        return kind, into(value.func), into(value.args), into(value.keywords)
    if isinstance(value, _LRU):
        return kind, into(value.__wrapped__), into(value.cache_parameters())
    if isinstance(value, (types.BuiltinFunctionType, types.ModuleType)):
        return kind, getattr(value, "__module__", ""), value.__name__
    if isinstance(value, Mapping):
        return (kind, *((into(key), into(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return (kind, *map(into, value))
    if isinstance(value, (set, frozenset)):
        return (kind, *sorted(repr(into(item)) for item in value))
    return _other(value, kind, into)


def _made_with(function: types.FunctionType) -> list[Any]:
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:
            cells.append("empty")
    extra = {key: item for key, item in function.__dict__.items() if key != "__wrapped__"}
    return [cells, function.__defaults__, function.__kwdefaults__, extra]


def _class(value: type, into: Any) -> Any:
    members = {name: item for name, item in sorted(value.__dict__.items()) if name not in _LEFT_OUT}
    bases = tuple(base.__qualname__ for base in value.__mro__)
    return "class", type(value).__name__, bases, repr(getattr(value, "__members__", "")), into(members)


def _other(value: Any, kind: str, into: Any) -> Any:
    state = getattr(value, "__dict__", None)
    if type(value).__module__.startswith(("weakref", "_weakref", "_thread")):
        return kind
    # The address in the standard text of an object tells nothing.
    shown = repr(value) if type(value).__repr__ is not object.__repr__ else ""
    if " at 0x" in shown or isinstance(value, type):
        shown = ""
    return kind, shown, into(dict(state)) if state else None
