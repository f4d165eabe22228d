"""A project function's share of a fingerprint: its code, what it was made with, and all that it refers to."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

from flowkit.fingerprint.accessors import accessor_tokens, check_tokens
from flowkit.fingerprint.callables import EMPTY, cell_contents
from flowkit.fingerprint.context import Context
from flowkit.fingerprint.effects import imported_for_effect
from flowkit.fingerprint.resolve import reference_tokens
from flowkit.fingerprint.shown import UNCHANGING, show_value
from flowkit.fingerprint.syntax import constant_bytes
from flowkit.fingerprint.tokens import Body, Tokens, mark, text
from flowkit.fingerprint.values import PLAIN, ValueEncoder, join
from flowkit.fingerprint.watched import behind_watch

Named = tuple[str, Any]
"""A name and what it stands for."""


def function_body(encoder: ValueEncoder, function: FunctionType) -> Body:
    """Return what a project function contributes."""
    if function.__dict__.get("__beartype_wrapper") is True and "__wrapped__" in function.__dict__:
        return _checked_body(encoder, function)
    context = encoder.context
    code = context.known.digest(function, context.docstrings)
    references = context.known.references(function.__code__, function.__globals__)
    context.note_reads(references.reads)
    name = f"{function.__globals__.get('__name__')}:{function.__qualname__}"
    cells = cell_contents(function)
    untracked = context.untracked.get(id(function), frozenset())
    defaults = _named_defaults(function)
    tokens: Tokens = [text(b"F", code.basis), code.digest]
    tokens += _defaults(encoder, defaults, untracked, name)
    tokens += join(b"c", [_cell(encoder, name, variable, value) for variable, value in cells])
    tokens += _attributes(encoder, function, name)
    tokens += reference_tokens(encoder, references, function.__globals__, dict(cells))
    tokens += accessor_tokens(encoder, references.names)
    tokens += check_tokens(encoder, references.words)
    tokens += _own_module(context, function)
    if context.docstrings:
        tokens.append(text(b"d", str(function.__doc__)))
    if context.annotations_count:
        tokens += annotation_tokens(encoder, function, name)
    if context.sources_count:
        tokens.append(text(b"s", code.written()))
    shown = [(name, value) for name, value in defaults if name not in untracked]
    return Body(code.basis, tokens, _show(code.written, shown, cells, function.__dict__))


def _show(
    written: Callable[[], str], defaults: Sequence[Named], cells: Sequence[Named], attributes: dict[str, Any]
) -> str | Callable[[], str]:
    """Return a function's text with what counts and does not stand in it: what it closes over, and its defaults.

    Where no value in it can change any more it is put together later.
    """
    held = [f"# with {name} = {show_value(value, name)}" for name, value in cells if value is not EMPTY]
    given = [
        f"# with attribute {name} = {show_value(value, name)}"
        for name, value in sorted(attributes.items())
        if name != "__wrapped__"
    ]
    show = partial(_put_together, written, held, defaults, given)
    return show if UNCHANGING.issuperset([type(value) for _, value in defaults]) else show()


def _put_together(written: Callable[[], str], held: list[str], defaults: Sequence[Named], given: list[str]) -> str:
    source = written()
    shown = [(name, show_value(value, name)) for name, value in defaults]
    lines = [f"# with default {name} = {text}" for name, text in shown if text not in source]
    return "\n".join((source, *held, *lines, *given))


def _named_defaults(function: FunctionType) -> list[Named]:
    """Return (parameter, value) of a function's defaults: the positional ones, then those by keyword in order."""
    values, by_keyword = function.__defaults__ or (), function.__kwdefaults__
    if not values and not by_keyword:
        return []
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    positional = zip(names[len(names) - len(values) :], values, strict=True)
    return [*positional, *sorted((by_keyword or {}).items())]


def _checked_body(encoder: ValueEncoder, function: FunctionType) -> Body:
    """Return what a function contributes that beartype generated around another one.

    Its code names objects by their addresses. It follows from the annotations and from how beartype was configured.
    """
    name = f"{function.__globals__.get('__name__')}:{function.__qualname__}"
    configuration = (function.__kwdefaults__ or {}).get("__beartype_conf")
    wrapped = function.__dict__["__wrapped__"]
    tokens: Tokens = [text(b"F", "beartype"), *encoder.guarded(f"how {name} is checked", configuration)]
    tokens += encoder.guarded(f"what {name} stands around", wrapped)
    tokens += annotation_tokens(encoder, function, name)
    tokens += annotation_tokens(encoder, wrapped, name)
    return Body("ast", tokens, f"# {function.__qualname__} checked by beartype\n# with {configuration!r}")


def _own_module(context: Context, function: FunctionType) -> Tokens:
    namespace = function.__globals__
    name = namespace.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is None or module.__dict__ is not namespace:
        return []
    context.note_module(module.__name__)
    effects = imported_for_effect(context, module)
    return [context.module(found) for found in effects] if effects else []


def _defaults(encoder: ValueEncoder, defaults: Sequence[Named], untracked: frozenset[str], name: str) -> Tokens:
    parts: list[Tokens] = []
    for parameter, value in defaults:
        if parameter in untracked:
            shown: Tokens = [mark(b"u")]
        elif type(value) in PLAIN:
            shown = [constant_bytes(value)]
        else:
            shown = encoder.guarded(f"default {parameter!r} of {name}", value)
        parts.append([text(b"n", parameter), *shown])
    return join(b"D", parts)


def _cell(encoder: ValueEncoder, name: str, variable: str, value: Any) -> Tokens:
    if value is EMPTY:
        return [text(b"n", variable), mark(b"e")]
    if isinstance(value, ModuleType):
        # What is read from it counts with the references.
        return [text(b"n", variable), mark(b"m")]
    return [text(b"n", variable), *encoder.guarded(f"variable {variable!r} that {name} closes over", value)]


def _attributes(encoder: ValueEncoder, function: FunctionType, name: str) -> Tokens:
    attributes = function.__dict__
    if not attributes:
        return []
    parts = [
        [text(b"n", key), *encoder.guarded(f"attribute {key!r} of {name}", value)]
        for key, value in sorted(attributes.items())
    ]
    found = join(b"A", parts)
    wrapped = attributes.get("__wrapped__")
    if wrapped is not None:
        # A wrapper may act on annotations: those of both count, as they are now.
        found += annotation_tokens(encoder, function, name)
        found += annotation_tokens(encoder, wrapped, name)
    return found


def annotation_tokens(encoder: ValueEncoder, value: Any, name: str) -> Tokens:
    """Return the tokens of a function's or class's own annotations as objects, or as written where that fails."""
    value = behind_watch(value)
    raw: Any = inspect.get_annotations(value) if isinstance(value, type) else _annotations_of(value)
    if not raw:
        return []
    if any(isinstance(hint, str) for hint in raw.values()):
        resolved = _resolve_hints(typing.get_type_hints, value)
        raw = {key: resolved.get(key, hint) for key, hint in raw.items()}
    parts = [[text(b"n", key), *encoder.guarded(f"annotation {key!r} of {name}", hint)] for key, hint in raw.items()]
    return join(b"N", parts)


def _annotations_of(value: Any) -> Any:
    return getattr(value, "__annotations__", None) or {}


def _resolve_hints(resolve: Callable[..., dict[str, Any]], value: Any) -> dict[str, Any]:
    try:
        return resolve(value, include_extras=True)
    except Exception:  # noqa: BLE001  (an annotation is any expression; what has no meaning counts as it is written)
        return {}
