"""How a node ends that never runs: by what became of its inputs, or with its run. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from flowkit.engine.commands import Settle
from flowkit.engine.node_state import NodeState
from flowkit.graph.graph import Edge, Graph
from flowkit.records import Outcome

_CANCELLED = "the run was cancelled"


def ending_from_cancel(node: str) -> Settle:
    """Return how a node ends whose run was cancelled before it could begin."""
    return Settle(node, Outcome.CANCELLED, _CANCELLED)


def ending_from_inputs(graph: Graph, nodes: Mapping[str, NodeState], node: str) -> Settle | None:
    """Return how a node ends by what became of its inputs; None where it can go on.

    Args:
        graph: The run's graph.
        nodes: How each of its nodes ended, of which those that `node` needs have settled.
        node: The node.
    """
    skipped: str | None = None
    for edge in graph.edges_by_consumer[node]:
        outcome = nodes[edge.ref.node].outcome
        if outcome in (Outcome.FAILED, Outcome.BLOCKED, Outcome.CANCELLED):
            return _ending_from_failure(graph, nodes, edge, outcome)
        if outcome is Outcome.SKIPPED and not edge.gathered and not edge.optional:
            skipped = skipped or _words_for_skipped(graph, nodes, edge.ref.node)
    return Settle(node, Outcome.SKIPPED, skipped) if skipped else None


def _ending_from_failure(graph: Graph, nodes: Mapping[str, NodeState], edge: Edge, outcome: Outcome) -> Settle:
    """Return how a node ends that needs one that failed, or never ran; nobody knows of those that are hidden."""
    producer = graph[edge.ref.node]
    if not producer.hidden:
        return Settle(edge.consumer, Outcome.BLOCKED, f"{producer.name} {outcome.value}")
    if outcome is Outcome.FAILED:
        return Settle(edge.consumer, Outcome.FAILED, f"its list could not be taken apart by {producer.name}")
    cause = ending_from_inputs(graph, nodes, producer.name)
    return Settle(edge.consumer, Outcome.BLOCKED, cause.detail if cause is not None else _CANCELLED)


def _words_for_skipped(graph: Graph, nodes: Mapping[str, NodeState], producer: str) -> str:
    cause = ending_from_inputs(graph, nodes, producer) if graph[producer].hidden else None
    return cause.detail if cause is not None else f"{producer} was skipped"
