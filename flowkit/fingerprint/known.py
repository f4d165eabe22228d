"""What is known of code objects for the life of the process, from the facts of their texts where these are kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from blake3 import blake3

from flowkit.fingerprint.bytecode import normalise_code, render_code
from flowkit.fingerprint.decorators import DecoratorJudge
from flowkit.fingerprint.references import CodeReferences, references_of
from flowkit.fingerprint.source import SourceLibrary, SourceText, VerifiedSource, future_flags
from flowkit.fingerprint.structure import digest_structure
from flowkit.fingerprint.syntax import canonical_syntax
from flowkit.fingerprint.tokens import text


class CodeDigest(NamedTuple):
    """How a code object was read, and the digest of it.

    Attributes:
        written: Gives its text.
    """

    basis: str
    digest: bytes
    written: Callable[[], str]


class _Origin(NamedTuple):
    """The text that may be a code object's source, as it was when the code was first met, and the code's structure."""

    written: SourceText
    structure: str


class KnownCode:
    """Digests and references of code objects.

    Once told for a code object a digest holds for the life of the process: an edit on disk must not change it.
    """

    def __init__(self, sources: SourceLibrary) -> None:
        self._sources = sources
        self._digests: dict[tuple[int, bool], tuple[CodeType, CodeDigest]] = {}
        self._references: dict[int, tuple[CodeType, CodeReferences]] = {}
        self._origins: dict[int, tuple[CodeType, _Origin | None]] = {}

    def digest(self, function: FunctionType, docstrings: bool) -> CodeDigest:
        """Return the digest of a function's code, without anything that it refers to."""
        code = function.__code__
        kept = self._digests.get((id(code), docstrings))
        if kept is None:
            kept = self._digests[id(code), docstrings] = (code, self._digest(function, docstrings))
        return kept[1]

    def references(self, code: CodeType, namespace: dict[str, Any]) -> CodeReferences:
        """Return what a code object refers to.

        Args:
            code: A live function's code, or the compiled body of a class.
            namespace: Its module's globals.
        """
        kept = self._references.get(id(code))
        if kept is None:
            kept = self._references[id(code)] = (code, self._read_references(code, namespace))
        return kept[1]

    def _digest(self, function: FunctionType, docstrings: bool) -> CodeDigest:
        code, namespace = function.__code__, function.__globals__
        origin = self._origin(code, namespace)
        known = origin.written.facts.function(origin.structure, docstrings, namespace) if origin is not None else None
        if origin is not None and known is not None:
            return CodeDigest("ast", known[0], partial(origin.written.between, known[1]))
        verified = self._sources.find(code, origin.written) if origin is not None else None
        if origin is None or verified is None:
            return CodeDigest("bytecode", blake3(normalise_code(code)).digest(), partial(render_code, code))
        return _digest_source(code, namespace, docstrings, verified, origin.structure)

    def _read_references(self, code: CodeType, namespace: dict[str, Any]) -> CodeReferences:
        origin = self._origin(code, namespace)
        if origin is None:
            return references_of(code)
        known = origin.written.facts.references(origin.structure)
        if known is None:
            known = references_of(code)
            origin.written.facts.add_references(origin.structure, known)
        return known

    def _origin(self, code: CodeType, namespace: dict[str, Any]) -> _Origin | None:
        kept = self._origins.get(id(code))
        if kept is None:
            written = self._sources.text(code.co_filename, namespace)
            structure = digest_structure(code) if written is not None else None
            origin = _Origin(written, structure) if written is not None and structure is not None else None
            kept = self._origins[id(code)] = (code, origin)
        return kept[1]


def _digest_source(
    code: CodeType, namespace: dict[str, Any], docstrings: bool, verified: VerifiedSource, structure: str
) -> CodeDigest:
    judge = DecoratorJudge(namespace)
    written = canonical_syntax(verified.node, judge, docstrings)
    digest = blake3(text(b"a", str(future_flags(code))) + written).digest()
    span = verified.file.span_of(verified.node)
    verified.file.written.facts.add_function(structure, docstrings, digest, judge, span)
    return CodeDigest("ast", digest, partial(verified.file.written.between, span))
