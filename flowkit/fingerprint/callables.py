"""What counts by reference or by name: functions, classes and modules, and the wrappers that stand around functions."""

from __future__ import annotations

import functools
import os
import sys
import types
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from flowkit.authoring.pipeline import Pipeline
from flowkit.authoring.step import Step
from flowkit.fingerprint.computed_imports import is_computed_import
from flowkit.fingerprint.context import Context
from flowkit.fingerprint.ownership import Owner
from flowkit.fingerprint.tokens import Tokens, mark, text
from flowkit.fingerprint.values import UnencodableError, ValueEncoder, join
from flowkit.fingerprint.watched import behind_watch

_DESCRIPTORS = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_LRU_CACHE = type(functools.lru_cache(lambda: None))
_WRAPPERS = frozenset({FunctionType, MethodType, functools.partial, staticmethod, classmethod, _LRU_CACHE})
_CYTHON_FUNCTIONS = frozenset({"cython_function_or_method", "fused_cython_function"})
EMPTY: Any = types.SimpleNamespace(empty="cell")
"""Stands for the contents of a cell that has none."""


def encode_reference(encoder: ValueEncoder, value: Any) -> Tokens | None:
    """Return the tokens of a step, function, class, module or built-in function; None for anything else."""
    value = behind_watch(value)
    # Proxies and generic aliases claim the class of what they stand for, and are more than that.
    kind = type(value)
    if kind in (Step, Pipeline):
        return _encode_function(encoder, value.function)
    if kind is FunctionType:
        return _encode_function(encoder, value)
    if issubclass(kind, type):
        return _encode_class(encoder, value)
    if issubclass(kind, ModuleType):
        return _encode_module(encoder, value)
    if kind is BuiltinFunctionType:
        return _encode_builtin(encoder, value)
    if kind.__name__ in _CYTHON_FUNCTIONS:
        return _encode_compiled(encoder, value)
    if value is os.environ or value is os.environb:
        # By name, as where it is read from `os`: which variables count is observed while the step runs.
        return [encoder.context.foreign("os", "environ" if value is os.environ else "environb")]
    if value is sys.modules:
        return [encoder.context.all_sources()]
    if kind is dict and (module := _module_of_namespace(value)) is not None:
        return _encode_module(encoder, module)
    return None


def is_project_code(context: Context, value: Any) -> bool:
    """Whether a function or class, or what a wrapper stands around, is the project's."""
    for _ in range(100):
        value = behind_watch(value)
        kind = type(value)
        if kind in (Step, Pipeline):
            return True
        if isinstance(value, (staticmethod, classmethod, MethodType)):
            value = value.__func__
        elif isinstance(value, functools.partial):
            value = value.func
        elif isinstance(value, property):
            value = value.fget
        elif kind is FunctionType and context.owner_of_function(value) is Owner.PROJECT:
            return True
        elif kind is FunctionType and _is_single_dispatch(value):
            return any(_is_followed(context, found) for found in value.registry.values())
        elif kind in (FunctionType, _LRU_CACHE) and "__wrapped__" in value.__dict__:
            value = value.__dict__["__wrapped__"]
        elif issubclass(kind, type):
            return context.owner_of_class(value) is Owner.PROJECT
        elif kind is FunctionType:
            return False
        else:
            return context.owner_of_class(kind) is Owner.PROJECT
    return True


def is_wrapper(value: Any) -> bool:
    """Whether a value is a function or, as methods, partials and caches are, made around one."""
    return type(behind_watch(value)) in _WRAPPERS


def _is_followed(context: Context, value: object) -> bool:
    return isinstance(value, FunctionType) and context.owner_of_function(value) is Owner.PROJECT


def encode_wrapper(encoder: ValueEncoder, value: Any) -> Tokens | None:
    """Return the tokens of a bound method, partial, descriptor or cache around a function; None for anything else."""
    kind = type(value)
    if kind is MethodType:
        return join(b"M", [encoder.tokens(value.__func__), encoder.tokens(value.__self__)])
    if kind is functools.partial:
        parts = [encoder.tokens(part) for part in (value.func, value.args)]
        return join(b"Q", [*parts, encoder.pairs(b"d", value.keywords.items())])
    if kind in (staticmethod, classmethod):
        return [text(b"D", kind.__name__), *encoder.tokens(value.__func__)]
    if kind is property:
        return encoder.sequence(b"p", (value.fget, value.fset, value.fdel))
    if kind is functools.cached_property:
        return [mark(b"j"), *encoder.tokens(value.func)]
    if kind is _LRU_CACHE:
        return join(b"Z", [encoder.tokens(value.__wrapped__), encoder.pairs(b"d", value.cache_parameters().items())])
    if isinstance(value, _DESCRIPTORS):
        return join(b"V", [[text(b"s", value.__name__)], encoder.tokens(value.__objclass__)])
    if kind is types.MethodWrapperType:
        return join(b"W", [[text(b"s", value.__name__)], encoder.tokens(value.__self__)])
    if kind is types.CellType:
        return encoder.sequence(b"e", (value.cell_contents,))
    return None


def _encode_function(encoder: ValueEncoder, function: Any) -> Tokens:
    context = encoder.context
    if context.owner_of_function(function) is Owner.PROJECT:
        return [context.function(function)]
    name = context.foreign(function.__module__, function.__qualname__)
    if is_computed_import(function):
        return [name, context.all_sources()]
    if _is_single_dispatch(function):
        return join(b"G", [[name], encoder.pairs(b"d", function.registry.items(), in_order=False)])
    if is_importable(function) and not is_project_code(context, function):
        return [name]
    return _encode_foreign_closure(encoder, function, name)


def _encode_foreign_closure(encoder: ValueEncoder, function: FunctionType, name: bytes) -> Tokens:
    """Return the tokens of somebody else's function that was made around something: what it holds counts.

    `functools.wraps` gave it the name and the module of that, so its own are those of its code and of its globals.
    """
    key = id(function)
    if key in encoder.closures:
        return [name, mark(b"^")]
    encoder.closures.add(key)
    try:
        held = [encoder.pairs(b"c", cell_contents(function))]
        held.append(encoder.tokens(function.__defaults__))
        held.append(encoder.pairs(b"d", sorted((function.__kwdefaults__ or {}).items())))
        held.append(encoder.pairs(b"d", sorted(function.__dict__.items())))
        own = encoder.context.foreign(function.__globals__.get("__name__"), function.__code__.co_qualname)
        return join(b"H", [[name, own], *held])
    finally:
        encoder.closures.discard(key)


def cell_contents(function: FunctionType) -> list[tuple[str, Any]]:
    """Return what a function closes over by sorted name; `EMPTY` for a variable that is not assigned yet."""
    if not function.__closure__:
        return []
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return sorted(((name, _contents(cell)) for name, cell in cells), key=lambda pair: pair[0])


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY


def _is_single_dispatch(function: FunctionType) -> bool:
    return function.__globals__.get("__name__") == "functools" and hasattr(function, "registry")


def is_importable(value: Any) -> bool:
    """Whether a module holds exactly this object under its qualified name."""
    found: Any = sys.modules.get(value.__module__) if isinstance(value.__module__, str) else None
    for name in value.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return isinstance(found, (staticmethod, classmethod)) or behind_watch(found) is value


def _encode_class(encoder: ValueEncoder, kind: type) -> Tokens:
    context = encoder.context
    owner = context.owner_of_class(kind)
    if is_computed_import(kind):
        return [context.foreign(kind.__module__, kind.__qualname__), context.all_sources()]
    if owner is Owner.PROJECT and not is_compiled(sys.modules.get(kind.__module__)):
        return [context.klass(kind)]
    if owner is Owner.PROJECT:
        return [text(b"x", kind.__qualname__), context.module(sys.modules[kind.__module__])]
    if owner is not Owner.FLOWKIT and ("<locals>" in kind.__qualname__ or _is_made_elsewhere(kind)):
        return [context.klass(kind)]
    return [context.foreign(kind.__module__, kind.__qualname__), *foreign_subclass_tokens(encoder, kind)]


def project_subclasses(context: Context, kind: type) -> list[type]:
    """Return the project's live subclasses in their order; that of modules is their names', as imports may race.

    Of somebody else's class also those of its subclasses that are not the project's either.
    """
    found: list[type] = []
    waiting = [kind]
    while waiting:
        known: list[type] = type.__subclasses__(waiting.pop())
        for item in known:
            if context.owner_of_class(item) is Owner.PROJECT:
                found.append(item)
            elif context.owner_of_class(kind) is not Owner.PROJECT:
                waiting.append(item)
    # What a reload has replaced lives on until it is collected.
    found = [item for item in dict.fromkeys(found) if "<locals>" in item.__qualname__ or is_importable(item)]
    return sorted(found, key=lambda item: item.__module__)


def foreign_subclass_tokens(encoder: ValueEncoder, kind: Any) -> Tokens:
    """Return the tokens of the project's subclasses of somebody else's class, where the code may ask for them."""
    if not encoder.context.subclasses_count or not isinstance(kind, type) or kind is object:
        return []
    found = project_subclasses(encoder.context, kind)
    return join(b"U", [encoder.tokens(item) for item in found]) if found else []


def _is_made_elsewhere(kind: type) -> bool:
    """Whether a class only claims a library's module, as `make_dataclass` and `new_class` do."""
    return kind.__module__ == "types" and not is_importable(kind)


def _module_of_namespace(value: dict[Any, Any]) -> ModuleType | None:
    name = value.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    return module if module is not None and module.__dict__ is value else None


def _encode_module(encoder: ValueEncoder, module: ModuleType) -> Tokens:
    if encoder.context.ownership.of_module(module) is Owner.PROJECT:
        return [encoder.context.module(module)]
    return [encoder.context.foreign(module.__name__, "")]


def _encode_builtin(encoder: ValueEncoder, function: Any) -> Tokens:
    """Return the tokens of a function without Python code: by name, with what it is bound to, or its whole module."""
    context = encoder.context
    bound = function.__self__
    if bound is not None and not isinstance(bound, ModuleType):
        return join(b"O", [[text(b"s", function.__name__)], encoder.tokens(bound)])
    if is_computed_import(function):
        return [context.all_sources()]
    if function.__module__ is None and bound is None:
        raise UnencodableError(f"it is the built-in function {function.__qualname__} of no module")
    return _encode_compiled(encoder, function)


def _encode_compiled(encoder: ValueEncoder, function: Any) -> Tokens:
    module = sys.modules.get(function.__module__) if isinstance(function.__module__, str) else None
    if module is not None and encoder.context.ownership.of_module(module) is Owner.PROJECT:
        return [text(b"x", function.__qualname__), encoder.context.module(module)]
    return [encoder.context.foreign(function.__module__, function.__qualname__)]


def is_compiled(module: ModuleType | None) -> bool:
    """Whether a module is an extension, which counts by the bytes of its file."""
    file = module.__dict__.get("__file__") if module is not None else None
    return isinstance(file, str) and file.endswith((".so", ".pyd"))
