"""What an edit must change and must not, and whether it did."""

from __future__ import annotations

from dataclasses import dataclass

from tests.conformance.programs.edits import Edit
from tests.conformance.programs.model import Program
from tests.conformance.programs.trial import State


@dataclass(frozen=True)
class Verdict:
    """The outcome of one edit.

    Attributes:
        missed: Steps that reach what was edited and kept their fingerprint: false hits.
        needless: Steps that do not reach it and lost theirs: needless misses.
        affected: Steps that had to change.
    """

    missed: set[str]
    needless: set[str]
    affected: set[str]


def is_proven(edit: Edit, before: State, after: State) -> bool:
    """Whether what was edited is another thing now; an import and a step were proven by their text."""
    if edit.item is None or edit.item.kind == "step":
        return True
    return before.values[edit.node] != after.values[edit.node]


def judge(program: Program, edit: Edit, before: State, after: State) -> Verdict:
    """Return which fingerprints should have changed and did not, and the other way round."""
    nodes = {edit.node} | ({f"{edit.node}.inner"} if edit.inner else set())
    nodes |= {node for node, value in after.values.items() if value != before.values[node]}
    affected = program.reaching(nodes)
    changed = {name for name, found in after.fingerprints.items() if found != before.fingerprints[name]}
    return Verdict(affected - changed, changed - affected, affected)
