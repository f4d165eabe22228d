"""The lists that a run has taken apart: how long each was, and why one could not be."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec.structs import replace

from flowkit.errors import ValueTypeError
from flowkit.graph.arguments import Gather, Ref, refs_of
from flowkit.graph.expansion import Expansion, expand
from flowkit.graph.graph import Graph, Node, list_of
from flowkit.records import UNPACKING, Failure, Output


class Lists:
    """What one run knows of lists. Nodes here are those that take a list apart; see `NodeKind.EACH`."""

    def __init__(self) -> None:
        self._lengths: dict[str, int] = {}
        self._failures: dict[str, Failure] = {}

    def expand(self, graph: Graph, node: Node, outputs: Sequence[Output]) -> Expansion | None:
        """Return what becomes of the graph by a list; None where that was known, as when it was made again."""
        if node.name in self._lengths:
            return None
        return self._expand_to(graph, node, [Ref(node.name, output.name) for output in outputs])

    def expand_gathered(self, graph: Graph, node: Node, made: Container[Ref]) -> Expansion | None:
        """Let the elements of what was collected be where they were made: there is nothing to take apart.

        Args:
            graph: The run's graph.
            node: What takes the collected list.
            made: The outputs that there are; those of skipped elements are left out.
        """
        return self._expand_to(graph, node, [ref for ref in refs_of(list_of(node)) if ref in made])

    def _expand_to(self, graph: Graph, node: Node, refs: Sequence[Ref]) -> Expansion:
        self._lengths[node.name] = len(refs)
        return expand(graph, node.name, refs)

    def other_length(self, node: Node, outputs: Sequence[Output]) -> ValueTypeError | None:
        """Return the error of a list that was made again with another length: the run has its nodes already."""
        before = self._lengths.get(node.name, len(outputs))
        if before == len(outputs):
            return None
        return ValueTypeError.for_other_length(node.arguments["source"], before, len(outputs))

    def failed(self, node: Node, failure: Failure) -> None:
        """Take note of why a list could not be taken apart; of any other node nothing is noted."""
        if node.hidden:
            self._failures[node.name] = failure

    def failure_before(self, graph: Graph, node: Node) -> Failure:
        """Return why the list of a mapped call could not be taken apart, as people know it."""
        name = next(name for name in graph.producers[node.name] if name in self._failures)
        failure = self._failures[name]
        hidden = (UNPACKING, name)
        facts = tuple(("list", name) if value in hidden else (label, value) for label, value in failure.facts)
        return replace(failure, message=failure.message.replace(UNPACKING, name), facts=facts)


def is_gathered(node: Node) -> bool:
    """Whether a node stands for a list that was collected, so that its elements are there one by one."""
    return node.hidden and isinstance(list_of(node), Gather)
