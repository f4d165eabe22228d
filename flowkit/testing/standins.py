"""Stand-ins: nodes that give a result which a test has made."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from flowkit.errors import NotRecordedError, UsageError
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.graph.select import ancestors_of
from flowkit.records import RETURN, OutputSpecification, StepOptions, StepSpecification

_GIVEN: dict[int, object] = {}
_NUMBERS = itertools.count()


def with_given(graph: Graph, given: Mapping[str, object]) -> Graph:
    """Return the graph in which nodes give what a test has made, without what only they needed.

    Args:
        graph: As the pipeline built it.
        given: Results by node.

    Raises:
        NotRecordedError: There is no such node.
        UsageError: A promotion cannot be given, nor what is mapped over a list that is known only at run time.
    """
    for name in given:
        declared = graph.declared(name)
        if declared is None:
            raise NotRecordedError.for_node(graph.pipeline, name, [node.name for node in graph.visible])
        if declared.kind is NodeKind.PROMOTE:
            raise UsageError.for_given_promotion(name)
        if declared.dimension is not None:
            raise UsageError.for_given_element(name, declared.call)
    if not given:
        return graph
    ends = frozenset(name for name, consumers in graph.consumers.items() if not consumers) | frozenset(given)
    nodes = [_stand_in(node, given[node.name]) if node.name in given else node for node in graph]
    changed = Graph(graph.pipeline, nodes, [wire for wire in graph.wires if wire.consumer not in given])
    return changed.restricted_to(ancestors_of(changed, ends))


def take_given(number: int) -> object:
    """Return what a test gave, or raise it."""
    value = _GIVEN[number]
    if isinstance(value, BaseException):
        raise value
    return value


def forget_given() -> None:
    """Let go of what tests gave, once no run can ask for it any more."""
    _GIVEN.clear()


def _stand_in(node: Node, value: object) -> Node:
    number = next(_NUMBERS)
    _GIVEN[number] = value

    def give() -> Any:
        return take_given(number)

    step = node.step or _champion_step(node)
    # Never cached: what a test gives must not be taken for what the step returned.
    standing = replace(
        step,
        function=give,
        module=__name__,
        qualname=give.__qualname__,
        parameters=(),
        options=StepOptions(cache=False, tags=step.options.tags),
    )
    return replace(node, kind=NodeKind.STEP, step=standing, arguments={}, settings={})


def _champion_step(node: Node) -> StepSpecification:
    hint = node.settings["hint"]
    return StepSpecification(
        name=node.step_name,
        function=take_given,
        module=__name__,
        qualname=take_given.__qualname__,
        parameters=(),
        hint=hint,
        outputs=(OutputSpecification(RETURN, hint),),
        options=StepOptions(),
        location=node.location,
    )
