"""Fingerprints of steps: the code that runs, with everything of the project that it reaches."""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType
from typing import Any

from flowkit.fingerprint.context import Context, ReferenceCache
from flowkit.fingerprint.functions import CodeDigests
from flowkit.fingerprint.ownership import Ownership
from flowkit.fingerprint.packages import installed_packages
from flowkit.fingerprint.source import SourceLibrary
from flowkit.fingerprint.tokens import Tokens, Value, text
from flowkit.fingerprint.values import ValueEncoder
from flowkit.fingerprint.walk import Walk
from flowkit.project import Project
from flowkit.records import CodeFingerprint, Digest, StepSpecification

# What is known of a code object holds for the life of the process, whichever project asks: after an edit on disk the
# code that is loaded must still be told by the text that it was made from.
_SOURCES = SourceLibrary()
_REFERENCES = ReferenceCache()
_DIGESTS = CodeDigests()


class CodeFingerprinter:
    """Computes code fingerprints for one project.

    Values of globals are read anew each time, as running steps may change them; sources are read once.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._ownership = Ownership(project, installed_packages())

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

    def _fingerprint(
        self, root: Any, specification: StepSpecification | None, extra: Sequence[object]
    ) -> CodeFingerprint:
        found, needs_docstrings = self._walk(root, specification, extra, docstrings=False)
        if needs_docstrings:
            found, _ = self._walk(root, specification, extra, docstrings=True)
        return found

    def _walk(
        self, root: Any, specification: StepSpecification | None, extra: Sequence[object], docstrings: bool
    ) -> tuple[CodeFingerprint, bool]:
        packages = installed_packages()
        if packages is not self._ownership.packages:
            self._ownership = Ownership(self._project, packages)
        context = Context(self._ownership, _SOURCES, _REFERENCES, docstrings)
        walk = Walk(context, _DIGESTS)
        tokens: Tokens = _root_tokens(walk.encoder, root)
        if specification is not None:
            tokens += _declaration(walk.encoder, specification)
        for index, item in enumerate(extra):
            tokens += walk.encoder.guarded(f"extra {index}", item)
        digest, parts = walk.run(tokens)
        return (
            CodeFingerprint(
                digest, parts, frozenset(context.modules), frozenset(context.distributions), context.uncacheable
            ),
            context.reads_docstrings,
        )


def _root_tokens(encoder: ValueEncoder, root: Any) -> Tokens:
    # A step is followed wherever it was defined, even in a library of steps that is installed from an index.
    return [encoder.context.function(root)] if isinstance(root, FunctionType) else encoder.guarded("the value", root)


def _declaration(encoder: ValueEncoder, specification: StepSpecification) -> Tokens:
    """Return the tokens of what a step declares: its version, and its signature as objects."""
    untracked = frozenset(parameter.name for parameter in specification.parameters if parameter.untracked)
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
        signature += encoder.guarded(f"annotation {name!r} of step {specification.name!r}", hint)
        shown.append(f"{name}: {_show_hint(hint)}")
    tokens.append(Value("signature", signature, "\n".join(shown)))
    return tokens


def _show_hint(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)
