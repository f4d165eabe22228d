"""What was found out about one text of source code, in a form that outlives the process.

Facts of a text alone: a function's digest counts only for a live code object of the same structure, and only where its
decorators still mean what they meant. Nothing here says anything about the values of globals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from flowkit.fingerprint.decorators import DecoratorJudge, is_own_decorator
from flowkit.fingerprint.references import CodeReferences, Reading, Reference, Root

Span = tuple[int, ...]
"""First and last line of a definition; with the columns behind them for a lambda."""


class TopImport(NamedTuple):
    """An import at the top of a file.

    Attributes:
        bound: The name that it binds.
        is_read: Whether the file reads that.
    """

    bound: str
    level: int
    module: str
    member: str
    is_read: bool


class SourceFacts:
    """The facts of one text.

    Args:
        kept: As `to_json` gave them in another process.

    Attributes:
        has_grown: Whether there are facts that are not kept yet.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        kept = kept or {}
        self._functions: dict[str, list[Any]] = kept.get("functions", {})
        self._references: dict[str, CodeReferences | list[Any]] = kept.get("references", {})
        self._written = [
            Reference(_ROOTS[root], name, tuple(chain), level) for root, name, chain, level in kept.get("written", ())
        ]
        self._trees: dict[str, list[Any]] = kept.get("trees", {})
        self._imports: list[list[Any]] | None = kept.get("imports")
        self.has_grown = False

    def to_json(self) -> dict[str, Any]:
        """Return all facts as plain data, apart from what another thread may add meanwhile."""
        known = {structure: found for structure in list(self._references) if (found := self.references(structure))}
        written = dict.fromkeys(reference for found in known.values() for reference in found.references)
        places = {reference: place for place, reference in enumerate(written)}
        return {
            "functions": dict(self._functions),
            "references": {structure: _from_references(found, places) for structure, found in known.items()},
            "written": list(written),
            "trees": dict(self._trees),
            "imports": self._imports,
        }

    def function(self, structure: str, docstrings: bool, namespace: Mapping[str, Any]) -> tuple[bytes, Span] | None:
        """Return the digest of the syntax that code of this structure was compiled from, and where it stands."""
        kept = self._functions.get(f"{structure} {docstrings:d}")
        if kept is None or not _still_mean(kept[1], namespace):
            return None
        return bytes.fromhex(kept[0]), tuple(kept[2])

    def add_function(self, structure: str, docstrings: bool, digest: bytes, judge: DecoratorJudge, span: Span) -> None:
        """Keep a function's digest that was proven to be that of code of this structure."""
        self._functions[f"{structure} {docstrings:d}"] = [digest.hex(), judge.verdicts, list(span)]
        self.has_grown = True

    def references(self, structure: str) -> CodeReferences | None:
        """Return what code of this structure refers to."""
        found = self._references.get(structure)
        if isinstance(found, list):
            found = self._references[structure] = _to_references(found, self._written)
        return found

    def add_references(self, structure: str, found: CodeReferences) -> None:
        """Keep what code of this structure refers to."""
        self._references[structure] = found
        self.has_grown = True

    def tree(self, docstrings: bool, namespace: Mapping[str, Any]) -> str | None:
        """Return the digest of the syntax of the whole text."""
        kept = self._trees.get(f"{docstrings:d}")
        return kept[0] if kept is not None and _still_mean(kept[1], namespace) else None

    def add_tree(self, docstrings: bool, digest: str, judge: DecoratorJudge) -> None:
        """Keep the digest of the syntax of the whole text."""
        self._trees[f"{docstrings:d}"] = [digest, judge.verdicts]
        self.has_grown = True

    @property
    def imports(self) -> list[TopImport] | None:
        """The imports at the top of the text; None while they are not known."""
        return None if self._imports is None else [TopImport(*item) for item in self._imports]

    def add_imports(self, found: list[TopImport]) -> None:
        """Keep the imports at the top of the text."""
        self._imports = [list(item) for item in found]
        self.has_grown = True


def _still_mean(verdicts: Mapping[str, bool], namespace: Mapping[str, Any]) -> bool:
    return not verdicts or all(is_own_decorator(name, namespace) is verdict for name, verdict in verdicts.items())


_ROOTS = tuple(Root)
_NOTHING = Reading(0)


def _from_references(found: CodeReferences, places: Mapping[Reference, int]) -> list[Any]:
    return [
        [places[reference] for reference in found.references],
        found.runs,
        found.imports,
        sorted(found.names),
        sorted(found.words - found.names),
        [[item.name, item.chain] for item in found.spoken],
        found.computed_import,
        found.opens_module,
        found.reads.value,
    ]


def _to_references(kept: list[Any], written: Sequence[Reference]) -> CodeReferences:
    places, runs, imports, names, words, spoken, computed_import, opens_module, reads = kept
    known = frozenset(names)
    return CodeReferences(
        references=tuple([written[place] for place in places]),
        runs=tuple(runs),
        imports=tuple([(level, name) for level, name in imports]),
        names=known,
        words=known.union(words) if words else known,
        spoken=tuple([Reference(Root.GLOBAL, name, tuple(chain)) for name, chain in spoken]),
        computed_import=computed_import,
        opens_module=opens_module,
        reads=Reading(reads) if reads else _NOTHING,
    )
