"""One text, or one piece of JSON or TOML, to a value of an annotated type.

Plain annotations (int, float, bool, str, Path, None, enums, literals and unions of them) are judged here; every other
one by pydantic, which is loaded only then. A value that does not fit raises `MisfitError` with the reason.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Union

from flowkit.authoring.intervals import Interval
from flowkit.authoring.secrets import Secret
from flowkit.authoring.types import UntrackedMarker
from flowkit.errors import IntervalError, SecretUseError
from flowkit.graph.arguments import replace_leaves
from flowkit.typed_shapes import find_surprise

_NOTHING = frozenset({"null", "None"})
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class MisfitError(ValueError):
    """A value that is not of the annotated type; the message is the reason, empty where the type says it all."""


class UnsupportedError(TypeError):
    """An annotated type whose values no text can stand for."""


def read_text(text: str, hint: Any) -> Any:
    """Return the value that a person's `text` stands for; containers are written as JSON, bytes as UTF-8 text.

    A `Path` is made absolute from the current folder.

    Raises:
        MisfitError: It is not of the type.
        UnsupportedError: No text can be of the type.
    """
    hint = bare(hint)
    members = members_of(hint)
    if len(members) > 1:
        return _read_union(text, members)
    if typing.get_origin(hint) is Secret:
        return _read_secret(text)
    reader = _TEXT_READERS.get(hint) if isinstance(hint, type) else None
    if reader is not None:
        return reader(text)
    if typing.get_origin(hint) is typing.Literal:
        return _pick(text, {str(one): one for one in typing.get_args(hint)})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _pick(text, _names_of(hint))
    if hint is Any or hint is object:
        return _json_or_text(text)
    return absolute(_read_with_pydantic(text, hint))


def read_data(value: Any, hint: Any) -> Any:
    """Return the value that a piece of JSON or TOML stands for; a `Path` stays relative.

    Raises:
        MisfitError: It is not of the type.
        UnsupportedError: No data can be of the type.
    """
    hint = bare(hint)
    members = members_of(hint)
    if len(members) > 1:
        return _first_fitting(partial(_read_one, value, member) for member in _exact_first(value, members))
    return _read_one(value, hint)


def bare(hint: Any) -> Any:
    """Return an annotation without flowkit's own marks; what else annotates it, such as a constraint, stays."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, *extras = typing.get_args(hint)
        if all(isinstance(extra, UntrackedMarker) for extra in extras):
            return bare(inner)
    return hint


def members_of(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the annotation alone."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        return tuple(bare(member) for member in typing.get_args(hint))
    return (hint,)


def absolute(value: Any) -> Any:
    """Return `value` with every `Path` in it, in containers too, made absolute from the current folder."""
    if hasattr(type(value), "model_fields"):
        fields = {name: absolute(getattr(value, name)) for name in type(value).model_fields}
        return value.model_copy(
            update={name: item for name, item in fields.items() if item is not getattr(value, name)}
        )
    return replace_leaves(value, lambda item, _: _absolute_path(item) if isinstance(item, Path) else item)


def adapter_of(hint: Any) -> Any:
    """Return pydantic's adapter for an annotation, which keeps infinities and bytes through JSON.

    Raises:
        UnsupportedError: pydantic does not know the type.
    """
    from pydantic import ConfigDict, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

    config = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="base64", val_json_bytes="base64")
    try:
        return TypeAdapter(hint, config=config)
    except PydanticSchemaGenerationError as error:
        raise UnsupportedError from error
    except PydanticUserError:
        # A model or dataclass has a configuration of its own, and takes no other.
        try:
            return TypeAdapter(hint)
        except PydanticUserError as error:
            raise UnsupportedError from error


def _read_whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        digits = len(text.strip().lstrip("+-"))
        long = text.strip().lstrip("+-").isdecimal()
        raise MisfitError(f"it has {digits} digits, too many" if long else "it is not a whole number") from None


def _read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise MisfitError("it is not a number") from None


def _read_flag(text: str) -> bool:
    try:
        return _BOOLEANS[text.strip().lower()]
    except KeyError:
        raise MisfitError("write true or false") from None


def _read_nothing(text: str) -> None:
    if text not in _NOTHING:
        raise MisfitError("write null")


def _read_path(text: str) -> Path:
    if not text:
        raise MisfitError("it is empty")
    return _absolute_path(Path(text))


def _absolute_path(path: Path) -> Path:
    if "\0" in str(path):
        raise MisfitError("a path cannot have a NUL in it")
    try:
        return Path(os.path.abspath(path.expanduser()))
    except RuntimeError:
        raise MisfitError(f"there is no user {path.parts[0].removeprefix('~')!r} with a home folder") from None


def _read_secret(value: Any) -> Secret[str]:
    try:
        return Secret(value)
    except SecretUseError as error:
        raise MisfitError(error.message) from None


def read_interval(value: Any, timezone: str = "UTC") -> Interval:
    """Return the interval of an ISO 8601 text, or of a TOML date; days are those of `timezone`.

    Raises:
        MisfitError: It is none.
    """
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = value.isoformat()
    if not isinstance(value, str):
        raise MisfitError(f"it is of type {type(value).__name__}")
    try:
        return Interval.parse(value, timezone)
    except IntervalError as error:
        raise MisfitError(error.hint) from None


_TEXT_READERS: Mapping[type, Callable[[str], Any]] = {
    int: _read_whole,
    float: _read_number,
    bool: _read_flag,
    str: lambda text: text,
    bytes: lambda text: text.encode("utf-8", "surrogateescape"),
    Interval: read_interval,
    Secret: _read_secret,
    Path: _read_path,
    types.NoneType: _read_nothing,
}


def _read_union(text: str, members: tuple[Any, ...]) -> Any:
    """Return the first member's reading that fits; None before all others, and str, which takes anything, last."""
    ordered = sorted(members, key=lambda member: 0 if member is types.NoneType else 2 if member is str else 1)
    return _first_fitting(partial(read_text, text, member) for member in ordered)


def _first_fitting(attempts: Iterable[Callable[[], Any]]) -> Any:
    problems = []
    for attempt in attempts:
        try:
            return attempt()
        except MisfitError as error:
            problems.append(str(error))
    raise MisfitError(problems[-1] if len(problems) <= 2 else "")


def _pick(text: str, choices: Mapping[str, Any]) -> Any:
    try:
        return choices[text]
    except KeyError:
        raise MisfitError(f"it is none of {', '.join(choices)}") from None


def _names_of(kind: type[enum.Enum]) -> dict[str, enum.Enum]:
    """Return an enum's members by the texts they can be given as: values, and names where no value is spelt so."""
    by_value = {str(member.value): member for member in kind}
    return by_value | {name: member for name, member in kind.__members__.items() if name not in by_value}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise MisfitError("it is nested too deeply") from None
    except ValueError:
        return text


def _read_with_pydantic(text: str, hint: Any) -> Any:
    adapter = adapter_of(hint)
    if text.lstrip()[:1] in ("[", "{", '"'):
        surprise = find_surprise(parse_json(text), hint)
        if surprise is not None:
            raise MisfitError(surprise)
        return _validated(adapter.validate_json, text)
    return _validated(adapter.validate_strings, text)


def parse_json(text: str) -> Any:
    """Return what a JSON text holds.

    Raises:
        MisfitError: It is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise MisfitError("it is nested too deeply") from None
    except ValueError as error:
        raise MisfitError(f"it is not JSON, {error}") from None


def _validated(validate: Callable[[Any], Any], value: Any) -> Any:
    from pydantic import ValidationError

    try:
        return validate(value)
    except ValidationError as error:
        raise MisfitError(_describe(error)) from None


def _describe(error: Any) -> str:
    lines = [
        (f"at {'.'.join(map(str, detail['loc']))}: " if detail["loc"] else "") + detail["msg"]
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "\n".join(lines[:3] + ([f"and {len(lines) - 3} more"] if len(lines) > 3 else []))


def _read_one(value: Any, hint: Any) -> Any:
    if hint in (int, float, bool, str, types.NoneType):
        return _read_scalar(value, hint)
    if hint is Path:
        return _as_path(_read_scalar(value, str))
    if hint is bytes and isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if hint is Interval:
        return read_interval(value)
    if hint is Secret or typing.get_origin(hint) is Secret:
        return _read_secret(value)
    if typing.get_origin(hint) is typing.Literal:
        return _pick_exact(value, {repr(one): one for one in typing.get_args(hint)})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _pick(str(value), _names_of(hint))
    if hint is Any or hint is object:
        return value
    surprise = find_surprise(value, hint)
    if surprise is not None:
        raise MisfitError(surprise)
    return _validated(adapter_of(hint).validate_python, value)


def _as_path(text: str) -> Path:
    if "\0" in text:
        raise MisfitError("a path cannot have a NUL in it")
    return Path(text)


def _read_scalar(value: Any, hint: Any) -> Any:
    if type(value) is hint:
        return value
    if hint is float and type(value) is int:
        return float(value)
    raise MisfitError(f"it is of type {type(value).__name__}")


def _pick_exact(value: Any, choices: Mapping[str, Any]) -> Any:
    return _pick(repr(value), choices)


def _exact_first(value: Any, members: tuple[Any, ...]) -> list[Any]:
    return sorted(members, key=lambda member: type(value) is not member)
