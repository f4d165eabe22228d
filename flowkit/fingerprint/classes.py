"""A project class's share of a fingerprint: bases, members, data; its text where a library's metaclass made it."""

from __future__ import annotations

import abc
import ast
import dataclasses
import enum
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GenericAlias,
    MethodDescriptorType,
    MethodType,
    UnionType,
    WrapperDescriptorType,
)
from typing import Any

from flowkit.fingerprint.accessors import check_tokens
from flowkit.fingerprint.callables import is_project_code, project_subclasses
from flowkit.fingerprint.cells import cells_of
from flowkit.fingerprint.context import Context
from flowkit.fingerprint.decorators import DecoratorJudge
from flowkit.fingerprint.freshness import is_as_imported
from flowkit.fingerprint.functions import annotation_tokens
from flowkit.fingerprint.live import PLAIN, is_of_pydantic, is_pydantic_generic, live_tokens, pydantic_tokens
from flowkit.fingerprint.ownership import Owner, file_of
from flowkit.fingerprint.resolve import reference_tokens
from flowkit.fingerprint.shown import show_value
from flowkit.fingerprint.source import SourceFile, first_line
from flowkit.fingerprint.syntax import canonical_syntax
from flowkit.fingerprint.tokens import Body, Tokens, mark, text, values_in
from flowkit.fingerprint.values import ValueEncoder, join

# Of the names that Python and libraries give to a class, these say nothing that does not count elsewhere.
_SKIPPED = frozenset({"_abc_impl", "__abstractmethods__", "__dict__", "__weakref__", "__doc__", "__annotations__"})
_SKIPPED |= {"__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__dataclass_fields__"}
# `copyreg` leaves the names of slots on a class when an object of it is first taken apart.
_SKIPPED |= {"__parameters__", "__non_callable_proto_members__", "__annotations_cache__", "__slotnames__"}
_TOOLS = ("__pydantic_", "__attrs_", "__dataclass_")
"""How the names of what libraries keep on a class begin; of pydantic's and dataclasses' what says something counts."""
_TABLES = frozenset({"__signature__", "__annotate__", "__annotate_func__", "__conditional_annotations__"})
_COUNTING = frozenset({"__slots__", "__match_args__", "__hash__"})
_FUNCTION_LIKE = (FunctionType, staticmethod, classmethod, property, cached_property)
_OPERATORS: tuple[type, ...] = (
    BuiltinFunctionType,
    MethodType,
    MethodDescriptorType,
    WrapperDescriptorType,
    partial,
)
_CODE_LIKE = (*_FUNCTION_LIKE, *_OPERATORS)
_dump_of_abc: Any = abc._get_dump  # type: ignore[attr-defined]
_ORDERINGS = ("__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__")
_PROTOCOL = frozenset({"__init__", "__subclasshook__"})
_GENERATED = frozenset(
    {*_ORDERINGS, "__init__", "__repr__", "__setattr__", "__delattr__", "__replace__", "__getstate__", "__setstate__"}
)


_MADE_BY_DATACLASS = frozenset({"__hash__", "__match_args__"})
_USUAL = {"init": True, "repr": True, "eq": True, "order": False, "unsafe_hash": False, "frozen": False}
"""What `dataclass` is told, with its defaults."""

_LONGEST_HINT = 200


def class_body(encoder: ValueEncoder, kind: type) -> Body:
    """Return what a project class contributes."""
    context = encoder.context
    module = sys.modules.get(kind.__module__)
    if module is not None and context.owner_of_class(kind) is Owner.PROJECT:
        context.note_module(kind.__module__)
    tokens = [text(b"K", kind.__name__), *_ancestry(encoder, kind)]
    name = f"{kind.__module__}:{kind.__qualname__}"
    if context.docstrings:
        tokens.append(text(b"d", str(kind.__doc__)))
    if context.sources_count:
        tokens += [text(b"s", written) for written in _texts(context, kind)]
    if context.subclasses_count:
        tokens += join(b"U", [encoder.tokens(found) for found in project_subclasses(context, kind)])
    if any(context.owner_of_class(meta) is Owner.THIRD_PARTY for meta in type.mro(type(kind))):
        return _written_body(encoder, kind, name, tokens)
    tokens += annotation_tokens(encoder, kind, name)
    tokens += _fields(encoder, kind, name)
    held, shown = pydantic_tokens(encoder, kind)
    tokens += held
    tokens += _registered(encoder, kind)
    if isinstance(kind, enum.EnumMeta):
        tokens += _enum_members(encoder, kind, name)
    members = list(_members(context, kind))
    for attribute, value in members:
        tokens += [text(b"n", attribute), *_member(encoder, f"{name}.{attribute}", value)]
    return Body("class", tokens, "\n".join((_render(kind, tokens, members), *shown)))


def _member(encoder: ValueEncoder, place: str, value: Any) -> Tokens:
    if _is_dunder(place.rpartition(".")[2]) and encoder.context.owner_of_class(type(value)) is Owner.THIRD_PARTY:
        # A library may keep there what only it can read.
        return encoder.attempt(value) or [mark(b"?")]
    return encoder.guarded(place, value)


def _ancestry(encoder: ValueEncoder, kind: type) -> Tokens:
    bases = [encoder.tokens(base) for base in kind.__mro__[1:]]
    return join(b"M", [encoder.tokens(type(kind)), *bases])


def _texts(context: Context, kind: type) -> Iterator[str]:
    for source in _candidate_files(context, kind):
        yield from (source.text_of(node) for node in source.classes.get(kind.__qualname__, []))


def _members(context: Context, kind: type) -> Iterator[tuple[str, Any]]:
    is_enum = isinstance(kind, enum.EnumMeta)
    members = _enum_values(kind) if isinstance(kind, enum.EnumMeta) else {}
    for name, value in sorted(kind.__dict__.items()):
        if name in _SKIPPED or name in members:
            continue
        is_plain = type(value) in PLAIN
        is_ours = not is_plain and is_project_code(context, value)
        is_code = is_ours or isinstance(value, _CODE_LIKE)
        if _is_dunder(name) and not is_code and name not in _COUNTING and _is_of_tool(name, is_plain):
            continue
        if is_enum and _is_sunder(name) and not is_ours:
            # The enum's own tables of its members.
            continue
        if name in _GENERATED and "__dataclass_fields__" in kind.__dict__ and _is_generated(value):
            continue
        if name in _PROTOCOL and _is_of_protocol(kind, name, value):
            continue
        if name == "__hash__" and _is_of_attrs(value):
            # It holds a salt that is another one in every process: which fields it takes is all that it says.
            value = value.__code__.co_names
        yield name, value


def _is_of_tool(name: str, is_plain: bool) -> bool:
    """Whether Python or a library keeps something under a name with underscores at both ends; others count."""
    if name.startswith(_TOOLS):
        return True
    return not is_plain and name in _TABLES


def _is_of_attrs(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__code__.co_filename.startswith("<attrs generated ")


def _is_of_protocol(kind: type, name: str, value: Any) -> bool:
    """Whether `typing.Protocol` put a method there, or replaced it by the inherited one when the class was used."""
    if isinstance(value, FunctionType) and value.__module__ == "typing":
        return True
    return hasattr(kind, "_is_protocol") and any(value is base.__dict__.get(name) for base in kind.__mro__[1:])


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_sunder(name: str) -> bool:
    return name.startswith("_") and name.endswith("_")


def _is_generated(value: Any) -> bool:
    """Whether a method was generated from the fields of its class, which count themselves."""
    while isinstance(value, FunctionType) and "__wrapped__" in value.__dict__:
        value = value.__dict__["__wrapped__"]
    return isinstance(value, FunctionType) and value.__code__.co_filename == "<string>"


def _fields(encoder: ValueEncoder, kind: type, name: str) -> Tokens:
    """Return the tokens of a dataclass's own and inherited fields, and of how it was made."""
    if "__dataclass_fields__" not in kind.__dict__:
        return []
    parts: list[Tokens] = [[text(b"o", repr(kind.__dict__["__dataclass_params__"]))]]
    for field in kind.__dict__["__dataclass_fields__"].values():
        # What stands for a class variable has no answer to some of these, but an object without a name.
        flags = [flag if flag in (True, False, None) else "unset" for flag in _flags(field)]
        part: Tokens = [text(b"n", field.name), text(b"o", str(flags))]
        for default in (field.default, field.default_factory):
            is_missing = default is dataclasses.MISSING
            part += [mark(b"e")] if is_missing else encoder.guarded(f"{name}.{field.name}", default)
        part += encoder.guarded(f"metadata of {name}.{field.name}", field.metadata)
        parts.append(part)
    return join(b"f", parts)


def _flags(field: dataclasses.Field[Any]) -> tuple[object, ...]:
    return (field.init, field.repr, field.hash, field.compare, field.kw_only)


def _enum_values(kind: enum.EnumMeta) -> dict[str, Any]:
    members: dict[str, Any] = dict(kind.__members__)
    return {name: getattr(member, "value", None) for name, member in members.items()}


def _enum_members(encoder: ValueEncoder, kind: enum.EnumMeta, name: str) -> Tokens:
    members: list[Tokens] = []
    for member_name, value in _enum_values(kind).items():
        members.append([text(b"n", member_name), *encoder.guarded(f"{name}.{member_name}", value)])
        # Beside its value a member may hold what its `__new__` or `__init__` gave it.
        for key, item in sorted(vars(kind.__members__[member_name]).items()):
            if not _is_sunder(key):
                members.append([text(b"a", key), *encoder.guarded(f"{name}.{member_name}.{key}", item)])
    return join(b"E", members)


def _registered(encoder: ValueEncoder, kind: type) -> Tokens:
    """Return the tokens of the project's classes that were registered with an abstract base."""
    if not isinstance(kind, abc.ABCMeta):
        return []
    known = [found for reference in _dump_of_abc(kind)[0] if (found := reference()) is not None]
    ours = [found for found in known if encoder.context.owner_of_class(found) is Owner.PROJECT]
    return encoder.unordered(b"B", ours) if ours else []


def _render(kind: type, tokens: Tokens, members: Iterable[tuple[str, Any]]) -> str:
    """Return a class's data as text for people; its methods have parts of their own."""
    lines = [f"class {kind.__qualname__}({', '.join(base.__qualname__ for base in kind.__bases__)}):"]
    parameters = kind.__dict__.get("__dataclass_params__")
    made = _MADE_BY_DATACLASS if parameters is not None else frozenset()
    data = {
        name: show_value(value, name)
        for name, value in members
        if not isinstance(value, _FUNCTION_LIKE) and name not in made
    }
    for name, hint in inspect.get_annotations(kind).items():
        default = f" = {data.pop(name)}" if name in data else ""
        lines.append(f"    {name}: {_show_hint(hint)}{default}")
    if isinstance(kind, enum.EnumMeta):
        lines += [f"    {name} = {show_value(value, name)}" for name, value in _enum_values(kind).items()]
    lines += [f"    {name} = {shown}" for name, shown in data.items()]
    if parameters is not None:
        said = [f"{name}={now}" for name, usual in _USUAL.items() if (now := getattr(parameters, name, usual)) != usual]
        lines.append(f"    # a dataclass with {', '.join(said)}" if said else "    # a dataclass")
    lines += [f"    {value.name} = {value.shown}" for value in values_in(tokens)]
    return "\n".join(lines)


def _show_hint(hint: Any) -> str:
    if isinstance(hint, str):
        return hint
    written = repr(hint)
    is_readable = isinstance(hint, GenericAlias | UnionType) and len(written) <= _LONGEST_HINT
    return written if is_readable else getattr(hint, "__name__", written)


def _written_body(encoder: ValueEncoder, kind: type, name: str, tokens: Tokens) -> Body:
    """Return the body of a class of pydantic, pandera and their like as it is written, with what it holds by now.

    Many of their live attributes are caches that fill as the class is used, so the text counts, once it is proven.
    """
    context = encoder.context
    found = next(_proven_bodies(context, kind), None)
    if found is None:
        return _made_body(encoder, kind, name, tokens)
    source, node, code = found
    namespace = _namespace_of(kind)
    references = context.known.references(code, namespace)
    context.note_reads(references.reads)
    tokens.append(canonical_syntax(node, DecoratorJudge(namespace), context.docstrings))
    tokens += reference_tokens(encoder, references, namespace)
    tokens += check_tokens(encoder, references.words)
    tokens += annotation_tokens(encoder, kind, name)
    held, shown = live_tokens(encoder, kind, code)
    return Body("ast", tokens + held, "\n".join((source.text_of(node), *shown)))


def _made_body(encoder: ValueEncoder, kind: type, name: str, tokens: Tokens) -> Body:
    """Return the body of a class that no text stands for, where its library tells all that was said of it."""
    if not is_of_pydantic(kind) or not (is_pydantic_generic(kind) or _is_unwritten(encoder.context, kind)):
        encoder.context.mark_uncacheable(f"class {name} cannot be fingerprinted: its source cannot be verified")
        return Body("class", [*tokens, mark(b"?")], f"class {kind.__qualname__}")
    tokens += annotation_tokens(encoder, kind, name)
    held, shown = live_tokens(encoder, kind, None)
    return Body("class", tokens + held, "\n".join((f"class {kind.__qualname__}:", *shown)))


def _is_unwritten(context: Context, kind: type) -> bool:
    """Whether the text of a class's module is known and defines no class of that name."""
    sources = list(_candidate_files(context, kind))
    return bool(sources) and not any(kind.__qualname__ in source.classes for source in sources)


def _namespace_of(kind: type) -> dict[str, Any]:
    module = sys.modules.get(kind.__module__)
    return module.__dict__ if module is not None else {"__name__": kind.__module__}


def _proven_bodies(context: Context, kind: type) -> Iterator[tuple[SourceFile, ast.ClassDef, CodeType]]:
    for source in _candidate_files(context, kind):
        for node in reversed(source.classes.get(kind.__qualname__, [])):
            for code in source.codes.get((node.name, first_line(node)), []):
                if _is_body_of(kind, node, code):
                    yield source, node, code


def _is_body_of(kind: type, node: ast.ClassDef, code: CodeType) -> bool:
    """Whether a body in the source is that of the live class: the same annotated names, and no method that differs."""
    annotated = [
        item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    ]
    if list(dict.fromkeys(annotated)) != list(inspect.get_annotations(kind)):
        return False
    written = {constant.co_name: constant for constant in code.co_consts if isinstance(constant, CodeType)}
    for name, value in kind.__dict__.items():
        if not isinstance(value, FunctionType) or value.__code__.co_filename != code.co_filename:
            continue
        is_written_here = value.__qualname__ == f"{kind.__qualname__}.{name}" and name in written
        if is_written_here and value.__code__ != written[name]:
            return False
    return True


def _candidate_files(context: Context, kind: type) -> Iterator[SourceFile]:
    module = sys.modules.get(kind.__module__)
    file = file_of(module) if module is not None else None
    if module is not None and file is not None:
        source = context.sources.file(file, namespace=module.__dict__)
        if source is not None and is_as_imported(module, file, source):
            yield source
        return
    for cell in cells_of(kind):
        source = context.sources.file(cell)
        if source is not None:
            yield source
