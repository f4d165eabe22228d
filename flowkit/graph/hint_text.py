"""Annotations and classes as people write them, for messages."""

from __future__ import annotations

import typing
from typing import Any, Union

from flowkit.contracts import contract_of, parts_of
from flowkit.graph.classes import is_array

_TABLE_MODULES = frozenset({"pandas", "polars", "pyarrow", "dask"})


def format_hint(hint: Any) -> str:
    """Return an annotation as a person would write it: `DataFrame[Trip]`, `list[int]`, `float | None`.

    Classes come without their module, but for bare table classes, of which there are several called `DataFrame`.
    """
    contract = contract_of(hint)
    if contract is not None:
        table = getattr(contract.table, "__name__", None) or format_hint(contract.table)
        return f"{table}[{contract.name}]" + (" | None" if contract.optional else "")
    origin, arguments = parts_of(hint)
    if origin is Union:
        return " | ".join(format_hint(member) for member in arguments)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if is_array(origin):
        return _format_array(arguments)
    if not arguments:
        return format_class(origin)
    return f"{format_class(origin)}[{', '.join(map(_format_argument, arguments))}]"


def _format_argument(argument: Any) -> str:
    if argument is Ellipsis:
        return "..."
    if isinstance(argument, list):
        return f"[{', '.join(map(format_hint, argument))}]"
    return format_hint(argument)


def _format_array(arguments: tuple[Any, ...]) -> str:
    scalars = typing.get_args(arguments[1]) if len(arguments) > 1 else ()
    return f"NDArray[{format_hint(scalars[0])}]" if scalars else "ndarray"


def format_class(kind: Any) -> str:
    """Return a class's name, with its library before it where it is a table; other objects as they print."""
    if kind is None or kind is type(None):
        return "None"
    if isinstance(kind, str):
        return kind
    if isinstance(kind, typing.ForwardRef):
        return kind.__forward_arg__
    name = getattr(kind, "__qualname__", None) or getattr(kind, "__name__", None)
    if name is None:
        return str(kind).removeprefix("typing.")
    library = getattr(kind, "__module__", "").partition(".")[0]
    return f"{library}.{name}" if library in _TABLE_MODULES else name.rpartition("<locals>.")[2]
