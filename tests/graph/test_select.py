"""Selections: which nodes each form means, and what it says of a form or name that means none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.authoring.fanout import collect, each
from flowkit.authoring.pipeline import pipeline
from flowkit.authoring.step import step
from flowkit.errors import SelectionError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.graph.select import Selection, ancestors_of, call_of
from flowkit.records import Location


@step(tags=("io",))
def load() -> int:
    return 1


@step
def clean(x: int) -> int:
    return x


@step(tags=("ml", "slow"))
def train(x: int, c: float = 1.0) -> int:
    return x


@step(tags=("ml",))
def best(models: list[int]) -> int:
    return models[0]


@step
def report(x: int) -> int:
    return x


@pipeline
def sweep() -> None:
    rows = clean(load())
    model = best(collect(train(rows, c=each([0.1, 1.0, 10.0]))))
    again = train(rows)
    report(model)
    report.named("second_report")(again)


GRAPH = sweep.build({})
TRAINED = {"train[0]", "train[1]", "train[2]"}

CASES = {
    "load": {"load"},
    "train": TRAINED,
    "train[1]": {"train[1]"},
    "train#2": {"train#2"},
    "train*": TRAINED | {"train#2"},
    "train[*]": TRAINED,
    "train[?]": TRAINED,
    "*report": {"report", "second_report"},
    "report": {"report"},
    "tag:io": {"load"},
    "tag:ml": TRAINED | {"train#2", "best"},
    "+clean": {"load", "clean"},
    "1+best": TRAINED | {"best"},
    "2+best": TRAINED | {"best", "clean"},
    "+best": TRAINED | {"best", "clean", "load"},
    "0+best": {"best"},
    "best+": {"best", "report"},
    "@report": {"report", "best", "clean", "load"} | TRAINED,
    "@best": TRAINED | {"best", "report", "clean", "load"},
    "@train[0]": TRAINED | {"best", "report", "clean", "load"},
    "@train#2": {"train#2", "second_report", "clean", "load"},
    "train[0]+1": {"train[0]", "best"},
    "clean+1": TRAINED | {"clean", "train#2"},
    "1+train#2+1": {"clean", "train#2", "second_report"},
    "load report": {"load", "report"},
    "+best,tag:ml": TRAINED | {"best"},
    "+best,tag:ml load": TRAINED | {"best", "load"},
    "  load\tclean ": {"load", "clean"},
    "load+,+second_report,train*": {"train#2"},
}


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_each_form_selects_what_dbt_would(text: str, expected: set[str]) -> None:
    """Operators, tags, patterns, unions and intersections mean what they mean in dbt."""
    assert Selection.parse(text).resolve(GRAPH) == expected


def test_a_renamed_step_is_found_by_its_own_name() -> None:
    """Where no node or call bears a name, it means every node of the step called so."""

    @pipeline
    def renamed() -> None:
        report.named("morning")(load.named("early")())
        report.named("evening")(load.named("late")())

    assert Selection.parse("report").resolve(renamed.build({})) == {"morning", "evening"}


@pytest.mark.parametrize("text", ["", "  ", "+", "++a", "a++", "a,,b", ",a", "tag:", "a+b", "@", "@a+", "@@a"])
def test_a_form_that_is_none_is_refused(text: str) -> None:
    """What dbt's grammar does not have is an error that shows the forms there are."""
    with pytest.raises(SelectionError) as caught:
        Selection.parse(text)
    assert "tag:x" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "nearest"), [("trian", "train"), ("+laod", "load"), ("tag:ioo", "io"), ("reprot+", "report")]
)
def test_an_unknown_name_suggests_the_nearest(text: str, nearest: str) -> None:
    """A name or tag that nothing bears is an error with the nearest one."""
    with pytest.raises(SelectionError) as caught:
        Selection.parse(text).resolve(GRAPH)
    assert caught.value.hint == f"did you mean {nearest!r}?"


def test_an_intersection_may_not_be_empty() -> None:
    """A selection of nothing is an error, not a run of nothing."""
    with pytest.raises(SelectionError, match="selects no node"):
        Selection.parse("load,best").resolve(GRAPH)


def test_the_names_of_a_large_map_are_not_listed_one_by_one() -> None:
    """The error for an unknown name lists calls, not their hundreds of elements."""

    @pipeline
    def wide() -> None:
        collect(train(load(), c=each([float(n) for n in range(500)])))

    with pytest.raises(SelectionError) as caught:
        Selection.parse("nothing_like_it").resolve(wide.build({}))
    assert dict(caught.value.facts)["nodes"] == "load, train"


def test_call_of_strips_only_the_element() -> None:
    """The call of `train#2[0]` is `train#2`; a node that is no element is its own call."""
    assert [call_of(GRAPH[name]) for name in ("train[2]", "train#2", "load")] == ["train", "train#2", "load"]


def _graph(needs: list[list[int]]) -> Graph:
    here = Location("x.py", 1)
    nodes = [
        Node(f"n{index}", NodeKind.STEP, None, {f"p{other}": Ref(f"n{other}") for other in others}, here)
        for index, others in enumerate(needs)
    ]
    return Graph("random", nodes)


@st.composite
def dags(draw: st.DrawFn) -> Graph:
    size = draw(st.integers(1, 12))
    return _graph([sorted(draw(st.sets(st.integers(0, index - 1)))) if index else [] for index in range(size)])


def _distances(graph: Graph, name: str) -> dict[str, int]:
    found, layer, depth = {name: 0}, [name], 0
    while layer:
        depth += 1
        layer = [other for current in layer for other in graph.producers[current] if other not in found]
        found |= dict.fromkeys(layer, depth)
    return found


@given(dags(), st.data())
def test_distances_agree_with_a_plain_walk(graph: Graph, data: st.DataObject) -> None:
    """`n+a` is all that lies at most n edges before `a`, `+a` all before it, and `a+` is the converse."""
    name = data.draw(st.sampled_from(sorted(graph.nodes)))
    reach = data.draw(st.integers(0, 5))
    distances = _distances(graph, name)

    near = Selection.parse(f"{reach}+{name}").resolve(graph)
    assert near == {other for other, distance in distances.items() if distance <= reach}
    assert Selection.parse(f"+{name}").resolve(graph) == distances.keys() == ancestors_of(graph, [name])
    after = {other for other in graph.nodes if name in _distances(graph, other)}
    assert Selection.parse(f"{name}+").resolve(graph) == after


@given(dags(), st.data())
def test_a_selection_with_its_ancestors_is_a_graph(graph: Graph, data: st.DataObject) -> None:
    """Ancestors close a selection: the graph of them has all that its nodes need."""
    names = data.draw(st.sets(st.sampled_from(sorted(graph.nodes)), min_size=1))
    kept = graph.restricted_to(ancestors_of(graph, names))
    assert names <= set(kept.nodes)


def test_plain_names_do_not_load_networkx() -> None:
    """Selecting a node and closing over what it needs loads nothing heavy."""
    code = (
        "import sys; from flowkit.graph.graph import *; from flowkit.records import Location;"
        "from flowkit.graph.arguments import Ref; from flowkit.graph.select import *;"
        "at = Location('x', 1); graph = Graph('p', [Node('a', NodeKind.STEP, None, {}, at),"
        " Node('b', NodeKind.STEP, None, {'x': Ref('a')}, at)]);"
        "assert ancestors_of(graph, Selection.parse('b').resolve(graph)) == {'a', 'b'};"
        "assert 'networkx' not in sys.modules; Selection.parse('+b').resolve(graph);"
        "assert 'networkx' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
