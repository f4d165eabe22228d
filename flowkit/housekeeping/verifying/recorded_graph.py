"""The graph of a recorded run as it was when it ended, and its nodes each by itself, with its inputs as recorded. Pure.

Lists that were known only at run time are taken apart as they were then. What runs a node of it again takes what the
record says its producers gave, whatever they would give now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from flowkit.graph.arguments import Gather, Ref, refs_of, replace_leaves
from flowkit.graph.expansion import expand
from flowkit.graph.graph import Edge, Graph, Node, list_of
from flowkit.lineage.rows import NodeRow
from flowkit.records import Artifact, LatestSuccess, Outcome, Output

SUCCEEDED = (Outcome.EXECUTED, Outcome.REUSED)


class RecordedRun(Struct, frozen=True):
    """What the store knows of a run, by node.

    Attributes:
        outputs: Also of what took lists apart.
        artifacts: What each output held.
        accounts: What the keys were made of.
    """

    rows: Mapping[str, NodeRow]
    outputs: Mapping[str, tuple[Output, ...]]
    artifacts: Mapping[Ref, Artifact]
    accounts: Mapping[str, LatestSuccess]
    metrics: Mapping[str, Mapping[str, float]]

    def outcome(self, node: str) -> str | None:
        """Return how a node ended; None where the run has no such node."""
        row = self.rows.get(node)
        return row.outcome if row is not None else None


class SeparateNodes(Graph):
    """Nodes that wait for nothing: all that they refer to is known."""

    @cached_property
    def edges_by_consumer(self) -> Mapping[str, tuple[Edge, ...]]:
        """No edges at all."""
        return {node.name: () for node in self}

    def _check_order(self) -> None:
        """Let references lead out of the graph."""


def grow_as_recorded(graph: Graph, recorded: RecordedRun) -> Graph:
    """Return the graph with the elements that lists had in a run; a list that is not recorded stays untouched."""
    taken: set[str] = set()
    while True:
        lists = (node for node in graph if node.hidden and node.name not in taken)
        found = next(((node, refs) for node in lists if (refs := _elements(graph, node, recorded)) is not None), None)
        if found is None:
            return graph
        taken.add(found[0].name)
        graph = expand(graph, found[0].name, found[1]).graph


def _elements(graph: Graph, node: Node, recorded: RecordedRun) -> Sequence[Ref] | None:
    """Return where the elements of a list are, None where that is not recorded."""
    source = list_of(node)
    if isinstance(source, Ref):
        outputs = recorded.outputs.get(node.name)
        return None if outputs is None else [Ref(node.name, output.name) for output in outputs]
    if any(graph[ref.node].dimension is not None for ref in source.refs):
        return None
    return [ref for ref in source.refs if recorded.outcome(ref.node) in SUCCEEDED]


def separate(node: Node, recorded: RecordedRun) -> Node:
    """Return a node without references to what was skipped: `None` stands there, or they are left out of a list."""
    arguments = {
        name: replace_leaves(tree, lambda leaf, _: _without_skipped(leaf, recorded))
        for name, tree in node.arguments.items()
    }
    return replace(node, arguments=arguments)


def _without_skipped(leaf: Any, recorded: RecordedRun) -> Any:
    if isinstance(leaf, Ref):
        return None if recorded.outcome(leaf.node) == Outcome.SKIPPED else leaf
    if isinstance(leaf, Gather):
        return Gather(tuple(ref for ref in leaf.refs if recorded.outcome(ref.node) != Outcome.SKIPPED))
    return leaf


def unrecorded_producers(node: Node, artifacts: Mapping[Ref, Artifact]) -> Iterator[str]:
    """Yield the names of the nodes whose outputs a node needs and the record does not have."""
    for tree in node.arguments.values():
        for ref in refs_of(tree):
            if ref not in artifacts:
                yield ref.node
