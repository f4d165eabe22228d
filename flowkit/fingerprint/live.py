"""What a class that a library made holds by now: what its text says only together with what its names meant then.

The same text makes another class in each call of a factory, in each turn of a loop, and in a cell that is run again.
Libraries also keep caches on a class, which fill as it is used: those are left out, by the library's own layout.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Collection, Iterator
from functools import cached_property, partialmethod
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from flowkit.fingerprint.callables import cell_contents, is_project_code
from flowkit.fingerprint.context import Context
from flowkit.fingerprint.ownership import Owner
from flowkit.fingerprint.shown import show_value
from flowkit.fingerprint.tokens import Tokens, digest_named, text
from flowkit.fingerprint.values import ValueEncoder, join

PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None), list, tuple, dict, set, frozenset})
_SCALAR = PLAIN - {list, tuple, dict, set, frozenset}
_ABSTRACT = "_abc_impl"
_FIELDS = ("__pydantic_fields__", "model_fields")
_CONFIG = ("model_config", "__pydantic_config__")
_PYDANTIC = frozenset({"model_config", "model_fields", "model_computed_fields"})
_USUAL = frozenset({"metadata", "repr"})
_DECORATED = (
    "validators",
    "field_validators",
    "root_validators",
    "model_validators",
    "field_serializers",
    "model_serializers",
)
_COLUMN = ("primary_key", "nullable", "unique", "index", "autoincrement")
_DEFAULTS = ("default", "onupdate", "server_default", "server_onupdate")


class Held(NamedTuple):
    """Something that a class holds, by a name that people understand."""

    name: str
    value: Any


def live_tokens(encoder: ValueEncoder, kind: type, body: CodeType | None) -> tuple[Tokens, list[str]]:
    """Return the tokens of what a class holds, and a line for people about each thing.

    Args:
        encoder: Turns what is found into tokens.
        kind: The class.
        body: The code of its body, whose functions count as they are written; None where it has none.
    """
    return _tokens_of(encoder, kind, [*_data(encoder.context, kind, body), *_of_library(kind)])


def pydantic_tokens(encoder: ValueEncoder, kind: type) -> tuple[Tokens, list[str]]:
    """Return the same of what pydantic made of a class that is a dataclass for the rest of Python."""
    return _tokens_of(encoder, kind, list(_of_pydantic(kind))) if is_of_pydantic(kind) else ([], [])


def is_of_pydantic(kind: type) -> bool:
    """Whether pydantic tells a class's fields."""
    return "__pydantic_decorators__" in kind.__dict__


def is_pydantic_generic(kind: type) -> bool:
    """Whether a class is a generic model of pydantic with arguments, which has no text of its own."""
    return _generic(kind).get("origin") is not None


def _generic(kind: type) -> dict[str, Any]:
    found: dict[str, Any] = kind.__dict__.get("__pydantic_generic_metadata__") or {}
    return found


def _tokens_of(encoder: ValueEncoder, kind: type, items: list[Held]) -> tuple[Tokens, list[str]]:
    parts, shown = [], []
    for item in items:
        if _is_needed(encoder.context, item.value):
            found: Tokens | None = encoder.guarded(f"{kind.__module__}:{kind.__qualname__}.{item.name}", item.value)
        else:
            found = encoder.attempt(item.value)
        if found is None:
            continue
        parts.append([text(b"n", item.name), *found])
        if isinstance(found[0], bytes) and not list(_functions(item.value)):
            shown.append(f"# with {item.name} = {_show(item, found)}")
    return (join(b"L", parts), shown) if parts else ([], [])


def _is_needed(context: Context, value: Any) -> bool:
    """Whether a step cannot be cached without a value's encoding; for other libraries' objects the text has to do."""
    is_known = type(value) in PLAIN or _library_of(type(value)) in ("pandera", "pydantic")
    return is_known or is_project_code(context, value)


def _show(item: Held, tokens: Tokens) -> str:
    """Return a value as text, with a digest where the text may be the same for two that differ."""
    written = show_value(item.value, item.name)
    return f"{written} ({digest_named(tokens).hex()[:12]})" if "<" in written else written


def _data(context: Context, kind: type, body: CodeType | None) -> Iterator[Held]:
    """Yield the methods of which the text does not say all, and the data on the class."""
    written = [constant for constant in body.co_consts if isinstance(constant, CodeType)] if body is not None else []
    named = body.co_names if body is not None else ()
    for name, value in sorted(kind.__dict__.items()):
        if name.startswith("__") and name.endswith("__") and not isinstance(value, _FUNCTION_LIKE):
            continue
        if name == _ABSTRACT or name in _PYDANTIC:
            continue
        functions = list(_functions(value))
        if functions:
            is_said = all(_is_written(item, written) or _is_mappers(item) for item in functions)
            if not is_said and is_project_code(context, value):
                yield Held(name, value)
        elif _counts(context, kind, name, value, named):
            yield Held(name, value)


_FUNCTION_LIKE = (FunctionType, staticmethod, classmethod, property, cached_property, partialmethod)


def _functions(value: Any) -> Iterator[FunctionType]:
    """Yield the functions that an attribute is made of."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, (staticmethod, classmethod)):
        yield from _functions(value.__func__)
    elif isinstance(value, property):
        for function in (value.fget, value.fset, value.fdel):
            yield from _functions(function)
    elif isinstance(value, (cached_property, partialmethod)):
        yield from _functions(value.func)


def _is_written(function: FunctionType, written: Collection[CodeType]) -> bool:
    """Whether a function is as the body's text has it, and holds nothing that the text does not tell."""
    if function.__code__ not in written or function.__defaults__ or function.__kwdefaults__ or function.__dict__:
        return False
    return all(name == "__class__" for name, _ in cell_contents(function))


def _is_mappers(function: FunctionType) -> bool:
    """Whether SQLAlchemy generated a method, which looks like nobody's own."""
    return str(function.__globals__.get("__name__")).partition(".")[0] == "sqlalchemy"


def _counts(context: Context, kind: type, name: str, value: Any, named: Collection[str]) -> bool:
    """Whether an attribute is the class's own data rather than a table that its library keeps there."""
    if _library_of(type(value)) == "sqlalchemy":
        return False
    if not name.startswith("_") or is_of_pydantic(kind) or name in named:
        return True
    return type(value) in _SCALAR or context.owner_of_class(type(value)) is Owner.PROJECT


def _library_of(kind: type) -> str:
    return str(kind.__module__).partition(".")[0]


def _of_library(kind: type) -> Iterator[Held]:
    if is_of_pydantic(kind):
        yield from _of_pydantic(kind)
    for table in _tables(kind):
        yield from _of_table(table)


def _tables(kind: type) -> Iterator[Any]:
    """Yield the table that SQLAlchemy mapped a class to; of a base all that were declared on it."""
    for value in kind.__dict__.values():
        name = type(value).__name__ if _library_of(type(value)) == "sqlalchemy" else ""
        if name == "MetaData":
            yield from [value.tables[key] for key in sorted(value.tables)]
        elif name == "Table":
            yield value


def _of_pydantic(kind: type) -> Iterator[Held]:
    state = kind.__dict__
    fields: dict[str, Any] = next((state[name] for name in _FIELDS if isinstance(state.get(name), dict)), {})
    unresolved = _unresolved(kind)
    for name, field in fields.items():
        for attribute in sorted(type(field).__slots__):
            value = getattr(field, attribute, None)
            if attribute == "annotation" and name not in unresolved:
                continue
            is_usual = value is None or (attribute in _USUAL and value in ([], True))
            if not attribute.startswith("_") and not is_usual and not _is_undefined(value):
                yield Held(f"{name}.{attribute}", value)
    for name in _CONFIG:
        if state.get(name):
            yield Held(name, state[name])
    for name, private in sorted((state.get("__private_attributes__") or {}).items()):
        for attribute in ("default", "default_factory"):
            value = getattr(private, attribute, None)
            if value is not None and not _is_undefined(value):
                yield Held(f"{name}.{attribute}", value)
    for group in _DECORATED:
        for name, decorated in sorted(getattr(state["__pydantic_decorators__"], group, {}).items()):
            # What else it holds leads back to the class, by its address.
            yield Held(f"{name} of {group}", decorated.info)
    if is_pydantic_generic(kind):
        yield Held("the generic model", _generic(kind)["origin"])
        yield Held("the arguments", tuple(_generic(kind)["args"]))


def _is_undefined(value: Any) -> bool:
    return type(value).__name__ == "PydanticUndefinedType"


def _unresolved(kind: type) -> frozenset[str]:
    """Return the fields whose annotation is a text with a meaning that only pydantic was told."""
    hints = inspect.get_annotations(kind)
    texts = frozenset(name for name, hint in hints.items() if isinstance(hint, str))
    if not texts:
        return texts
    try:
        typing.get_type_hints(kind)
    except Exception:  # noqa: BLE001  (an annotation is any expression)
        return texts
    return frozenset()


def _of_table(table: Any) -> Iterator[Held]:
    """Yield what SQLAlchemy's columns were declared with; the table itself fills with caches."""
    name = str(table.fullname)
    yield Held("table", name)
    for column in table.columns:
        place = f"{name}.{column.name}"
        flags = [str(getattr(column, flag, None)) for flag in _COLUMN]
        keys = sorted(str(key.target_fullname) for key in column.foreign_keys)
        yield Held(place, (str(column.key), repr(column.type), flags, keys))
        for given in _DEFAULTS:
            default = getattr(column, given, None)
            if default is not None:
                yield Held(f"{place}.{given}", _behind_context(getattr(default, "arg", None)))


def _behind_context(function: Any) -> Any:
    """Return the function that SQLAlchemy wrapped to take a context."""
    return getattr(function, "__wrapped__", function)
