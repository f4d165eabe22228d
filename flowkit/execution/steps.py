"""Finds the step that an order means and proves that its code here is the code of the run."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress

from msgspec import Struct

from flowkit.authoring.step import Step
from flowkit.errors import CodeMismatchError
from flowkit.execution.base import StepOrder, StepPlace
from flowkit.execution.borders import StepBorders
from flowkit.execution.bundle import install_sources
from flowkit.execution.processors import POOL_VARIABLES, THREAD_VARIABLES
from flowkit.execution.proof import (
    StepProof,
    differing_environment,
    differing_globals,
    differing_modules,
    differing_parts,
    summarise_code,
)
from flowkit.execution.reached import Fingerprints, ReachedCode
from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.records import CodeFingerprint, Digest, StepSpecification


class FoundStep(Struct, frozen=True):
    """A step as it was found in this process, with what is the same for all of its nodes.

    Attributes:
        reached: What its code reaches; None where it takes a list apart, with flowkit's own code.
    """

    specification: StepSpecification
    borders: StepBorders
    reached: ReachedCode | None = None

    @property
    def reaches(self) -> Collection[str]:
        """The names of all that its code reaches: `module:qualified name`."""
        return () if self.reached is None else self.reached.names

    def changes(self) -> tuple[str, ...]:
        """Return the names of what its code reaches and what is not any more as it was."""
        return () if self.reached is None else self.reached.changes()


class StepFinder:
    """Finds steps by module and name, or takes them by value; each is proven once.

    Args:
        fingerprints: Recomputes a step's code fingerprint.
        worker: Named where a proof fails.
        proofs: What the driver says of the steps that are found by name.
        environments: What the driver says of its environments, by their fingerprint's digest: readable values by name.
        proves: Whether a step's code could be other than the driver's; it cannot in the driver itself.
    """

    def __init__(
        self,
        fingerprints: Fingerprints,
        worker: str,
        proofs: Mapping[StepPlace, StepProof],
        environments: Mapping[Digest, Mapping[str, str]],
        *,
        proves: bool = True,
    ) -> None:
        self._fingerprints = fingerprints
        self._worker = worker
        self._proofs = proofs
        self._proves = proves
        self._told = environments
        self._environments = EnvironmentReader()
        self._known: dict[tuple[str, str, Digest, Digest], FoundStep] = {}
        self._reached: dict[StepSpecification, ReachedCode] = {}
        self._changed: set[StepSpecification] = set()

    def prepare(self) -> None:
        """Fingerprint every step that the driver has told of, before one that runs can change what others reach."""
        steps: list[StepSpecification] = []
        for module, qualname in self._proofs:
            # What fails here fails again, with the node that needs it, and is told there.
            with suppress(Exception):
                steps.append(_look_up(qualname, module, qualname))
        with self._fingerprints.at_one_moment():
            for step in steps:
                with suppress(Exception):
                    self._reach(step)

    def known(self, order: StepOrder) -> FoundStep | None:
        """Return the step where it was found and proven already, which takes no time."""
        return None if order.unpacks else self._known.get(_key_of(order))

    def find(self, order: StepOrder) -> FoundStep:
        """Return the step.

        Raises:
            CodeMismatchError: It is not there, or its code or environment is not what the order says.
            BaseException: What the user's module raises while it is imported.
        """
        if order.unpacks:
            # Nothing of the project's to prove; and not kept, as the classes that its annotations name may change.
            specification = _unpickle(order)
            return FoundStep(specification, StepBorders.of(specification))
        known = self.known(order)
        return known if known is not None else self._find_anew(order)

    def _find_anew(self, order: StepOrder) -> FoundStep:
        by_value = order.pickled is not None
        specification = _unpickle(order) if by_value else _look_up(order.name, order.module, order.qualname)
        reached = self._reach(specification)
        if self._proves:
            self._prove_code(order, reached.code)
            self._prove_environment(order, reached.code)
        found = self._known[_key_of(order)] = FoundStep(specification, StepBorders.of(specification), reached)
        return found

    def changes_for_others(self, step: FoundStep) -> tuple[str, ...]:
        """Return the names of what other steps of the run reach and what has changed since this was last asked.

        That costs a look at all they reach, so it is asked of a step alone whose code stores into something, right
        before it runs and after it has.
        """
        if step.reached is None or not step.reached.stores:
            return ()
        found: dict[str, None] = {}
        for known, reached in self._reached.items():
            if known is not step.specification and known not in self._changed and (names := reached.changes()):
                self._changed.add(known)
                found.update(dict.fromkeys(names))
        return tuple(found)

    def _reach(self, specification: StepSpecification) -> ReachedCode:
        known = self._reached.get(specification)
        if known is None:
            known = self._reached[specification] = ReachedCode(specification, self._fingerprints)
        return known

    def _prove_code(self, order: StepOrder, found: CodeFingerprint) -> None:
        if found.digest == order.code:
            return
        wanted = self._proof_of(order)
        modules: tuple[str, ...] = ()
        parts: tuple[str, ...] = ()
        if wanted is not None:
            here = summarise_code(found)
            if names := differing_globals(wanted, here):
                raise CodeMismatchError.for_values(order.name, names, self._worker)
            modules = differing_modules(wanted, here)
            parts = differing_parts(wanted, found)
        places = [(name, _file_of(name)) for name in modules]
        raise CodeMismatchError.for_step(order.name, order.code, found.digest, self._worker, places, parts)

    def _prove_environment(self, order: StepOrder, code: CodeFingerprint) -> None:
        variables = order.options.env
        found = self._environments.read(code.distributions, variables)
        if found.digest == order.environment:
            return
        differences = differing_environment(self._told.get(order.environment, {}), found.values)
        own = {f"variable:{name}" for name in _OWN_VARIABLES.intersection(variables)}
        if differences and own.issuperset(name for name, _, _ in differences):
            # flowkit gives every step host its own share of the processors.
            return
        raise CodeMismatchError.for_environment(order.name, differences, self._worker)

    def _proof_of(self, order: StepOrder) -> StepProof | None:
        """Return what the driver said of this very step; None of one that came by value."""
        proof = self._proofs.get((order.module, order.qualname))
        return proof if proof is not None and proof.code == order.code else None


_OWN_VARIABLES = frozenset({*THREAD_VARIABLES, *POOL_VARIABLES})


def _key_of(order: StepOrder) -> tuple[str, str, Digest, Digest]:
    return order.module, order.qualname, order.code, order.environment


def _file_of(module: str) -> str:
    return getattr(sys.modules.get(module), "__file__", None) or "not loaded"


def _unpickle(order: StepOrder) -> StepSpecification:
    install_sources(order.sources)
    assert order.pickled is not None
    specification, names = pickle.loads(order.pickled)
    for name, value in names.items():
        specification.function.__globals__.setdefault(name, value)
    found: StepSpecification = specification
    return found


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
