"""Whether what a step's code reaches is still what it was when the step was fingerprinted.

A step that changes a global which its own code reaches makes results depend on what ran before in the same process.
This is asked after every node, so it is answered in two stages: marks, which cost microseconds and may cry wolf, and
the fingerprint itself, which is computed again only where a mark has changed.
"""

from __future__ import annotations

import pickle
import re
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Protocol

from blake3 import blake3

from flowkit.authoring.pipeline import Pipeline
from flowkit.authoring.step import Step
from flowkit.execution.observing.callers import body_name
from flowkit.execution.observing.keepers import stores_elsewhere
from flowkit.execution.proof import is_global
from flowkit.records import CodeFingerprint, CodePart, Digest, StepSpecification

_PLAIN = frozenset({type(None), type(Ellipsis), bool, int, float, complex, str, bytes, re.Pattern})
_CONTAINERS = frozenset({list, dict, set, tuple, frozenset, bytearray, deque, defaultdict, OrderedDict, Counter})
_BY_REFERENCE = (FunctionType, BuiltinFunctionType, type, ModuleType, Step, Pipeline, PurePath)
_LOCKS = frozenset({"_thread", "threading", "_threading_local"})
_GONE = object()

Place = Callable[[], Iterator[object]]
"""Gives the values that one part of a fingerprint holds now."""


class Fingerprints(Protocol):
    """Gives fingerprints of code, such as `StepCode`."""

    def at_one_moment(self) -> AbstractContextManager[None]:
        """Read all code and globals once for what is asked inside; nothing that could change them may run there."""
        ...

    def of_step(self, step: StepSpecification, /) -> CodeFingerprint:
        """Return the fingerprint of all the code that a step reaches."""
        ...

    def of_value(self, value: object, /) -> Digest:
        """Return the fingerprint of a value."""
        ...


class ReachedCode:
    """All that a step's code reaches, as it was when this was made.

    Args:
        specification: The step.
        fingerprints: Fingerprints it, now and again where it may have changed.

    Attributes:
        code: The fingerprint.
        names: Of its parts, and of the bodies of the modules that they are in.
    """

    def __init__(self, specification: StepSpecification, fingerprints: Fingerprints) -> None:
        self._specification = specification
        self._fingerprints = fingerprints
        self.code = fingerprints.of_step(specification)
        self.names = (*(part.name for part in self.code.parts), *map(body_name, sorted(self.code.modules)))
        namespace = specification.function.__globals__
        self._places = [place for part in self.code.parts if (place := self._place_of(part, namespace)) is not None]
        self._marks = self._mark()
        self._stores = any(self._is_storing(part, namespace) for part in self.code.parts)

    @property
    def stores(self) -> bool:
        """Whether some function that is reached may change what only other steps reach, such as a module's global."""
        return self._stores

    def changes(self) -> tuple[str, ...]:
        """Return the names of what has changed since, none where all is as it was."""
        marks = self._mark()
        if marks == self._marks:
            return ()
        now = self._fingerprints.of_step(self._specification)
        if now.digest == self.code.digest:
            self._marks = marks
            return ()
        return _changed_names(self.code, now) or (self._specification.name,)

    def _mark(self) -> list[object]:
        return [mark for place in self._places for mark in place()]

    def _place_of(self, part: CodePart, namespace: dict[str, Any]) -> Place | None:
        module, colon, path = part.name.partition(":")
        # A step that travels by value has globals of its own, under the name of a module that is another one here.
        scope = namespace if namespace.get("__name__") == module else vars(sys.modules.get(module) or object)
        if part.basis == "module":
            return lambda: (self._mark_value(value) for name, value in list(scope.items()) if not _is_dunder(name))
        if is_global(part):
            return lambda: iter((self._mark_value(scope.get(path, _GONE)),))
        found = _look_up(scope, path) if colon else None
        if isinstance(found, type):
            return lambda: (_mark_plain(value) for name, value in list(vars(found).items()) if not _is_dunder(name))
        if isinstance(found, FunctionType) and (found.__defaults__ or found.__kwdefaults__ or found.__dict__):
            return lambda: map(_mark_plain, (found.__defaults__, found.__kwdefaults__, found.__dict__))
        return None

    def _is_storing(self, part: CodePart, namespace: dict[str, Any]) -> bool:
        module, _, path = part.name.partition(":")
        scope = namespace if namespace.get("__name__") == module else vars(sys.modules.get(module) or object)
        if part.basis == "module":
            return any(isinstance(found, FunctionType) and stores_elsewhere(found.__code__) for found in scope.values())
        found = _look_up(scope, path)
        found = getattr(found, "__func__", found)
        return isinstance(found, FunctionType) and stores_elsewhere(found.__code__)

    def _mark_value(self, value: object) -> object:
        kind = type(value)
        if kind in _PLAIN:
            return kind, value
        if isinstance(value, _BY_REFERENCE) or kind.__module__ in _LOCKS or value is _GONE:
            return id(value)
        return _digest_pickled(value) or self._fingerprints.of_value(value)


def describe_changes(names: tuple[str, ...]) -> str:
    """Return why a result is not to be reused."""
    shown = ", ".join(f"'{name}'" for name in names)
    return f"{shown}, which its code reaches, changed while steps ran"


def advise_on_changes(step: str, names: tuple[str, ...]) -> str:
    """Return what is told of a step whose result is not to be reused for such a change."""
    return (
        f"Step '{step}': {describe_changes(names)}; this result will not be reused. Remember results with "
        "functools.cache, which counts as code alone, or pass the object as a parameter of type fk.Untracked[...]."
    )


def describe_stores(names: tuple[str, ...]) -> str:
    """Return why the result of a step is not to be reused that changed what other steps reach."""
    shown = ", ".join(f"'{name}'" for name in names)
    return f"it changed {shown}, which other steps reach"


def advise_on_stores(step: str, names: tuple[str, ...]) -> str:
    """Return what is told of a step whose result is not to be reused for such a change."""
    return (
        f"Step '{step}': {describe_stores(names)}; this result will not be reused. Return what the others need, and "
        "pass it to them as an argument."
    )


def _mark_plain(value: object) -> object:
    """Return a mark of plain data; members of other kinds have parts of their own or none."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    return _digest_pickled(value) if kind in _CONTAINERS else None


def _digest_pickled(value: object) -> bytes | None:
    """Return a hash that stays while a value does, and that may change without it; None where it cannot be pickled."""
    try:
        return blake3(pickle.dumps(value, protocol=5)).digest()
    except Exception:  # noqa: BLE001  (pickling runs the user's code; what it cannot do the fingerprint decides)
        return None


def _look_up(scope: Any, path: str) -> object:
    found: object = _GONE
    for name in path.split("."):
        found = scope.get(name, _GONE)
        found = found.function if isinstance(found, (Step, Pipeline)) else found
        scope = getattr(found, "__dict__", {})
    return found


def _is_dunder(name: str) -> bool:
    return name.startswith("__")


def _changed_names(before: CodeFingerprint, now: CodeFingerprint) -> tuple[str, ...]:
    held = {part.name: part.digest for part in now.parts}
    gone = [part.name for part in before.parts if held.get(part.name) != part.digest]
    known = {part.name for part in before.parts}
    return tuple(gone or [part.name for part in now.parts if part.name not in known])
