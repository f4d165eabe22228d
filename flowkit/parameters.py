"""A pipeline's parameters: read from the command line and the configuration, shown, and kept for a later run.

A value given with `-p` beats a configured one beats the default. A relative `Path` given with `-p` starts in the
current folder and is made absolute; a configured or default one starts at the project's root and is left as it is.
"""

from __future__ import annotations

import binascii
import dataclasses
import datetime as dt
import enum
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowkit.authoring.intervals import Interval
from flowkit.authoring.pipeline import Pipeline, admits_interval
from flowkit.authoring.secrets import MASK, Secret
from flowkit.errors import ArgumentError, ParameterError
from flowkit.errors.wording import nearest_name
from flowkit.graph.typecheck import format_hint
from flowkit.records import ParameterSpecification
from flowkit.typed_shapes import holds_secret
from flowkit.typed_values import (
    MisfitError,
    UnsupportedError,
    absolute,
    adapter_of,
    bare,
    members_of,
    parse_json,
    read_data,
    read_interval,
    read_text,
)

UNKEPT = ""
"""Recorded in place of a value that no text can stand for."""

_CONFIGURED = "[tool.flowkit] params"
_RECORDED = "the recorded run"
_MEMBER = "member of the union"
_BYTES = "bytes"


def parse_parameters(
    pipeline: Pipeline[Any, Any], texts: Sequence[str], configured: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the typed value of every parameter of `pipeline`.

    Args:
        pipeline: Whose they are.
        texts: What `-p` was given: `C=0.5`, `ids=[1, 2]` (containers as JSON), `config=@file.json`.
        configured: Values by name as the configuration has them; those of other pipelines' parameters are left out.

    Raises:
        ArgumentError: A name is unknown, or a parameter without default was not given.
        ParameterError: A value is not of the annotated type, or a text is not `name=value`.
    """
    known = {parameter.name: parameter for parameter in pipeline.parameters}
    values = {
        name: _read_configured(pipeline, known[name], value)
        for name, value in (configured or {}).items()
        if name in known
    }
    for name, text in _split(texts).items():
        if name not in known:
            close = nearest_name(name, tuple(known))
            raise ArgumentError.for_unknown("pipeline", pipeline.name, name, tuple(known), close)
        values[name] = _read_given(pipeline, known[name], text)
    return pipeline.bind(**values)


def show_parameters(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in a form that JSON can hold, for reports: paths and other objects as texts."""
    return {name: _show(value) for name, value in values.items()}


def dump_parameters(pipeline: Pipeline[Any, Any], values: Mapping[str, Any]) -> dict[str, str]:
    """Return each value as a JSON text that `load_parameters` turns into the same value.

    What cannot be kept so is recorded as `UNKEPT`: never as something else.
    """
    return {parameter.name: _dump(values[parameter.name], parameter.hint) for parameter in pipeline.parameters}


def load_parameters(pipeline: Pipeline[Any, Any], recorded: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that `dump_parameters` kept; a parameter added since takes its default.

    Raises:
        ArgumentError: A recorded parameter is gone, or a new one has no default.
        ParameterError: A value does not fit today's annotation, or was not kept.
    """
    known = {parameter.name: parameter for parameter in pipeline.parameters}
    values: dict[str, Any] = {}
    for name, text in recorded.items():
        parameter = known.get(name)
        if parameter is None:
            # `bind` says which names there are.
            values[name] = None
        elif text != UNKEPT:
            values[name] = _read_recorded(pipeline, parameter, text)
        elif parameter.required:
            raise ParameterError.for_unkept(pipeline.name, name, format_hint(parameter.hint))
    return pipeline.bind(**values)


def _split(texts: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ParameterError.for_form(text)
        if name in given:
            raise ParameterError.for_repeated(name)
        given[name] = value
    return given


def _read_given(pipeline: Pipeline[Any, Any], parameter: ParameterSpecification, text: str) -> Any:
    if text.startswith("@") and text.endswith(".json"):
        return _read_file(pipeline, parameter, Path(text[1:]))
    try:
        if admits_interval(parameter.hint) and text not in ("null", "None"):
            return read_interval(text, pipeline.timetable.timezone)
        return read_text(text, parameter.hint)
    except MisfitError as error:
        raise _misfit(pipeline, parameter, text, f"-p {parameter.name}", str(error)) from None
    except UnsupportedError:
        raise ParameterError.for_unsupported(pipeline.name, parameter.name, format_hint(parameter.hint)) from None


def _read_file(pipeline: Pipeline[Any, Any], parameter: ParameterSpecification, path: Path) -> Any:
    origin = f"-p {parameter.name}"
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise _misfit(pipeline, parameter, f"@{path}", origin, f"file '{path}': {said}") from None
    try:
        return absolute(_read_by_hint(pipeline, parameter, data))
    except MisfitError as error:
        raise _misfit(pipeline, parameter, json.dumps(data), f"{origin}=@{path}", str(error)) from None
    except UnsupportedError:
        raise ParameterError.for_unsupported(pipeline.name, parameter.name, format_hint(parameter.hint)) from None


def _read_by_hint(pipeline: Pipeline[Any, Any], parameter: ParameterSpecification, value: Any) -> Any:
    if admits_interval(parameter.hint) and value is not None:
        return read_interval(value, pipeline.timetable.timezone)
    return read_data(value, parameter.hint)


def _read_configured(pipeline: Pipeline[Any, Any], parameter: ParameterSpecification, value: Any) -> Any:
    try:
        return _read_by_hint(pipeline, parameter, value)
    except MisfitError as error:
        raise _misfit(pipeline, parameter, repr(value), _CONFIGURED, str(error)) from None
    except UnsupportedError:
        raise ParameterError.for_unsupported(pipeline.name, parameter.name, format_hint(parameter.hint)) from None


def _read_recorded(pipeline: Pipeline[Any, Any], parameter: ParameterSpecification, text: str) -> Any:
    try:
        return _load(text, parameter.hint)
    except (MisfitError, UnsupportedError) as error:
        raise _misfit(pipeline, parameter, text, _RECORDED, str(error)) from None


def _misfit(
    pipeline: Pipeline[Any, Any], parameter: ParameterSpecification, given: str, origin: str, problem: str
) -> ParameterError:
    # Who gives a secret by its value instead of its name must not find it on the terminal.
    given = MASK if holds_secret(parameter.hint) else given
    return ParameterError.for_value(pipeline.name, parameter.name, format_hint(parameter.hint), given, origin, problem)


def _show(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return _show(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Secret):
        return value.name
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, Interval):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {str(key): _show(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_show(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_show(item) for item in value), key=repr)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _show(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(type(value), "model_fields"):
        return {name: _show(getattr(value, name)) for name in type(value).model_fields}
    return str(value)


def _dump(value: Any, hint: Any) -> str:
    """Return a JSON text that is read back as `value`; one that names the union's member where the text alone does not.

    A text is trusted only after it was read back.
    """
    hint = bare(hint)
    members = members_of(hint)
    candidates = [_write(value, hint)]
    if len(members) > 1:
        candidates += [
            json.dumps({_MEMBER: index, "value": text})
            for index, member in enumerate(members)
            if (text := _write(value, member))
        ]
    return next((text for text in candidates if text is not None and _gives_back(text, hint, value)), UNKEPT)


def _write(value: Any, hint: Any) -> str | None:
    if value is None or type(value) in (bool, int, float, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Path):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, enum.Enum):
        return json.dumps(value.name)
    if isinstance(value, (Interval, Secret)):
        return json.dumps(str(value) if isinstance(value, Interval) else value.name)
    if type(value) is bytes:
        return json.dumps({_BYTES: binascii.b2a_base64(value, newline=False).decode("ascii")})
    try:
        from pydantic_core import PydanticSerializationError

        return str(adapter_of(hint).dump_json(value, warnings="error").decode())
    except (UnsupportedError, PydanticSerializationError, ValueError, TypeError):
        return None


def _load(text: str, hint: Any) -> Any:
    hint = bare(hint)
    data = json.loads(text)
    members = members_of(hint)
    if len(members) > 1 and isinstance(data, dict) and data.keys() == {_MEMBER, "value"}:
        return _load(data["value"], members[data[_MEMBER]])
    if hint is bytes and isinstance(data, dict):
        return binascii.a2b_base64(data[_BYTES])
    if type(data) is int and hint is float:
        return data
    return read_data(data, hint)


def _gives_back(text: str, hint: Any, value: Any) -> bool:
    try:
        loaded = _load(text, hint)
    except (MisfitError, UnsupportedError):
        return False
    return type(loaded) is type(value) and (repr(loaded) == repr(value) or bool(loaded == value))
