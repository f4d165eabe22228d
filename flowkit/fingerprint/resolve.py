"""From references to what they mean now: chains are followed through modules only, to the first thing that is none."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from flowkit.authoring.pipeline import Pipeline
from flowkit.authoring.step import Step
from flowkit.fingerprint.callables import foreign_subclass_tokens, is_compiled, is_project_code
from flowkit.fingerprint.computed_imports import is_computed_import, is_computed_import_name
from flowkit.fingerprint.ownership import Owner
from flowkit.fingerprint.references import CodeReferences, Reference, Root
from flowkit.fingerprint.tokens import Tokens, text
from flowkit.fingerprint.values import ValueEncoder

_MISSING: Any = object()
_OPENS_MODULE = frozenset({"eval", "exec", "globals", "vars", "locals"})
_BUILTINS = {
    name: value
    for name, value in vars(builtins).items()
    if getattr(value, "__module__", None) == "builtins" and name not in _OPENS_MODULE | {"__import__"}
}
"""What counts by name alone, unless it was replaced since."""
_MACHINERY = frozenset({"__builtins__", "__loader__", "__spec__", "__cached__"})
_NAMESPACES = frozenset({"__dict__", "__getattribute__"})
_GLOBALS = "__globals__"
_BY_REFERENCE = (FunctionType, BuiltinFunctionType, type, ModuleType, Step, Pipeline)


def reference_tokens(
    encoder: ValueEncoder, code: CodeReferences, namespace: dict[str, Any], cells: Mapping[str, Any] | None = None
) -> Tokens:
    """Return the tokens of everything that a code object refers to, in sorted order.

    Args:
        encoder: Turns what is found into tokens.
        code: The references of the code object.
        namespace: The globals that its names are looked up in.
        cells: What it closes over, by name.
    """
    resolver = _Resolver(encoder, namespace, cells or {})
    found: Tokens = []
    for level, name in code.imports:
        resolver.load(level, name)
    resolved = encoder.resolved_in(namespace)
    for reference in code.references:
        kept = resolved.get(reference)
        if kept is None:
            found += resolver.read(reference)
            continue
        found += kept[1]
        if kept[2]:
            encoder.context.repeat(kept[2])
    for reference in code.spoken:
        if reference.name in namespace:
            found.append(text(b"n", " ".join((reference.name, *reference.chain))))
            found += resolver.resolve(reference) or []
    if code.opens_module:
        found += resolver.own_module()
    if code.computed_import or any(resolver.is_project_source(name) for name in code.runs):
        found.append(encoder.context.all_sources())
    return found


@cache
def _label(reference: Reference) -> bytes:
    return text(b"n", " ".join((str(reference.level), reference.name, *reference.chain)))


def global_tokens(encoder: ValueEncoder, place: str, value: Any) -> Tokens:
    """Return the tokens of what a global holds: code by reference, data as a part of its own with its name."""
    if isinstance(value, _BY_REFERENCE):
        return encoder.guarded(place, value)
    return [encoder.named(place, value)]


class _Resolver:
    def __init__(self, encoder: ValueEncoder, namespace: dict[str, Any], cells: Mapping[str, Any]) -> None:
        self._encoder = encoder
        self._context = encoder.context
        self._namespace = namespace
        self._cells = cells

    def read(self, reference: Reference) -> Tokens:
        """Return a reference's name and the tokens of what it means; nothing where it counts elsewhere."""
        if reference.root is Root.CELL:
            return self._read(reference)
        mark = self._context.mark()
        found = self._read(reference)
        self._encoder.resolved_in(self._namespace)[reference] = (self._namespace, found, self._context.since(mark))
        return found

    def _read(self, reference: Reference) -> Tokens:
        resolved = self.resolve(reference)
        return [_label(reference), *resolved] if resolved is not None else []

    def resolve(self, reference: Reference) -> Tokens | None:
        """Return the tokens of what a reference means; None where it counts elsewhere."""
        if reference.root is Root.GLOBAL:
            return self._global(reference)
        if reference.root is Root.CELL:
            value = self._cells.get(reference.name)
            # Other contents count with the function's cells.
            return self._follow(value, reference.chain, reference.name) if isinstance(value, ModuleType) else None
        absolute = self._absolute(reference.level, reference.name)
        module = self.load(reference.level, reference.name)
        if isinstance(module, ModuleType) and self._context.ownership.of_module(module) is Owner.PROJECT:
            return self._follow(module, reference.chain, module.__name__)
        return self._foreign(absolute, reference.chain, module)

    def load(self, level: int, name: str) -> Any:
        """Return an imported module, if it is loaded; a project's is imported if it is not."""
        absolute = self._absolute(level, name)
        module: Any = sys.modules.get(absolute)
        if module is None and self.is_project_source(absolute):
            module = self._import(absolute)
        return module

    def _absolute(self, level: int, name: str) -> str:
        package = self._namespace.get("__package__")
        if not level or not isinstance(package, str):
            return name
        parts = package.split(".")
        base = ".".join(parts[: len(parts) - level + 1])
        return f"{base}.{name}" if name else base

    def is_project_source(self, absolute: str) -> bool:
        """Whether a module of that name is the project's, found without importing it."""
        top = absolute.partition(".")[0]
        loaded = sys.modules.get(top)
        if loaded is not None:
            return self._context.ownership.of_module(loaded) is Owner.PROJECT
        try:
            found = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            return False
        if found is None:
            return False
        places = [found.origin] if found.has_location else list(found.submodule_search_locations or ())
        file = os.path.abspath(places[0]) if places and places[0] else None
        return self._context.ownership.of_file(top, file) is Owner.PROJECT

    def _import(self, absolute: str) -> ModuleType | None:
        self._context.has_imported = True
        try:
            return importlib.import_module(absolute)
        except ModuleNotFoundError:
            # The step will fail on it just the same, and its name counts.
            return None
        except Exception as error:  # noqa: BLE001  (a module may raise anything while it is imported)
            self._context.mark_uncacheable(f"module {absolute} cannot be fingerprinted: importing it raises {error!r}")
            return None

    def _global(self, reference: Reference) -> Tokens:
        name = reference.name
        if name in _MACHINERY:
            return []
        if name in self._namespace:
            value, chain = self._namespace[name], reference.chain
            met = self._encoder.met(value) if not chain and isinstance(value, _BY_REFERENCE) else None
            return met or self._follow(value, chain, f"{self._namespace.get('__name__')}:{name}")
        return self._builtin(name)

    def _builtin(self, name: str) -> Tokens:
        value = vars(builtins).get(name, _MISSING)
        if value is _MISSING:
            return [text(b"u", name)]
        if value is _BUILTINS.get(name):
            return [text(b"x", name)]
        if name in _OPENS_MODULE and isinstance(value, BuiltinFunctionType):
            return self.own_module()
        if is_computed_import(value) or is_project_code(self._context, value):
            return self._encoder.guarded(f"builtins:{name}", value)
        return [text(b"x", name)]

    def own_module(self) -> Tokens:
        """Return the tokens of the whole module that the code belongs to."""
        name = self._namespace.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        if module is not None and module.__dict__ is self._namespace:
            return [self._context.module(module)]
        shown = {key: value for key, value in sorted(self._namespace.items()) if not key.startswith("__")}
        return self._encoder.guarded(f"the globals of {name}", shown)

    def _follow(self, value: Any, chain: tuple[str, ...], place: str) -> Tokens:
        while chain and isinstance(value, ModuleType):
            if self._context.ownership.of_module(value) is not Owner.PROJECT:
                return self._foreign(value.__name__, chain, value)
            if is_compiled(value) or chain[0] in _NAMESPACES:
                return [self._context.module(value)]
            self._context.note_module(value.__name__)
            found = value.__dict__.get(chain[0], _MISSING)
            found = self._submodule(value, chain[0]) if found is _MISSING else found
            if found is _MISSING:
                return self._made_by_module(value, chain[0])
            place = f"{value.__name__}:{chain[0]}"
            value, chain = found, chain[1:]
        if _GLOBALS in chain:
            return global_tokens(self._encoder, place, value) + self._opened(value)
        return global_tokens(self._encoder, place, value)

    def _opened(self, value: Any) -> Tokens:
        """Return the tokens of the namespace that a function shows."""
        namespace = getattr(value, _GLOBALS, None)
        return self._encoder.guarded("the globals of a function", namespace) if isinstance(namespace, dict) else []

    def _submodule(self, package: ModuleType, name: str) -> Any:
        """Return a submodule that nobody has imported yet; whether another step has must make no difference."""
        if not hasattr(package, "__path__") or "__getattr__" in package.__dict__:
            return _MISSING
        module = self._import(f"{package.__name__}.{name}")
        return _MISSING if module is None else module

    def _made_by_module(self, module: ModuleType, name: str) -> Tokens:
        """Return the tokens of an attribute that the module's own `__getattr__` gives, if it has one."""
        maker = module.__dict__.get("__getattr__")
        if maker is None:
            return [text(b"u", name)]
        return [text(b"n", name), *self._encoder.guarded(f"{module.__name__}:__getattr__", maker)]

    def _foreign(self, name: str, chain: tuple[str, ...], module: Any) -> Tokens:
        """Return the dotted name of somebody else's attribute, with the project's code where it was replaced by that.

        The name counts as it is written, never as it is defined: that could only be told where the module is loaded,
        and which modules are loaded differs from process to process.
        """
        token = self._context.foreign(name, ".".join(chain))
        if is_computed_import_name((*name.split("."), *chain)):
            return [token, self._context.all_sources()]
        return [token, *self._replaced(module, chain), *foreign_subclass_tokens(self._encoder, _member(module, chain))]

    def _replaced(self, module: Any, chain: tuple[str, ...]) -> Tokens:
        """Return the tokens of the project's code that stands in a library's module, as far as that is loaded."""
        for index, name in enumerate(chain):
            if not isinstance(module, ModuleType):
                break
            found = module.__dict__.get(name, _MISSING)
            place = f"{module.__name__}:{name}"
            if isinstance(found, ModuleType):
                if self._context.ownership.of_module(found) is Owner.PROJECT:
                    return self._follow(found, chain[index + 1 :], place)
            elif found is not _MISSING and is_project_code(self._context, found):
                return global_tokens(self._encoder, place, found)
            module = found
        return []


def _member(module: Any, chain: tuple[str, ...]) -> Any:
    """Return the class that a chain leads to in a loaded module; None where it leads to none."""
    for name in chain:
        if isinstance(module, type):
            break
        module = getattr(module, "__dict__", {}).get(name)
    return module if isinstance(module, type) else None
