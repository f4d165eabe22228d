"""Random graphs for properties of the run state machine."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from flowkit.graph.arguments import Gather, Ref
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.records import Location, OutputSpecification, ParameterSpecification, StepOptions, StepSpecification

HERE = Location("pipeline.py", 1)


def make_step(name: str, hint: Any = int) -> StepSpecification:
    """A step that takes a list of whatever and gives an int."""
    parameters = (ParameterSpecification("inputs", Any), ParameterSpecification("maybe", hint, None))
    return StepSpecification(
        name, lambda inputs, maybe=None: 1, "pipeline", name, parameters, int, (OutputSpecification("return", int),),
        StepOptions(), HERE,
    )  # fmt: skip


@st.composite
def graphs(draw: st.DrawFn, largest: int = 12) -> Graph:
    """Graphs of up to `largest` nodes with plain, gathered and optional edges."""
    count = draw(st.integers(1, largest))
    nodes: list[Node] = []
    for index in range(count):
        earlier = [node.name for node in nodes]
        needed = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        gathered = draw(st.booleans())
        inputs: Any = Gather(tuple(map(Ref, needed))) if gathered else [Ref(name) for name in needed]
        maybe = Ref(draw(st.sampled_from(earlier))) if earlier and draw(st.booleans()) else None
        hint = int | None if draw(st.booleans()) else int
        arguments = {"inputs": inputs, "maybe": maybe}
        nodes.append(Node(f"n{index}", NodeKind.STEP, make_step(f"n{index}", hint), arguments, HERE))
    return Graph("random", nodes)
