"""Decides on nodes as a plan does, and on those that were asked for once more: as they were before their edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.cache.acceptance import (
    Pairs,
    Unedited,
    decide_acceptance,
    describe_edit,
    find_same_content,
    undo_edit,
    variables_of,
)
from flowkit.cache.key import compute_cache_key
from flowkit.cache.new_reads import NewReads, find_new_reads
from flowkit.cache.reason import Change, Miss
from flowkit.engine.accepting.refusals import refuse_missed
from flowkit.engine.keys import Environments, KeyedNode
from flowkit.engine.lookup import Finder, IsGone, Lookup, find_gone
from flowkit.errors import AcceptanceError
from flowkit.graph.arguments import LEAVES
from flowkit.graph.graph import Node, is_among
from flowkit.lineage.entries import Entries
from flowkit.records import Entry, EnvironmentFingerprint, LatestSuccess

UNWATCHED = (
    "a file or variable that the edited code newly reads undeclared counts only once it has run: declare it, or run it"
)
"""What is said of an edit of which it cannot be told that it reads nothing new."""

_CAME_IN = frozenset({"file", "folder", "path"})


class Proposal(Struct, frozen=True):
    """A node that would run because of an edit, and what it could keep.

    Attributes:
        entry: The result that it could keep.
        since: The success with whose code the edit is compared.
        changes: The edit.
        notes: What nobody can tell of the edited code before it has run.
    """

    keyed: KeyedNode
    entry: Entry
    since: LatestSuccess
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The node's name."""
        return self.keyed.name


class _Edit(Struct, frozen=True):
    """What was edited of a node since a success.

    Attributes:
        unedited: The node as it would be without.
        environment: What the earlier code asks for, as that is today.
        same_content: Parameters of which only the code has changed that their content names.
    """

    before: LatestSuccess
    unedited: KeyedNode
    environment: EnvironmentFingerprint
    same_content: frozenset[str]

    def is_one(self, node: KeyedNode) -> bool:
        """Whether anything was edited at all."""
        return self.unedited.key != node.key


class AcceptingFinder(Struct):
    """Decides on nodes as a plan does; of those that were asked for, what their edit hides is found too.

    Attributes:
        now: Decides on nodes as they are.
        unedited: Decides on them as they were; of this store alone.
        wanted: The nodes, or their templates, that were asked for.
        former: The former name of a call, by the present one.
        is_gone: Whether there is no project code any more behind a name that a stored value bears.
    """

    pipeline: str
    now: Finder
    unedited: Finder
    entries: Entries
    environments: Environments
    wanted: frozenset[str]
    former: dict[str, str]
    is_gone: IsGone
    proposals: dict[str, Proposal] = field(default_factory=dict)
    refusals: dict[str, AcceptanceError] = field(default_factory=dict)

    def find(self, nodes: Sequence[KeyedNode], /) -> list[Lookup]:
        """Decide on each node; one that could keep a result is taken to be reused."""
        lookups = self.now.find(nodes)
        missed = [found for found in lookups if found.miss is not None and is_among(found.keyed.name, self.wanted)]
        if missed:
            self._propose(missed)
        return [self._settled(found) for found in lookups]

    def former_name(self, node: Node) -> str:
        """Return the name under which a node succeeded before."""
        former = self.former.get(node.name, self.former.get(node.call))
        if former is None:
            return node.name
        return former if former.endswith("]") else former + node.name.removeprefix(node.call)

    def _settled(self, found: Lookup) -> Lookup:
        proposal = self.proposals.get(found.keyed.name)
        return found if proposal is None else Lookup(found.keyed, proposal.entry, None, None)

    def _propose(self, missed: Sequence[Lookup]) -> None:
        names = {found.keyed.name: self.former_name(found.keyed.bound.node) for found in missed}
        successes = self.entries.successes_to_stand_for(self.pipeline, list(names.values()))
        before = {node: successes.get(name, ()) for node, name in names.items()}
        executions = [one.execution for some in before.values() for one in some if one.execution is not None]
        taken = {
            execution: tuple((parameter, artifact.digest) for parameter, artifact in inputs)
            for execution, inputs in self.entries.inputs_of(executions).items()
        }
        edits = {
            found.keyed.name: [
                edit
                for success in before[found.keyed.name]
                if (edit := self._undo(found.keyed, names[found.keyed.name], success, taken)).is_one(found.keyed)
            ]
            for found in missed
        }
        unedited = self._look_up_unedited(edits)
        for found in missed:
            node = found.keyed.name
            assert found.miss is not None
            verdict = decide_acceptance(found.miss, [one for _, one in unedited[node]])
            if isinstance(verdict, Miss):
                latest = next(iter(before[node]), None)
                self.refusals[node] = refuse_missed(self.pipeline, node, names[node], verdict, latest)
            elif gone := self._find_gone(verdict):
                self.refusals[node] = AcceptanceError.for_gone_code(node, gone)
            else:
                edit = next(edit for edit, one in unedited[node] if one is verdict)
                self._settle(found.keyed, edit, verdict)

    def _settle(self, node: KeyedNode, edit: _Edit, verdict: Unedited) -> None:
        """Propose what a node may keep, unless its edited code plainly reads what nobody has watched."""
        found = _find_new_reads(node, edit)
        if found.readers:
            self.refusals[node.name] = AcceptanceError.for_new_reads(node.name, found.readers)
        else:
            notes = (UNWATCHED,) if found.may_be else ()
            self.proposals[node.name] = _propose(node, edit, verdict, notes)

    def _look_up_unedited(self, edits: Mapping[str, Sequence[_Edit]]) -> dict[str, list[tuple[_Edit, Unedited]]]:
        """Look each node up with each of its earlier codes, the latest of all nodes at once, until one is found."""
        found: dict[str, list[tuple[_Edit, Unedited]]] = {node: [] for node in edits}
        for depth in range(max(map(len, edits.values()), default=0)):
            nodes = [
                node for node in edits if len(edits[node]) > depth and not any(one.entry for _, one in found[node])
            ]
            lookups = self.unedited.find([edits[node][depth].unedited for node in nodes])
            for node, lookup in zip(nodes, lookups, strict=True):
                edit = edits[node][depth]
                found[node].append((edit, Unedited(edit.before, lookup.entry, lookup.miss)))
        return found

    def _find_gone(self, verdict: Unedited) -> list[str]:
        """Return the project code that the values to be kept name, and that is no longer there."""
        outputs = verdict.entry.outputs if verdict.entry is not None else ()
        return list(find_gone((output.artifact for output in outputs), self.is_gone))

    def _undo(self, node: KeyedNode, name: str, success: LatestSuccess, taken: Mapping[int, Pairs]) -> _Edit:
        """Return a node as it would be without what was edited since a success."""
        environment = self.environments.read(success.code.distributions, variables_of(success.environment))
        plain = [parameter for parameter, argument in node.bound.arguments.items() if _is_plain(argument)]
        now = [(parameter, artifact.digest) for parameter, artifact in node.inputs]
        then = taken.get(success.execution, ()) if success.execution is not None else ()
        same = find_same_content(node.current.parts, success.parts, now, then, plain)
        current = undo_edit(node.current, success, environment, same)
        bound = replace(node.bound, node=replace(node.bound.node, name=name))
        unedited = replace(node, bound=bound, current=current, key=compute_cache_key(current.parts))
        return _Edit(success, unedited, environment, same)


def _is_plain(argument: Any) -> bool:
    """Whether an argument is nothing but artifacts, alone or in containers."""
    if isinstance(argument, (list, tuple)):
        return all(map(_is_plain, argument))
    if type(argument) is dict:
        return all(type(key) is str and _is_plain(value) for key, value in argument.items())
    return isinstance(argument, LEAVES)


def _find_new_reads(node: KeyedNode, edit: _Edit) -> NewReads:
    current, before = node.current, edit.before
    if current.code.digest == before.code.digest:
        return NewReads((), may_be=False)
    return find_new_reads(
        before.code,
        current.code,
        variables_of(current.environment),
        takes_files=any(artifact.format in _CAME_IN for _, artifact in node.inputs),
        has_read=bool(before.observed),
    )


def _propose(node: KeyedNode, edit: _Edit, verdict: Unedited, notes: tuple[str, ...]) -> Proposal:
    assert verdict.entry is not None
    changes = describe_edit(node.current, edit.before, edit.environment, edit.same_content)
    return Proposal(node, verdict.entry, edit.before, changes, notes)
