"""Says of a failure of the user's code what a champion among the arguments may have to do with it."""

from __future__ import annotations

from dataclasses import replace

from flowkit.errors import StepRaisedError
from flowkit.graph.arguments import refs_of
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.records import Failure, FailureKind


def mention_champion(failure: Failure | None, node: Node, graph: Graph) -> Failure | None:
    """Return the failure with what to do where `node` raised on a model that an earlier run trained."""
    if failure is None or failure.kind is not FailureKind.RAISED:
        return failure
    for ref in refs_of(list(node.arguments.values())):
        settings = graph[ref.node].settings
        if graph[ref.node].kind is NodeKind.CHAMPION:
            fact, hint = StepRaisedError.about_champion(f"{settings['model']}@{settings['alias']}")
            return replace(failure, facts=(*failure.facts, fact), hint=hint)
    return failure
