"""Finds the step that an order means and proves that its code here is the code of the run."""

from __future__ import annotations

import importlib
import linecache
import pickle
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from flowkit.authoring.step import Step
from flowkit.errors import CodeMismatchError
from flowkit.execution.base import StepOrder, StepPlace
from flowkit.execution.bundle import install_sources
from flowkit.execution.proof import StepProof, differing_globals, summarise_code
from flowkit.execution.reached import Fingerprints, ReachedCode
from flowkit.records import CodeFingerprint, Digest, StepSpecification


class StepFinder:
    """Finds steps by module and name, or takes them by value; each is proven once.

    Args:
        fingerprints: Recomputes a step's code fingerprint.
        worker: Named where a proof fails.
        proofs: What the driver says of the steps that are found by name.
        proves: Whether a step's code could be other than the driver's; it cannot in the driver itself.
    """

    def __init__(
        self, fingerprints: Fingerprints, worker: str, proofs: Mapping[StepPlace, StepProof], *, proves: bool = True
    ) -> None:
        self._fingerprints = fingerprints
        self._worker = worker
        self._proofs = proofs
        self._proves = proves
        self._known: dict[tuple[str, str, Digest], StepSpecification] = {}
        self._reached: dict[StepSpecification, ReachedCode] = {}

    def prepare(self) -> None:
        """Fingerprint every step that the driver has told of, before one that runs can change what others reach."""
        for module, qualname in self._proofs:
            # What fails here fails again, with the node that needs it, and is told there.
            with suppress(Exception):
                self._reach(_look_up(qualname, module, qualname))

    def knows(self, order: StepOrder) -> bool:
        """Whether the step was found and proven already, so that `find` takes no time."""
        return (order.module, order.qualname, order.code) in self._known

    def find(self, order: StepOrder) -> StepSpecification:
        """Return the step.

        Raises:
            CodeMismatchError: It is not there, or its code is not what the order says.
            BaseException: What the user's module raises while it is imported.
        """
        if order.unpacks:
            # Nothing of the project's to prove; and not kept, as the classes that its annotations name may change.
            return _unpickle(order)
        key = (order.module, order.qualname, order.code)
        known = self._known.get(key)
        if known is None:
            by_value = order.pickled is not None
            known = _unpickle(order) if by_value else _look_up(order.name, order.module, order.qualname)
            self._prove(order, self._reach(known).code)
            self._known[key] = known
        return known

    def changes(self, specification: StepSpecification) -> tuple[str, ...]:
        """Return the names of what a step that was found here reaches and what is not any more as it was."""
        return () if specification.unpacks else self._reach(specification).changes()

    def reached_by(self, specification: StepSpecification) -> Collection[str]:
        """Return the names of all that a step that was found here reaches: `module:qualified name`."""
        return () if specification.unpacks else self._reach(specification).names

    def _reach(self, specification: StepSpecification) -> ReachedCode:
        known = self._reached.get(specification)
        if known is None:
            known = self._reached[specification] = ReachedCode(specification, self._fingerprints)
        return known

    def _prove(self, order: StepOrder, found: CodeFingerprint) -> None:
        if not self._proves or found.digest == order.code:
            return
        wanted = self._proofs.get((order.module, order.qualname))
        if wanted is not None and wanted.code == order.code:
            names = differing_globals(wanted, summarise_code(found))
            if names:
                raise CodeMismatchError.for_values(order.name, names, self._worker)
        raise CodeMismatchError.for_step(order.name, order.code, found.digest, self._worker)


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


def pickle_unpacking(specification: StepSpecification) -> bytes:
    """Return what takes a list apart by value: classes that its annotations name go by name where they can.

    Raises:
        CodeMismatchError: An annotation cannot be pickled.
    """
    import cloudpickle

    try:
        content: bytes = cloudpickle.dumps((specification, {}), protocol=5)
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


def _look_up(step: str, module: str, qualname: str) -> StepSpecification:
    found: object = sys.modules.get(module) or importlib.import_module(module)
    for name in qualname.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            reason = f"{error.__class__.__name__}: {error}"
            raise CodeMismatchError.for_missing_step(step, module, qualname, reason) from error
    if isinstance(found, Step):
        return found.specification
    reason = f"a {type(found).__name__} stands there, not a step"
    raise CodeMismatchError.for_missing_step(step, module, qualname, reason)
