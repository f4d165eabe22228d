"""Which parameters of a node need no further proof, because what their producers promise covers what they ask."""

from __future__ import annotations

from types import GenericAlias

from flowkit.contracts import contracts_in, must_enforce
from flowkit.graph.arguments import Gather, Ref
from flowkit.graph.graph import Graph
from flowkit.graph.typecheck import Verdict, check_edge
from flowkit.records import ELEMENTS, StepSpecification


class ProvenParameters:
    """Judges the edges of one graph; equal ones are judged once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[tuple[StepSpecification, str, StepSpecification | str, str, bool], bool] = {}

    def follow(self, graph: Graph) -> None:
        """Go on with a graph that has grown."""
        self._graph = graph

    def of(self, name: str) -> frozenset[str]:
        """Return the parameters of a node whose contracts the producers have proven already."""
        node = self._graph[name]
        step = node.step
        if step is None:
            return frozenset()
        if node.hidden:
            # The list is as its maker gave it, and its maker has proven it.
            return frozenset(parameter.name for parameter in step.parameters)
        return frozenset(
            parameter.name
            for parameter in step.parameters
            if self._is_proven(step, parameter.name, node.arguments[parameter.name])
        )

    def _is_proven(self, step: StepSpecification, parameter: str, argument: object) -> bool:
        """Return whether what one producer promises covers what the parameter's contract asks."""
        gathered = isinstance(argument, Gather)
        refs = argument.refs[:1] if isinstance(argument, Gather) else (argument,)
        ref = refs[0] if refs else None
        if not isinstance(ref, Ref):
            return False
        producer = self._graph[ref.node]
        output = ELEMENTS if producer.hidden else ref.output
        place = (step, parameter, producer.step or producer.name, output, gathered)
        if place not in self._known:
            given = producer.output_hint(ref.output)
            if gathered:
                given = GenericAlias(list, (given,))
            self._known[place] = _covers(given, step.parameter(parameter).hint)
        return self._known[place]


def _covers(given: object, wanted: object) -> bool:
    """Whether nothing of a value that is of the hint `given` is left to be judged where `wanted` is annotated."""
    if contracts_in(wanted):
        return not must_enforce(given, wanted)
    return check_edge(given, wanted).verdict is Verdict.FITS
