"""Whether an object of one class can stand where another class is annotated."""

from __future__ import annotations

import collections
import collections.abc
import typing
from typing import Any

_TOWER: tuple[type, ...] = (bool, int, float, complex)
_NUMPY_TOWER = {"bool": 0, "bool_": 0, "integer": 1, "floating": 2, "complexfloating": 3}

_CONTAINER_MODULES = frozenset({"builtins", "collections", "collections.abc"})
_NO_CONTAINERS = frozenset({type, collections.abc.Callable})

_TABLES = frozenset({("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"), ("dask", "DataFrame")})
_SERIES = frozenset({("pandas", "Series"), ("polars", "Series")})

MAPPING = collections.abc.Mapping


def class_fits(given: type, wanted: type) -> bool | None:
    """Whether objects of class `given` are `wanted`, by inheritance or by the numeric tower.

    The tower is bool, int, float, complex, each with numpy's scalars of that kind. None where it cannot be told, as
    for a protocol that is no runtime one.
    """
    if given is wanted:
        return True
    if wanted in _TOWER:
        rank = _tower_rank(given)
        return rank is not None and rank <= _TOWER.index(wanted)
    try:
        return issubclass(given, wanted)
    except TypeError:
        return None


def _tower_rank(kind: type) -> int | None:
    for rank, number in enumerate(_TOWER):
        if issubclass(kind, number):
            return rank
    for base in kind.__mro__:
        if base.__module__ == "numpy" and base.__name__ in _NUMPY_TOWER:
            return _NUMPY_TOWER[base.__name__]
    return None


def is_container(origin: Any) -> bool:
    """Whether `origin` is one of Python's own containers, whose type arguments are what is in them."""
    return isinstance(origin, type) and origin.__module__ in _CONTAINER_MODULES and origin not in _NO_CONTAINERS


def is_array(origin: Any) -> bool:
    """Whether `origin` is `numpy.ndarray`, without importing numpy."""
    return getattr(origin, "__module__", "") == "numpy" and getattr(origin, "__name__", "") == "ndarray"


def table_shape(kind: Any) -> str | None:
    """Return `table` or `series` for the libraries' own tables and series and what inherits from them, else None.

    It imports none of the libraries.
    """
    if not isinstance(kind, type):
        return None
    names = {(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__}
    if not names.isdisjoint(_TABLES):
        return "table"
    return None if names.isdisjoint(_SERIES) else "series"


def scalar_of(arguments: tuple[Any, ...]) -> Any:
    """Return an array annotation's scalar type, from its type arguments; None where it leaves it open."""
    scalars = typing.get_args(arguments[1]) if len(arguments) > 1 else ()
    # `Any` is a class from Python 3.11 on.
    if not scalars or not isinstance(scalars[0], type) or scalars[0] is Any or scalars[0].__name__ == "generic":
        return None
    return scalars[0]


def axes_of(arguments: tuple[Any, ...]) -> int | None:
    """Return an array's number of axes; None where the annotation leaves it open."""
    axes = typing.get_args(arguments[0]) if arguments else ()
    return None if not axes or Ellipsis in axes else len(axes)
