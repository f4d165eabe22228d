"""Finds which results could stand for edited code, and records that a person lets them.

What is looked up, and what it means, is decided where `plan` decides it: the planner goes through the graph, and a node
that was asked for is looked up once more as it was before its edit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flowkit.cache.acceptance import (
    Pairs,
    Unedited,
    decide_acceptance,
    describe_edit,
    find_same_content,
    undo_edit,
    variables_of,
)
from flowkit.cache.key import compute_cache_key, compute_entry_key
from flowkit.cache.reason import Change, Miss
from flowkit.engine.explain import changes_to_json
from flowkit.engine.keys import Environments, KeyedNode
from flowkit.engine.launch import plan_with
from flowkit.engine.lookup import Finder, Lookup
from flowkit.engine.planner import Planner
from flowkit.engine.provenance import current_user
from flowkit.engine.refusals import refuse_missed, refuse_unlooked
from flowkit.engine.report import JSON_FORMAT
from flowkit.engine.workspace import Workspace
from flowkit.errors import AcceptanceError
from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.graph.arguments import LEAVES
from flowkit.graph.graph import Graph, Node, is_among
from flowkit.lineage.entries import Entries
from flowkit.records import Entry, EnvironmentFingerprint, Execution, LatestSuccess, NodeRecord, Outcome
from flowkit.registry.acceptances import AcceptedResult, record_acceptances


@dataclass(frozen=True, slots=True)
class Proposal:
    """A node that would run because of an edit, and what it could keep.

    Attributes:
        entry: The result that it could keep.
        since: The success with whose code the edit is compared.
        changes: The edit.
    """

    keyed: KeyedNode
    entry: Entry
    since: LatestSuccess
    changes: tuple[Change, ...]

    @property
    def name(self) -> str:
        """The node's name."""
        return self.keyed.name


@dataclass(frozen=True, slots=True)
class AcceptReport:
    """What was asked to be accepted.

    Attributes:
        proposals: In the graph's order.
        reused: Nodes that would be reused as they are.
        audit: Once it is recorded, the number of each proposal's audit row.
    """

    pipeline: str
    proposals: tuple[Proposal, ...]
    reused: tuple[str, ...]
    reason: str = ""
    audit: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `accept --json` prints."""
        kept = [
            {
                "node": proposal.name,
                "accepted": True,
                "audit": audit,
                "from_run": proposal.entry.run,
                "from_node": proposal.entry.node,
                "cache_key": proposal.keyed.key,
                "changes": changes_to_json(proposal.changes),
            }
            for proposal, audit in zip(self.proposals, self.audit, strict=True)
        ]
        left: list[dict[str, Any]] = [
            {
                "node": name,
                "accepted": False,
                "audit": None,
                "from_run": None,
                "from_node": None,
                "cache_key": None,
                "changes": [],
            }
            for name in self.reused
        ]
        return {"format": JSON_FORMAT, "pipeline": self.pipeline, "reason": self.reason or None, "nodes": kept + left}


@dataclass(frozen=True, slots=True)
class _Edit:
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


@dataclass(slots=True)
class AcceptingFinder:
    """Decides on nodes as a plan does; of those that were asked for, what their edit hides is found too.

    Attributes:
        now: Decides on nodes as they are.
        unedited: Decides on them as they were; of this store alone.
        wanted: The nodes, or their templates, that were asked for.
        former: The former name of a call, by the present one.
    """

    pipeline: str
    now: Finder
    unedited: Finder
    entries: Entries
    environments: Environments
    wanted: frozenset[str]
    former: dict[str, str]
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
        taken = self.entries.inputs_by([one.execution for some in before.values() for one in some if one.execution])
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
            else:
                edit = next(edit for edit, one in unedited[node] if one is verdict)
                self.proposals[node] = _propose(found.keyed, edit, verdict)

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


def _propose(node: KeyedNode, edit: _Edit, verdict: Unedited) -> Proposal:
    assert verdict.entry is not None
    changes = describe_edit(node.current, edit.before, edit.environment, edit.same_content)
    return Proposal(node, verdict.entry, edit.before, changes)


def propose_acceptance(
    workspace: Workspace, graph: Graph, wanted: frozenset[str], former: dict[str, str]
) -> AcceptReport:
    """Return what could be accepted of the nodes that were asked for, if all of them can or need not be.

    Args:
        workspace: The opened store.
        graph: The checked graph.
        wanted: Names of nodes and of templates.
        former: The former name of a node or call, by the present one.

    Raises:
        AcceptanceError: One of them cannot be accepted; the others are named.
    """
    for node in graph:
        if node.name in wanted and node.step is None:
            raise AcceptanceError.for_registry(node.name)
    finder: list[AcceptingFinder] = []

    def accepting(now: Finder) -> Finder:
        lookups = workspace.make_lookups(graph.pipeline, frozenset(), frozenset())
        entries = Entries(workspace.reader)
        finder.append(AcceptingFinder(graph.pipeline, now, lookups, entries, EnvironmentReader(), wanted, former))
        return finder[0]

    # What nobody asked for stands as it last was, also where it is declared cache=False.
    spared = frozenset(node.name for node in graph if node.name not in wanted)
    planner = plan_with(workspace, graph, frozenset(), spared, accepting)
    return _report(planner, finder[0])


def _report(planner: Planner, finder: AcceptingFinder) -> AcceptReport:
    proposals, reused = [], []
    refusals: dict[str, AcceptanceError] = {}
    for node in planner.graph.visible:
        if not is_among(node.name, finder.wanted):
            continue
        refusal = finder.refusals.get(node.name)
        if node.name in finder.proposals:
            proposals.append(finder.proposals[node.name])
        elif node.name in planner.lookups and refusal is None:
            reused.append(node.name)
        else:
            refusals[node.name] = refusal or refuse_unlooked(planner, node)
    if refusals:
        first, *others = refusals
        raise refusals[first].besides(others)
    return AcceptReport(planner.graph.pipeline, tuple(proposals), tuple(reused))


def accept(workspace: Workspace, report: AcceptReport, reason: str) -> AcceptReport:
    """Let the results stand that a report proposes, by the word of the user of this process.

    Raises:
        AcceptanceError: Another process has made or replaced one of them meanwhile.
        LineageError: It could not be recorded; nothing was.
    """
    entries = Entries(workspace.reader)
    results = [_result(report.pipeline, proposal, entries) for proposal in report.proposals]
    audit = record_acceptances(workspace.writer, results, who=current_user(), reason=reason)
    return replace(report, reason=reason, audit=audit)


def _result(pipeline: str, proposal: Proposal, entries: Entries) -> AcceptedResult:
    keyed, entry = proposal.keyed, proposal.entry
    assert entry.id is not None
    node, observed = keyed.bound.node, entries.observed_by(entry.id)
    execution = Execution(
        parts=keyed.current.parts,
        cache_key=keyed.key,
        entry_key=compute_entry_key(keyed.key, observed),
        code=keyed.current.code,
        environment=keyed.current.environment,
        inputs=keyed.inputs,
        outputs=entry.outputs,
        metrics=entry.metrics,
        observed=observed,
        producers=keyed.producers,
    )
    record = NodeRecord(
        entry.run, node.name, node.step_name, node.map_index, Outcome.REUSED, execution=execution, entry=entry.id
    )
    return AcceptedResult(pipeline, record, entry.id, _evidence(proposal))


def _evidence(proposal: Proposal) -> dict[str, Any]:
    before, current = proposal.since, proposal.keyed.current
    return {
        "run": proposal.entry.run,
        "node": proposal.entry.node,
        "cache_key": {"before": proposal.entry.cache_key, "after": proposal.keyed.key},
        "code": {"before": before.code.digest, "after": current.code.digest},
        "changes": [f"{change.kind.value} {change.name}" for change in proposal.changes],
        "outputs": {output.name: output.artifact.digest for output in proposal.entry.outputs},
    }
