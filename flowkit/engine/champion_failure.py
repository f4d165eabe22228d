"""Says of a failure of the user's code what a champion among the arguments may have to do with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from flowkit.errors import StepRaisedError
from flowkit.graph.arguments import Ref, refs_of
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.records import Failure, FailureKind


def mention_champion(
    failure: Failure | None, node: Node, graph: Graph, gone_from: Callable[[Ref], Sequence[str]]
) -> Failure | None:
    """Return the failure with what to do where `node` raised on an earlier run's model, or could not load it.

    Args:
        failure: How the node failed.
        node: The node.
        graph: Its graph.
        gone_from: Gives the project's code that what a node gave names, and that is no longer there.
    """
    if failure is None or failure.kind not in (FailureKind.RAISED, FailureKind.CODEC):
        return failure
    for ref in refs_of(list(node.arguments.values())):
        if graph[ref.node].kind is not NodeKind.CHAMPION:
            continue
        settings = graph[ref.node].settings
        reference, gone = f"{settings['model']}@{settings['alias']}", gone_from(ref)
        if gone or failure.kind is FailureKind.RAISED:
            about = StepRaisedError.about_champion(reference)
            fact, hint = StepRaisedError.about_gone_code(reference, gone) if gone else about
            return replace(failure, facts=(*failure.facts, fact), hint=hint)
    return failure
