"""Fingerprints of steps: the code that runs, with everything of the project that it reaches."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any

from blake3 import blake3

from flowkit.fingerprint.context import Context
from flowkit.fingerprint.kept import KeptFacts
from flowkit.fingerprint.known import KnownCode
from flowkit.fingerprint.named import MISSING, find_named
from flowkit.fingerprint.ownership import Ownership
from flowkit.fingerprint.packages import installed_packages
from flowkit.fingerprint.references import Reading
from flowkit.fingerprint.source import SourceLibrary
from flowkit.fingerprint.survey import Survey
from flowkit.fingerprint.tokens import Tokens, Value, text
from flowkit.fingerprint.values import ValueEncoder
from flowkit.fingerprint.walk import walk
from flowkit.project import Project
from flowkit.records import CodeFingerprint, Digest, StepSpecification

# What is known of a code object holds for the life of the process, whichever project asks: after an edit on disk the
# code that is loaded must still be told by the text that it was made from.
_SOURCES = SourceLibrary()
_KNOWN = KnownCode(_SOURCES)


class CodeFingerprinter:
    """Computes code fingerprints for one project.

    Values of globals are read anew each time, as running steps may change them; sources are read once.

    Args:
        store: The folder of the store that keeps what was found out about sources, for later processes.
    """

    def __init__(self, project: Project, store: Path | None = None) -> None:
        self._kept = KeptFacts(store) if store is not None else None
        self._project = project
        self._owners: Ownership | None = None
        self._named: dict[str, Digest | None] = {}
        self._surveys: dict[Reading, Survey] = {}
        self._held = False

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Read each function, class and global once for all fingerprints that are asked for inside.

        Nothing that could change a global may run inside, no step above all.
        """
        outer, self._held = self._held, True
        # Many small objects are made and none is garbage yet: looking for some takes a tenth of the time.
        collects = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collects:
                gc.enable()
            self._held = outer
            if not outer:
                self._end_moment()

    def of_step(self, specification: StepSpecification, extra: Sequence[object] = ()) -> CodeFingerprint:
        """Return the fingerprint of a step.

        Args:
            specification: The step.
            extra: Further functions, classes or values that count, such as the classes of its codecs.
        """
        return self._fingerprint(specification.function, specification, extra)

    def of_value(self, value: object) -> Digest:
        """Return the digest of a function or class that is passed as a value."""
        return self._fingerprint(value, None, ()).digest

    def of_name(self, name: str) -> Digest | None:
        """Return the digest of project code that a stored value names, with the versions of what it reaches.

        Code that cannot be fingerprinted has another digest in every process, so that nothing is reused on its account.

        Args:
            name: `module:qualified name`.

        Returns:
            None where the name is not the project's.
        """
        if name not in self._named:
            self._named[name] = self._of_name(name)
        return self._named[name]

    @property
    def _ownership(self) -> Ownership:
        """Whose modules are, by what was installed at the latest moment."""
        if self._owners is None:
            self._owners = Ownership(self._project, installed_packages())
        return self._owners

    def _of_name(self, name: str) -> Digest | None:
        found = find_named(name, self._ownership)
        if found is None:
            return None
        if found is MISSING:
            return blake3(b"missing").hexdigest()
        fingerprint = self._fingerprint(found, None, ())
        if fingerprint.uncacheable is not None:
            return blake3(os.urandom(32)).hexdigest()
        owners = [self._ownership.packages.named(distribution) for distribution in fingerprint.distributions]
        versions = sorted(f"{owner.name}={owner.label}" for owner in owners if owner is not None)
        return blake3("\n".join((fingerprint.digest, *versions)).encode()).hexdigest()

    def _fingerprint(
        self, root: Any, specification: StepSpecification | None, extra: Sequence[object]
    ) -> CodeFingerprint:
        if self._held:
            return self._walk(root, specification, extra)
        with self.at_one_moment():
            return self._walk(root, specification, extra)

    def _end_moment(self) -> None:
        self._surveys = {}
        _SOURCES.look_again()
        _SOURCES.keep_facts()
        if self._kept is not None:
            self._kept.save_packages(self._ownership.packages)

    def _walk(self, root: Any, specification: StepSpecification | None, extra: Sequence[object]) -> CodeFingerprint:
        counted = Reading(0)
        while True:
            survey = self._survey(counted)
            found = walk(survey, survey.root(_root_tokens(survey.encoder, root, specification, extra)))
            if survey.context.has_imported:
                self._surveys = {}
            if found.reads in counted:
                return CodeFingerprint(found.digest, found.parts, found.modules, found.distributions, found.uncacheable)
            # What is read of code may lead to more code: at most one more walk for each kind of reading.
            counted |= found.reads

    def _survey(self, counted: Reading) -> Survey:
        if not self._surveys:
            _SOURCES.shelf = self._kept
            _SOURCES.look_again()
            packages = installed_packages()
            if self._kept is not None:
                self._kept.load_packages(packages)
            if self._owners is None or packages is not self._owners.packages:
                self._owners = Ownership(self._project, packages)
        if counted not in self._surveys:
            self._surveys[counted] = Survey(Context(self._ownership, _SOURCES, _KNOWN, counted))
        return self._surveys[counted]


def _root_tokens(
    encoder: ValueEncoder, root: Any, specification: StepSpecification | None, extra: Sequence[object]
) -> Tokens:
    encoder.context.untracked = {}
    # A step is followed wherever it was defined, even in a library of steps that is installed from an index.
    is_function = isinstance(root, FunctionType)
    tokens: Tokens = [encoder.context.function(root)] if is_function else list(encoder.guarded("the value", root))
    if specification is not None:
        tokens += _declaration(encoder, specification)
    for index, item in enumerate(extra):
        tokens += encoder.guarded(f"extra {index}", item)
    return tokens


def _declaration(encoder: ValueEncoder, specification: StepSpecification) -> Tokens:
    """Return the tokens of what a step declares: its version, and its signature as objects."""
    untracked = frozenset(parameter.name for parameter in specification.parameters if parameter.untracked)
    if untracked:
        encoder.context.untracked[id(specification.function)] = untracked
    tokens: Tokens = []
    version = specification.options.version
    if version:
        tokens.append(Value("version", [text(b"s", version)], version))
    signature: Tokens = []
    shown = []
    hints = [(parameter.name, parameter.hint) for parameter in specification.parameters]
    hints.append(("return", specification.hint))
    for name, hint in hints:
        signature.append(text(b"n", name))
        met = encoder.met(hint)
        signature += met or encoder.guarded(f"annotation {name!r} of step {specification.name!r}", hint)
        shown.append(f"{name}: {_show_hint(hint)}")
    tokens.append(Value("signature", signature, "\n".join(shown)))
    return tokens


def _show_hint(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)
