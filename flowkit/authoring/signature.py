"""From a function's signature to specifications, and from a call to bound arguments."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from flowkit.authoring.types import UntrackedMarker
from flowkit.errors import ArgumentError, StepDefinitionError
from flowkit.errors.wording import nearest_name
from flowkit.records import RETURN, Location, OutputSpecification, ParameterSpecification

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def location_of(function: Callable[..., Any]) -> Location:
    """Return where a function is defined."""
    code = function.__code__
    return Location(code.co_filename, code.co_firstlineno)


def check_function(function: Any, noun: str) -> None:
    """Refuse what cannot be a step or pipeline: no plain function, async, a generator, a method, or not annotated.

    Args:
        function: What the decorator was put on.
        noun: `step` or `pipeline`, for the message.

    Raises:
        StepDefinitionError: It cannot be one; the message names it and says why.
    """
    name = getattr(function, "__qualname__", repr(function))
    where = str(location_of(function)) if inspect.isfunction(function) else None
    kind = _other_kind(function)
    if where is None or kind is not None:
        raise StepDefinitionError.for_kind(noun, name, kind or f"a {type(function).__name__}", where)
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in _NAMED:
            raise StepDefinitionError.for_parameter_kind(noun, name, str(parameter), where)
        if parameter.annotation is inspect.Parameter.empty:
            raise StepDefinitionError.for_missing_annotation(noun, name, f"parameter {parameter.name!r}", where)
    if inspect.signature(function).return_annotation is inspect.Signature.empty:
        raise StepDefinitionError.for_missing_annotation(noun, name, "the return value", where)


def _other_kind(function: Any) -> str | None:
    """Return what `function` is, where that is no plain function of a module."""
    if inspect.isclass(function):
        return "a class"
    if inspect.isbuiltin(function):
        return "a built-in function"
    if inspect.iscoroutinefunction(function):
        return "an async function"
    if inspect.isasyncgenfunction(function):
        return "an async generator"
    if inspect.isgeneratorfunction(function):
        return "a generator"
    outer, _, name = getattr(function, "__qualname__", "").rpartition(".")
    if name == "<lambda>":
        return "a lambda"
    is_method = inspect.isfunction(function) and outer and not outer.endswith("<locals>")
    return "a method" if is_method else None


def resolve_hints(function: Callable[..., Any], noun: str) -> dict[str, Any]:
    """Return the annotations as objects, with their `Annotated` extras.

    Raises:
        StepDefinitionError: A name in an annotation does not exist at run time.
    """
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError) as error:
        missing = getattr(error, "name", None) or str(error)
        raise StepDefinitionError.for_unresolved_annotation(
            noun, function.__qualname__, missing, str(location_of(function))
        ) from None
    except (SyntaxError, TypeError) as error:
        raise StepDefinitionError.for_unreadable_annotation(
            noun, function.__qualname__, str(error), str(location_of(function))
        ) from None


def parameters_of(function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[ParameterSpecification, ...]:
    """Return a specification for each parameter, in order."""
    return tuple(
        ParameterSpecification(parameter.name, hint, parameter.default, _is_untracked(hint))
        for parameter in inspect.signature(function).parameters.values()
        for hint in (hints[parameter.name],)
    )


def _is_untracked(hint: Any) -> bool:
    return typing.get_origin(hint) is Annotated and any(
        isinstance(extra, UntrackedMarker) for extra in typing.get_args(hint)[1:]
    )


def outputs_of(hint: Any) -> tuple[OutputSpecification, ...]:
    """Return the outputs that a whole return annotation declares.

    `tuple[A, B]`, a NamedTuple and a dataclass are several, each an artifact of its own; anything else is one.
    """
    if typing.get_origin(hint) is tuple:
        arguments = typing.get_args(hint)
        if arguments and arguments[-1] is not Ellipsis:
            return tuple(OutputSpecification(str(index), item) for index, item in enumerate(arguments))
    if isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        fields = typing.get_type_hints(hint, include_extras=True)
        return tuple(OutputSpecification(name, fields.get(name, Any)) for name in hint._fields)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        fields = typing.get_type_hints(hint, include_extras=True)
        return tuple(OutputSpecification(field.name, fields[field.name]) for field in dataclasses.fields(hint))
    return (OutputSpecification(RETURN, hint),)


def bind_arguments(
    noun: str,
    name: str,
    parameters: Sequence[ParameterSpecification],
    positional: Sequence[Any],
    keyword: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the call's arguments by parameter, defaults applied, in the order of the signature.

    Raises:
        ArgumentError: Too many, unknown or missing arguments; an unknown one comes with the nearest name.
    """
    names = [parameter.name for parameter in parameters]
    if len(positional) > len(names):
        raise ArgumentError.for_too_many(noun, name, len(names), len(positional))
    given = dict(zip(names, positional, strict=False))
    for key, value in keyword.items():
        if key not in names:
            raise ArgumentError.for_unknown(noun, name, key, names, nearest_name(key, names))
        if key in given:
            raise ArgumentError.for_repeated(noun, name, key)
        given[key] = value
    missing = [parameter.name for parameter in parameters if parameter.name not in given and parameter.required]
    if missing:
        raise ArgumentError.for_missing(noun, name, missing)
    return {parameter.name: given.get(parameter.name, parameter.default) for parameter in parameters}
