"""Values as canonical JSON: equal content, equal text, whatever the insertion order or the process.

A value is written by its exact type; subclasses are refused, as their class would be lost. Only two things come from
the annotation: which Python number a numpy scalar becomes, and which classes a reader will be able to name.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum, Flag
from functools import cached_property, lru_cache
from pathlib import PurePath
from typing import Any, Final

from flowkit.authoring.types import Metrics
from flowkit.codecs.hints import (
    class_name,
    element_hint,
    field_hints,
    is_named_tuple,
    is_pydantic,
    mapping_hints,
    named_classes,
    origins,
    position_hints,
    type_name,
)
from flowkit.codecs.json_tags import ATOM_WRITERS, MARK, dump_canonical, write_float, write_int
from flowkit.codecs.trees import TreeCollector
from flowkit.errors import CodecError

DEEPEST: Final = 100
"""Levels of nesting that JSON is used for: well inside the interpreter's recursion limit, wherever the step runs."""

_CONTAINERS = (dict, list, tuple, set, frozenset, str, bytes, int, float, BaseException)


class ForeignValueError(CodecError):
    """A value, or a part of it, that JSON cannot hold: another codec may."""


class ForeignPathError(ForeignValueError):
    """A value that JSON cannot hold without the files it names."""


class JsonWriter:
    """Writes one value, annotated as `hint`.

    Args:
        hint: The annotation of the whole value.
        trees: Takes the files and folders that the value names; without one they are refused.
    """

    def __init__(self, hint: Any, trees: TreeCollector | None = None) -> None:
        self._hint = hint
        self._trees = trees
        self._classes: Mapping[str, type] | None = None
        self._referred: set[str] = set()

    @property
    def refers(self) -> tuple[str, ...]:
        """The classes that what was written names, sorted."""
        return tuple(sorted(self._referred))

    def write(self, value: Any) -> str:
        """Return the canonical JSON text of `value`.

        Raises:
            ForeignValueError: JSON cannot hold it; the message names the part and its place.
        """
        return dump_canonical(self._plain(value, self._hint, 0))

    def _plain(self, value: Any, hint: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str or kind is bool or value is None:
            return value
        if kind is float:
            return write_float(value)
        if kind is int:
            return write_int(value)
        if depth > DEEPEST:
            raise ForeignValueError.for_foreign(type_name(value), "", f"it is nested over {DEEPEST} levels deep")
        write = _WRITERS.get(kind)
        if write is not None:
            return write(self, value, hint, depth + 1)
        return self._atom(value, kind) if kind in ATOM_WRITERS else self._named(value, hint, depth + 1)

    def _atom(self, value: Any, kind: type) -> Any:
        tag, write = ATOM_WRITERS[kind]
        try:
            return {tag: write(value)}
        except ValueError as error:
            raise ForeignValueError.for_foreign(type_name(value), "", str(error)) from error

    def _elements(self, values: Iterable[Any], hint: Any, depth: int) -> list[Any]:
        written: list[Any] = []
        for value in values:
            try:
                written.append(self._plain(value, hint, depth))
            except ForeignValueError as error:
                raise _below(f"[{len(written)}]", error) from error.__cause__
        return written

    def _list(self, value: list[Any], hint: Any, depth: int) -> Any:
        return self._elements(value, element_hint(hint), depth)

    def _tuple(self, value: tuple[Any, ...], hint: Any, depth: int) -> Any:
        return {"$tuple": self._positions(value, position_hints(hint, len(value)), depth)}

    def _positions(self, values: Collection[Any], hints: Iterable[Any], depth: int) -> list[Any]:
        written: list[Any] = []
        for value, hint in zip(values, hints, strict=True):
            try:
                written.append(self._plain(value, hint, depth))
            except ForeignValueError as error:
                raise _below(f"[{len(written)}]", error) from error.__cause__
        return written

    def _set(self, value: set[Any], hint: Any, depth: int) -> Any:
        return {"$set": self._sorted(value, hint, depth)}

    def _frozenset(self, value: frozenset[Any], hint: Any, depth: int) -> Any:
        return {"$frozenset": self._sorted(value, hint, depth)}

    def _sorted(self, value: Collection[Any], hint: Any, depth: int) -> list[Any]:
        written = self._elements(value, element_hint(hint), depth)
        return sorted(written) if _are_texts(written) else sorted(written, key=dump_canonical)

    def _dict(self, value: dict[Any, Any], hint: Any, depth: int) -> Any:
        key_hint, value_hint = mapping_hints(hint)
        if _is_object(value):
            return self._members(((key, value[key], value_hint) for key in sorted(value)), depth)
        pairs: list[list[Any]] = []
        for key, item in value.items():
            try:
                pairs.append([self._plain(key, key_hint, depth), self._plain(item, value_hint, depth)])
            except ForeignValueError as error:
                raise _below(f"[{type_name(key) if len(repr(key)) > 40 else repr(key)}]", error) from error.__cause__
        if _is_object([key for key, _ in pairs]):
            return dict(sorted(pairs))
        # Keys that are not equal may be written alike, as NaN is: then the values decide.
        return {"$dict": sorted(pairs, key=lambda pair: (dump_canonical(pair[0]), dump_canonical(pair[1])))}

    def _members(self, items: Iterable[tuple[str, Any, Any]], depth: int) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, value, hint in items:
            try:
                written[name] = self._plain(value, hint, depth)
            except ForeignValueError as error:
                raise _below(f"[{name!r}]", error) from error.__cause__
        return written

    def _metrics(self, value: Metrics, hint: Any, depth: int) -> Any:
        return {"$metrics": {name: write_float(value[name]) for name in sorted(value)}}

    def _named(self, value: Any, hint: Any, depth: int) -> Any:
        kind: Any = type(value)
        write = _NAMED_WRITERS.get(_classify(kind))
        if write is None:
            raise ForeignValueError.for_foreign(type_name(value), "", "JSON has no form for it")
        return write(self, value, hint, depth)

    def _class(self, value: Any) -> str:
        name = class_name(type(value))
        if self._classes is None:
            self._classes = named_classes(self._hint)
        if self._classes.get(name) is not type(value):
            raise ForeignValueError.for_foreign(type_name(value), "", "the annotation does not name its class")
        self._referred.add(name)
        return name

    def _fields(self, value: Any, names: Iterable[str], depth: int) -> dict[str, Any]:
        hints = field_hints(type(value))
        try:
            return self._members(((name, getattr(value, name), hints.get(name, Any)) for name in sorted(names)), depth)
        except AttributeError as error:
            raise ForeignValueError.for_foreign(type_name(value), "", f"a field is not set: {error}") from error

    def _enum(self, value: Enum, hint: Any, depth: int) -> Any:
        if isinstance(value, Flag):
            return {"$flag": [self._class(value), write_int(int(value.value))]}
        return {"$enum": [self._class(value), value.name]}

    def _dataclass(self, value: Any, hint: Any, depth: int) -> Any:
        names = [field.name for field in dataclasses.fields(value)]
        _check_state(value, names)
        return {"$dataclass": [self._class(value), self._fields(value, names, depth)]}

    def _named_tuple(self, value: Any, hint: Any, depth: int) -> Any:
        _check_state(value, ())
        return {"$namedtuple": [self._class(value), self._fields(value, value._fields, depth)]}

    def _model(self, value: Any, hint: Any, depth: int) -> Any:
        names = sorted(type(value).model_fields)
        _check_state(value, names)
        unset = [name for name in names if name not in value.model_fields_set]
        further = [value.__pydantic_extra__ or {}, value.__pydantic_private__ or {}]
        beside = [self._members(((name, part[name], Any) for name in sorted(part)), depth) for part in further]
        return {"$model": [self._class(value), self._fields(value, names, depth), unset, *beside]}

    def _path(self, value: Any, hint: Any, depth: int) -> Any:
        if self._trees is None:
            raise ForeignPathError.for_foreign(type_name(value), "", "it names a file or folder")
        return {"$path": self._trees.add(value)}

    def _scalar(self, value: Any, hint: Any, depth: int) -> Any:
        return self._plain(_python_number(value, hint), hint, depth)


def _are_texts(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {str}


def _is_object(keys: Collection[Any]) -> bool:
    """Whether a dict with these keys may be a JSON object: all are text, and it would not look like a tag."""
    return _are_texts(keys) and not (len(keys) == 1 and next(iter(keys)).startswith(MARK))


def _below(step: str, error: ForeignValueError) -> ForeignValueError:
    """Return `error` with its place in the value led by `step`."""
    (label, place), *rest = error.facts
    place = "" if place == "the value itself" else place
    return type(error)(error.message, ((label, step + place), *rest), error.hint)


def _check_state(value: Any, names: Collection[str]) -> None:
    """Refuse attributes beside the fields: a reader would not get them back. Cached properties are computed again."""
    for name in getattr(value, "__dict__", {}):
        known = name in names or name == "__orig_class__"
        if not known and not isinstance(getattr(type(value), name, None), cached_property):
            raise ForeignValueError.for_foreign(type_name(value), "", f"its attribute '{name}' is not a field")


@lru_cache(maxsize=1024)
def _classify(kind: Any) -> str:
    numpy = sys.modules.get("numpy")
    if issubclass(kind, Enum):
        return "enum"
    if issubclass(kind, PurePath):
        return "path"
    if numpy is not None and issubclass(kind, numpy.generic):
        return "scalar"
    if is_named_tuple(kind):
        return "named tuple"
    if is_pydantic(kind):
        return "model"
    if issubclass(kind, _CONTAINERS):
        return ""
    return "dataclass" if dataclasses.is_dataclass(kind) else ""


def _python_number(value: Any, hint: Any) -> Any:
    """Return a numpy scalar as the Python number that `hint` admits, or as the nearest one where it names none."""
    numpy = sys.modules["numpy"]
    admitted = origins(hint)
    if any(isinstance(cls, type) and issubclass(cls, numpy.generic) for cls in admitted):
        raise ForeignValueError.for_foreign(type_name(value), "", "its annotation is a numpy type")
    if isinstance(value, numpy.str_):
        return str(value)
    # A timedelta64 is an integer to numpy, but not to a person.
    number = isinstance(value, numpy.number | numpy.bool_) and not isinstance(value, numpy.timedelta64)
    plain = value.item() if number else None
    if type(plain) not in (bool, int, float, complex):
        raise ForeignValueError.for_foreign(type_name(value), "", "no Python number holds it exactly")
    return _as_admitted(plain, admitted)


def _as_admitted(plain: Any, admitted: tuple[Any, ...]) -> Any:
    """Widen a number to what is admitted; one that fits none stays, as the check of types is made elsewhere."""
    tower: tuple[type, ...] = (int, float, complex)
    if type(plain) is bool or type(plain) in admitted:
        return plain
    for wider in tower[tower.index(type(plain)) + 1 :]:
        if wider in admitted:
            return wider(plain)
    return plain


_Writer = Callable[[JsonWriter, Any, Any, int], Any]

_WRITERS: Final[dict[type, _Writer]] = {
    list: JsonWriter._list,
    tuple: JsonWriter._tuple,
    dict: JsonWriter._dict,
    set: JsonWriter._set,
    frozenset: JsonWriter._frozenset,
    Metrics: JsonWriter._metrics,
}

_NAMED_WRITERS: Final[dict[str, _Writer]] = {
    "enum": JsonWriter._enum,
    "dataclass": JsonWriter._dataclass,
    "named tuple": JsonWriter._named_tuple,
    "model": JsonWriter._model,
    "path": JsonWriter._path,
    "scalar": JsonWriter._scalar,
}
