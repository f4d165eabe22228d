"""How many step hosts are started before it is known what they will run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from flowkit.engine.hosting import widest_of
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Graph, Node, NodeKind

from .graphs import HERE, make_step

SHAPES = {
    "nothing": ((), 0),
    "chain": (((), (0,), (1,), (2,)), 1),
    "fan": (((), (0,), (0,), (0,), (1, 2, 3)), 3),
    "diamond": (((), (0,), (0,), (1, 2)), 2),
    "apart": (((), (), ()), 3),
    "long and short": (((), (0,), (1,), ()), 2),
}


@pytest.mark.parametrize(("needs", "widest"), SHAPES.values(), ids=SHAPES.keys())
def test_no_more_hosts_are_started_than_steps_can_run_side_by_side(needs: Sequence[Sequence[int]], widest: int) -> None:
    """Of a chain one, of a fan one an element: what stands equally far from the beginning."""
    nodes = [
        Node(f"n{index}", NodeKind.STEP, make_step(f"n{index}"), {"inputs": [Ref(f"n{one}") for one in needed]}, HERE)
        for index, needed in enumerate(needs)
    ]

    assert widest_of(Graph("shape", nodes)) == widest


def test_of_a_list_that_is_not_known_yet_nobody_knows() -> None:
    """What is mapped over it may be many."""
    first = Node("n0", NodeKind.STEP, make_step("n0"), {}, HERE)
    mapped = Node("n1[*]", NodeKind.STEP, make_step("n1"), {"inputs": [Ref("n0")]}, HERE, dimension="n0")

    assert widest_of(Graph("mapped", [first, mapped])) is None
