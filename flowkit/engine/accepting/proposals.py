"""Finds which results could stand for edited code, and records that a person lets them.

What is looked up, and what it means, is decided where `plan` decides it: the planner goes through the graph, and a node
that was asked for is looked up once more as it was before its edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flowkit.cache.key import compute_entry_key
from flowkit.engine.accepting.kept_outputs import refuse_misfit
from flowkit.engine.accepting.refusals import refuse_unlooked
from flowkit.engine.accepting.unedited import AcceptingFinder, Proposal
from flowkit.engine.explaining.nodes import changes_to_json
from flowkit.engine.launch import plan_with
from flowkit.engine.lookup import Finder
from flowkit.engine.planner import Planner
from flowkit.engine.provenance import current_user
from flowkit.engine.report import JSON_FORMAT
from flowkit.engine.workspace import Workspace
from flowkit.errors import AcceptanceError
from flowkit.fingerprint.environment import EnvironmentReader
from flowkit.fingerprint.named import GoneNames
from flowkit.graph.graph import Graph, Node, is_among
from flowkit.lineage.entries import Entries
from flowkit.records import Execution, NodeRecord, Outcome
from flowkit.registry.acceptances import AcceptedResult, record_acceptances


class AcceptReport(Struct, frozen=True):
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
                "notes": list(proposal.notes),
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
                "notes": [],
            }
            for name in self.reused
        ]
        return {"format": JSON_FORMAT, "pipeline": self.pipeline, "reason": self.reason or None, "nodes": kept + left}


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
    is_gone = GoneNames(workspace.project).is_gone

    def accepting(now: Finder) -> Finder:
        # A result that cannot be loaded any more is found all the same, so that the refusal can say what it names.
        lookups = workspace.make_lookups(graph.pipeline, frozenset(), frozenset(), is_gone=lambda name: False)
        entries = Entries(workspace.reader)
        finder.append(
            AcceptingFinder(graph.pipeline, now, lookups, entries, EnvironmentReader(), wanted, former, is_gone)
        )
        return finder[0]

    # What nobody asked for stands as it last was, also where it is declared cache=False.
    spared = frozenset(node.name for node in graph if node.name not in wanted)
    planner = plan_with(workspace, graph, frozenset(), spared, accepting)
    for proposal in finder[0].proposals.values():
        step = proposal.keyed.bound.prepared.step
        misfit = refuse_misfit(workspace, proposal.name, step, proposal.entry)
        if misfit is not None:
            raise misfit
    return _report(planner, finder[0])


def _report(planner: Planner, finder: AcceptingFinder) -> AcceptReport:
    proposals: list[Proposal] = []
    reused: list[Node] = []
    refusals: dict[str, AcceptanceError] = {}
    for node in planner.graph.visible:
        if not is_among(node.name, finder.wanted):
            continue
        refusal = finder.refusals.get(node.name)
        if node.name in finder.proposals:
            proposals.append(finder.proposals[node.name])
        elif node.name in planner.lookups and refusal is None:
            reused.append(node)
        else:
            refusals[node.name] = refusal or refuse_unlooked(planner, node, finder.former_name(node))
    if refusals:
        first, *others = refusals
        raise refusals[first].besides(others)
    _check_former_names(finder, reused)
    return AcceptReport(planner.graph.pipeline, tuple(proposals), tuple(node.name for node in reused))


def _check_former_names(finder: AcceptingFinder, reused: Sequence[Node]) -> None:
    """Refuse a former name under which nothing has succeeded, also where it is not needed."""
    for node in reused:
        former = finder.former_name(node)
        if former != node.name and finder.entries.latest_success(finder.pipeline, former) is None:
            raise AcceptanceError.for_unknown_former(node.name, former, finder.pipeline)


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
        "notes": list(proposal.notes),
        "outputs": {output.name: output.artifact.digest for output in proposal.entry.outputs},
    }
