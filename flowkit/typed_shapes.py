"""What pydantic would pass over in silence: keys that no field has, and true or false where a number is annotated."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Union

from flowkit.authoring.secrets import Secret
from flowkit.errors.wording import nearest_name

_NUMBERS = (int, float, complex)


def find_surprise(data: Any, hint: Any) -> str | None:
    """Say what in a piece of JSON or TOML would be dropped or changed when it is read as `hint`; None for nothing.

    Args:
        data: Lists, dicts and scalars.
        hint: The annotation.
    """
    return next(_surprises(data, hint, ""), None)


def holds_secret(hint: Any) -> bool:
    """Whether a value of this annotation may hold a secret, as far as annotations tell."""
    return _holds_secret(hint, set())


def _surprises(data: Any, hint: Any, place: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        yield from _surprises(data, arguments[0], place)
    elif origin in (Union, types.UnionType):
        yield from _surprises_of_union(data, arguments, place)
    elif isinstance(data, bool):
        if hint in _NUMBERS:
            yield f"{_at(place)}it is {str(data).lower()}, not a number"
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _surprises(item, _hint_at(origin, arguments, index), f"{place}[{index}]")
    elif isinstance(data, Mapping):
        yield from _surprises_of_mapping(data, hint, arguments, place)


def _surprises_of_union(data: Any, members: tuple[Any, ...], place: str) -> Iterator[str]:
    """Yield what is wrong in every member's eyes: the first complaint of the last one."""
    complaints = [next(_surprises(data, member, place), None) for member in members if member is not type(None)]
    if complaints and all(complaints) and None not in complaints:
        yield str(complaints[-1])


def _surprises_of_mapping(data: Mapping[Any, Any], hint: Any, arguments: tuple[Any, ...], place: str) -> Iterator[str]:
    fields = _fields_of(hint)
    if fields is None:
        for key, item in data.items():
            yield from _surprises(item, arguments[1] if len(arguments) == 2 else Any, f"{place}.{key}")
        return
    for key, item in data.items():
        if key in fields:
            yield from _surprises(item, fields[key], f"{place}.{key}")
            continue
        close = nearest_name(str(key), tuple(fields))
        remedy = f"did you mean {close!r}?" if close else f"it has {', '.join(fields) or 'none'}"
        yield f"{_at(place)}there is no field {key!r}; {remedy}"


def _fields_of(hint: Any) -> dict[str, Any] | None:
    """Return the annotations of a dataclass's, model's or typed dict's fields by every key that they are read from.

    None where other keys are not dropped in silence, or nothing is known of them.
    """
    if not isinstance(hint, type):
        return None
    if dataclasses.is_dataclass(hint):
        hints = _hints_of(hint)
        return {field.name: hints.get(field.name, Any) for field in dataclasses.fields(hint) if field.init}
    if issubclass(hint, dict) and hasattr(hint, "__total__"):
        return _hints_of(hint)
    models = getattr(hint, "model_fields", None)
    if not isinstance(models, dict) or getattr(hint, "model_config", {}).get("extra") == "allow":
        return None
    found: dict[str, Any] = {}
    for name, field in models.items():
        for key in (name, field.alias, field.validation_alias):
            if isinstance(key, str):
                found[key] = field.annotation
            elif key is not None:
                # A path or a choice of several: pydantic alone knows which keys these are.
                return None
    return found


def _hints_of(hint: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(hint, include_extras=True)
    except (NameError, AttributeError, TypeError):
        # A name that is not there at run time: the fields' names are all that counts then.
        return dict.fromkeys(getattr(hint, "__annotations__", {}), Any)


def _hint_at(origin: Any, arguments: tuple[Any, ...], index: int) -> Any:
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return arguments[index] if index < len(arguments) else Any
    return arguments[0] if arguments else Any


def _at(place: str) -> str:
    return f"at {place.lstrip('.')}: " if place else ""


def _holds_secret(hint: Any, seen: set[Any]) -> bool:
    origin = typing.get_origin(hint) or hint
    if origin is Secret:
        return True
    if isinstance(origin, type):
        if origin in seen:
            return False
        seen.add(origin)
    inner = [*typing.get_args(hint), *(_fields_of(origin) or {}).values()]
    return any(_holds_secret(item, seen) for item in inner)
