"""What of a pipeline is wanted: the nodes that a selection names, and what they need; names as they were before."""

from __future__ import annotations

from flowkit.errors import AcceptanceError
from flowkit.graph.graph import Graph
from flowkit.graph.select import Selection, ancestors_of


def select_nodes(graph: Graph, select: Selection | None) -> tuple[Graph, frozenset[str]]:
    """Return the graph of what is wanted and of all that it needs, and the names of what is only needed."""
    if select is None:
        return graph, frozenset()
    wanted = select.resolve(graph)
    needed = ancestors_of(graph, wanted)
    return graph.restricted_to(needed), needed - wanted


def resolve_optional(selection: Selection | None, graph: Graph) -> frozenset[str]:
    """Return the names of the nodes that a selection means, none where there is no selection."""
    return selection.resolve(graph) if selection is not None else frozenset()


def former_names(graph: Graph, wanted: frozenset[str], former: str | None) -> dict[str, str]:
    """Return the former name of the one node, or the one call, that was asked for.

    Raises:
        AcceptanceError: Several calls were asked for, which cannot all have had that name.
    """
    if former is None:
        return {}
    calls = {graph[name].call for name in wanted}
    if len(calls) > 1:
        raise AcceptanceError.for_several_renamed(sorted(wanted))
    # `fit[0]` from `train[2]` names an element each; `fit` from `train` all of them by their index.
    return dict.fromkeys(wanted if former.endswith("]") else calls, former)
