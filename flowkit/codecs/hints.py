"""What an annotation says about the values below it: the classes it names, and the hints of elements and fields.

Annotations come from a person's code and are only taken apart, never evaluated from stored text. What cannot be
resolved counts as `Any`.
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType, UnionType
from typing import Annotated, Any, ClassVar, Final, Literal, NotRequired, Required, TypeVar, Union, get_args, get_origin

_UNIONS = (Union, UnionType)
_WRAPPERS = (Annotated, Final, ClassVar, Required, NotRequired)
_KEPT = 1024

FieldHints = Mapping[str, Any]

_NO_FIELDS: FieldHints = MappingProxyType({})


def class_name(cls: type) -> str:
    """Return the name by which stored values refer to a class: `module:qualified name`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def is_pydantic(cls: type) -> bool:
    """Whether `cls` is a pydantic model; pydantic is not imported to find out."""
    main = sys.modules.get("pydantic.main")
    return main is not None and issubclass(cls, main.BaseModel)


def is_named_tuple(cls: type) -> bool:
    """Whether `cls` was made by `NamedTuple` or `namedtuple`, and is not a subclass with state of its own."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "_make")


def is_named_class(cls: type) -> bool:
    """Whether values of `cls` are stored by class name and fields: dataclass, pydantic model, NamedTuple, Enum."""
    return issubclass(cls, Enum) or dataclasses.is_dataclass(cls) or is_named_tuple(cls) or is_pydantic(cls)


def _remembered(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Remember results by hint; a hint that cannot be hashed, as with a schema in `Annotated`, is computed again."""
    kept = lru_cache(maxsize=_KEPT)(compute)

    def look_up(hint: Any) -> Any:
        try:
            hash(hint)
        except TypeError:
            return compute(hint)
        return kept(hint)

    return look_up


def members(hint: Any) -> tuple[Any, ...]:
    """Return what `hint` admits, one by one, with unions, `Annotated`, aliases, NewTypes and type variables opened."""
    found: tuple[Any, ...] = _members(hint)
    return found


@_remembered
def _members(hint: Any) -> tuple[Any, ...]:
    return tuple(_open(hint))


def _open(hint: Any) -> Iterator[Any]:
    origin = get_origin(hint)
    if origin in _UNIONS:
        for member in get_args(hint):
            yield from _open(member)
    elif origin in _WRAPPERS:
        yield from _open(get_args(hint)[0])
    elif origin is Literal:
        yield from dict.fromkeys(type(value) for value in get_args(hint))
    elif isinstance(hint, TypeVar):
        yield from _open_variable(hint)
    elif isinstance(hint, str | typing.ForwardRef):
        yield Any
    elif hasattr(hint, "__supertype__"):
        yield from _open(hint.__supertype__)
    elif type(hint).__name__ == "TypeAliasType":
        yield from _open(hint.__value__)
    else:
        yield type(None) if hint is None else hint


def _open_variable(variable: TypeVar) -> Iterator[Any]:
    for bound in variable.__constraints__ or (variable.__bound__ or Any,):
        yield from _open(bound)


def origins(hint: Any) -> tuple[Any, ...]:
    """Return the classes that `hint` itself admits, generic arguments left out."""
    return tuple(get_origin(member) or member for member in members(hint))


def _join(hints: list[Any]) -> Any:
    return Union[tuple(hints)] if hints else Any  # noqa: UP007  (of a computed tuple)


@_remembered
def _element(hint: Any) -> Any:
    found: list[Any] = []
    for member in members(hint):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(origin, type) and not issubclass(origin, Mapping) and arguments:
            found.extend(argument for argument in arguments if argument not in (Ellipsis, ()))
    return _join(found)


def element_hint(hint: Any) -> Any:
    """Return the hint of the elements of a list, set or tuple annotated as `hint`: a union over a tuple's positions."""
    return _element(hint)


@_remembered
def _positions(hint: Any) -> tuple[Any, ...] | None:
    tuples = [get_args(member) for member in members(hint) if get_origin(member) is tuple]
    if len(tuples) != 1 or Ellipsis in tuples[0]:
        return None
    return tuples[0]


def position_hints(hint: Any, count: int) -> tuple[Any, ...]:
    """Return the hints of the `count` elements of a tuple annotated as `hint`."""
    fixed: tuple[Any, ...] | None = _positions(hint)
    return fixed if fixed is not None and len(fixed) == count else (element_hint(hint),) * count


@_remembered
def _mapping(hint: Any) -> tuple[Any, Any]:
    keys, values = [], []
    for member in members(hint):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
            keys.append(arguments[0])
            values.append(arguments[1])
        elif typing.is_typeddict(member):
            values.extend(field_hints(member).values())
    return _join(keys), _join(values)


def mapping_hints(hint: Any) -> tuple[Any, Any]:
    """Return the hints of keys and values of a dict annotated as `hint`."""
    pair: tuple[Any, Any] = _mapping(hint)
    return pair


@_remembered
def _fields(cls: Any) -> FieldHints:
    if is_pydantic(cls):
        return {name: field.annotation for name, field in cls.model_fields.items()}
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, AttributeError):
        # A name that exists only under TYPE_CHECKING or in a function: its fields count as Any.
        return _NO_FIELDS


def field_hints(cls: type) -> FieldHints:
    """Return the hints of a class's fields by name; empty where they cannot be resolved."""
    hints: FieldHints = _fields(cls)
    return hints


@_remembered
def _named(hint: Any) -> Mapping[str, type]:
    found: dict[str, type] = {}
    # By identity, as a hint need not be hashable; the values keep the hints alive, so that no identity is used twice.
    seen: dict[int, Any] = {}
    kept: list[Any] = [hint]
    while kept:
        for member in members(kept.pop()):
            if id(member) in seen:
                continue
            seen[id(member)] = member
            kept.extend(argument for argument in get_args(member) if not isinstance(argument, list))
            cls = get_origin(member) or member
            if isinstance(cls, type) and is_named_class(cls):
                found[class_name(cls)] = cls
                kept.extend(field_hints(cls).values())
            elif typing.is_typeddict(cls):
                kept.extend(field_hints(cls).values())
    return MappingProxyType(found)


def named_classes(hint: Any) -> Mapping[str, type]:
    """Return the classes stored by name that `hint` reaches, those of their fields included, by `class_name`."""
    classes: Mapping[str, type] = _named(hint)
    return classes


def find_class(name: str, hint: Any) -> type | None:
    """Return the class a stored value names, looked for only among what `hint` reaches.

    Subclasses of the classes in `hint` are found where they are loaded already: nothing is ever imported for a stored
    name. A class that has moved to another module since is found by its qualified name where only one has it.
    """
    classes = named_classes(hint)
    if name in classes:
        return classes[name]
    for member in (*origins(hint), *classes.values()):
        if isinstance(member, type) and member is not object:
            for cls in _subclasses(member):
                if class_name(cls) == name:
                    return cls
    qualified = name.rpartition(":")[2]
    alike = [cls for cls in classes.values() if cls.__qualname__ == qualified]
    return alike[0] if len(alike) == 1 else None


def _subclasses(cls: type) -> Iterator[type]:
    below: type
    for below in type.__subclasses__(cls):
        if is_named_class(below):
            yield below
        yield from _subclasses(below)


def show_hint(hint: Any) -> str:
    """Return `hint` as a person wrote it, as far as that can be told."""
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    return str(hint).replace("typing.", "")


def type_name(value: object) -> str:
    """Return the full name of a value's type: `module.qualified name`, or the bare name of a builtin."""
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
