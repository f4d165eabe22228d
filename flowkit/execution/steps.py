"""Finds the step that an order means and proves that its code here is the code of the run."""

from __future__ import annotations

import importlib
import linecache
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Protocol

from flowkit.authoring.step import Step
from flowkit.errors import CodeMismatchError
from flowkit.execution.base import StepOrder
from flowkit.execution.bundle import install_sources
from flowkit.records import CodeFingerprint, Digest, StepSpecification


class Fingerprints(Protocol):
    """Gives the fingerprint of a step's code, such as a `CodeFingerprinter`."""

    def of_step(self, specification: StepSpecification) -> CodeFingerprint:
        """Return the fingerprint of all the code that the step reaches."""
        ...


class StepFinder:
    """Finds steps by module and name, or takes them by value; each is proven once.

    Args:
        fingerprints: Recomputes a step's code fingerprint; None where there is nothing to prove, as in the driver.
        worker: Named where a proof fails.
    """

    def __init__(self, fingerprints: Fingerprints | None, worker: str) -> None:
        self._fingerprints = fingerprints
        self._worker = worker
        self._known: dict[tuple[str, str, Digest], StepSpecification] = {}

    def knows(self, order: StepOrder) -> bool:
        """Whether the step was found and proven already, so that `find` takes no time."""
        return (order.module, order.qualname, order.code) in self._known

    def find(self, order: StepOrder) -> StepSpecification:
        """Return the step.

        Raises:
            CodeMismatchError: It is not there, or its code is not what the order says.
            BaseException: What the user's module raises while it is imported.
        """
        key = (order.module, order.qualname, order.code)
        known = self._known.get(key)
        if known is None:
            known = _unpickle(order) if order.pickled is not None else _look_up(order)
            self._prove(order, known)
            self._known[key] = known
        return known

    def _prove(self, order: StepOrder, specification: StepSpecification) -> None:
        if self._fingerprints is None:
            return
        found = self._fingerprints.of_step(specification).digest
        if found != order.code:
            raise CodeMismatchError.for_step(order.name, order.code, found, self._worker)


def pickle_step(specification: StepSpecification) -> bytes:
    """Return a step by value, for code that no other process can import: `__main__` and notebooks.

    Raises:
        CodeMismatchError: Something that the function reaches cannot be pickled.
    """
    import cloudpickle

    # Only names that the body uses travel with a function, but its decorators are told apart by theirs.
    names = {name: value for name, value in specification.function.__globals__.items() if _is_flowkits(value)}
    try:
        content: bytes = cloudpickle.dumps((specification, names), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise CodeMismatchError.for_unpicklable(specification.name, error) from error
    return content


def _unpickle(order: StepOrder) -> StepSpecification:
    install_sources(order.sources)
    assert order.pickled is not None
    specification, names = pickle.loads(order.pickled)
    for name, value in names.items():
        specification.function.__globals__.setdefault(name, value)
    found: StepSpecification = specification
    return found


def sources_around(specification: StepSpecification) -> dict[str, str]:
    """Return the text of every file or notebook cell that defines something beside a step that travels by value."""
    values = [specification.function, *specification.function.__globals__.values()]
    files = {file for value in values for file in _files_of(value)}
    texts = {file: "".join(linecache.getlines(file)) for file in files}
    return {file: text for file, text in texts.items() if text}


def _files_of(value: object) -> Iterator[str]:
    function = value.function if isinstance(value, Step) else value
    if isinstance(function, types.FunctionType):
        if function.__module__ == "__main__":
            yield function.__code__.co_filename
    elif isinstance(value, type) and value.__module__ == "__main__":
        for member in vars(value).values():
            yield from _files_of(member)


def _is_flowkits(value: object) -> bool:
    if isinstance(value, types.ModuleType):
        return value.__name__.partition(".")[0] == "flowkit"
    plain = isinstance(value, (type, types.FunctionType))
    return plain and str(getattr(value, "__module__", "")).partition(".")[0] == "flowkit"


def _look_up(order: StepOrder) -> StepSpecification:
    module = sys.modules.get(order.module) or importlib.import_module(order.module)
    found: object = module
    for name in order.qualname.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise CodeMismatchError.for_missing_step(
                order.name, order.module, order.qualname, f"{error.__class__.__name__}: {error}"
            ) from error
    return _specification_of(found, order)


def _specification_of(found: object, order: StepOrder) -> StepSpecification:
    if isinstance(found, Step):
        return found.specification
    reason = f"a {type(found).__name__} stands there, not a step"
    raise CodeMismatchError.for_missing_step(order.name, order.module, order.qualname, reason)
