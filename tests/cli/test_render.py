"""What is printed: units, lines of a run, tables, drawings and explanations, and how much of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.authoring.fanout import collect, each
from flowkit.authoring.pipeline import pipeline
from flowkit.authoring.step import step
from flowkit.cache.reason import Change
from flowkit.cli.render.diagrams import draw_dot, draw_mermaid, draw_tree, graph_to_json
from flowkit.cli.render.explanation import describe_why
from flowkit.cli.render.formats import counted, format_bytes, format_seconds
from flowkit.cli.render.output import print_json, print_table
from flowkit.cli.render.run_lines import MOST_CANCELLED, MOST_OTHERS, MOST_REUSED, PlainListener, describe_node
from flowkit.cli.render.summary import MOST_ROWS, count_outcomes, fill_lines, format_failure, node_rows
from flowkit.engine.explaining.nodes import WhyReport
from flowkit.engine.report import NodeReport
from flowkit.errors import FlowkitError
from flowkit.graph.graph import Graph
from flowkit.records import Failure, FailureKind, Forecast, Outcome, Reason


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0, "<1 ms"),
        (0.0123, "12 ms"),
        (0.42, "0.42 s"),
        (9.999, "10.00 s"),
        (59.9, "59.9 s"),
        (59.99, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    """A duration is told in the unit that a person would use."""
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (2143, "2.1 KB"), (80_000_000, "80 MB"), (10**15, "1000 TB")],
)
def test_sizes(size: int | None, text: str) -> None:
    """A size is told in decimal units."""
    assert format_bytes(size) == text


@given(st.integers(0, 10**18), st.floats(0, 1e7))
def test_units_take_any_value(size: int, seconds: float) -> None:
    """Every size and duration has a text."""
    assert format_bytes(size)
    assert format_seconds(seconds)
    assert counted(size, "node").endswith("node" if size == 1 else "nodes")


def test_the_line_of_a_node() -> None:
    """A node's line is its name, outcome, time and reason, two blanks apart."""
    detail = "helper pipelines.cleaning:strip_currency changed"
    executed = NodeReport("train", "train", None, Outcome.EXECUTED, Reason.CODE, detail, seconds=0.42)
    assert describe_node(executed) == f"train  executed  0.42 s  (code: {detail})"
    reused = NodeReport("load", "load", None, Outcome.REUSED, seconds=3.0, from_run="20260101")
    assert describe_node(reused) == "load  reused  (from run 20260101)"
    assert describe_node(NodeReport("x", "x", None, Outcome.CANCELLED)) == "x  cancelled"


def _nodes(count: int, outcome: Outcome) -> list[NodeReport]:
    return [NodeReport(f"train[{index}]", "train", index, outcome, seconds=1.0) for index in range(count)]


def _lines(capsys: pytest.CaptureFixture[str], listener: PlainListener, nodes: list[NodeReport]) -> list[str]:
    report: Any = None
    for node in nodes:
        listener.node_ended(node)
    listener.run_ended(report)
    return capsys.readouterr().out.splitlines()


def test_many_nodes_do_not_make_many_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Of thousands of nodes the first have a line, the rest a count; failures always have one, -v shows all."""
    reused = _lines(capsys, PlainListener(), _nodes(2000, Outcome.REUSED))
    assert len(reused) == MOST_REUSED + 1
    assert reused[-1] == f"… and {2000 - MOST_REUSED:,} more reused"
    mixed = _nodes(5000, Outcome.EXECUTED) + _nodes(30, Outcome.FAILED)
    lines = _lines(capsys, PlainListener(), mixed)
    assert len(lines) == MOST_OTHERS + 30 + 1
    assert len(_lines(capsys, PlainListener(verbose=True), _nodes(2000, Outcome.REUSED))) == 2000
    assert _lines(capsys, PlainListener(quiet=True), _nodes(20, Outcome.EXECUTED)) == []


def test_cancelled_nodes_are_told_together_in_the_graph_s_order(capsys: pytest.CaptureFixture[str]) -> None:
    """However they came in, the first of the graph have a line when the run has ended, the others a count."""
    nodes = _nodes(14, Outcome.CANCELLED)
    graph: Any = SimpleNamespace(visible=[SimpleNamespace(name=node.node) for node in nodes], pipeline="p")
    for verbose, shown in ((False, MOST_CANCELLED), (True, 14)):
        listener = PlainListener(verbose=verbose)
        listener.run_started("r", graph)
        _, *lines = _lines(capsys, listener, [*reversed(nodes)])
        assert lines[:shown] == [describe_node(node) for node in nodes[:shown]]
        assert lines[shown:] == ([] if verbose else ["… and 9 more cancelled"])


def test_a_large_run_is_summed_up_by_call() -> None:
    """The table of a large run has a row a call: elements counted by outcome, their times added, one reason once."""
    nodes = [
        NodeReport("load", "load", None, Outcome.REUSED, from_run="r"),
        *(
            NodeReport(f"train[{index}]", "train", index, Outcome.EXECUTED, Reason.NEW, seconds=0.5)
            for index in range(MOST_ROWS)
        ),
        *(
            NodeReport(f"score[{index}]", "score", index, Outcome.REUSED if index else Outcome.FAILED)
            for index in range(10)
        ),
    ]
    assert node_rows(nodes) == [
        ("load", "reused", "", "from run r"),
        (f"train[0…{MOST_ROWS - 1}]", "executed", "20.0 s", "new"),
        ("score[0…9]", "9 reused, 1 failed", "", ""),
    ]
    assert len(node_rows(nodes, verbose=True)) == len(nodes)
    assert len(node_rows(nodes[:3])) == 3


def test_outcomes_are_counted_in_one_order() -> None:
    """Counts come in the order of the outcomes, whatever came first."""
    nodes = [*_nodes(1, Outcome.FAILED), *_nodes(2, Outcome.REUSED), *_nodes(3, Outcome.EXECUTED)]
    assert count_outcomes(nodes) == "3 executed, 2 reused, 1 failed"
    assert count_outcomes([NodeReport("a", "a", None, Forecast.RUN)]) == "1 run"


def test_a_failure_has_its_frames_between_facts_and_hint() -> None:
    """A failure is a sentence, facts, the person's frames, and the hint last."""
    failure = Failure(FailureKind.RAISED, "It broke.", (("step", "train"),), "mend it.", "  File x\nValueError: y")
    assert format_failure(failure) == "It broke.\n  step   train\n    File x\n  ValueError: y\nHint: mend it."
    bare = Failure(FailureKind.RAISED, "It broke.")
    assert format_failure(bare) == str(FlowkitError("It broke.")) == "It broke."


def test_a_plain_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of a terminal a table is plain columns: numbers at the right, empty columns left out, nothing cut."""
    long = "x" * 500
    print_table(("name", "size", "none"), [("a", 5, None), (long, 10, "")], right=("size",))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "size"]
    assert lines[1] == "a".ljust(500) + "     5"
    assert lines[2] == f"{long}    10"


def test_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not a finite number is null, so that every reader of JSON takes it."""
    print_json({"a": [float("nan"), {"b": float("inf")}, (1.5,)]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, {"b": None}, [1.5]]}


@step
def load() -> int:
    return 1


@step
def train(x: int, c: float = 1.0) -> int:
    return x


@step
def report(x: list[int], y: int) -> int:
    return y


def _graph() -> Graph:
    @pipeline
    def example() -> None:
        rows = load()
        report(collect(train(rows, c=each([1.0, 2.0]))), train(rows))

    return example.build({})


def test_a_tree_draws_each_node_once() -> None:
    """What is wanted is at the left; what stands above already is named and not drawn again."""
    assert draw_tree(_graph()).splitlines() == [
        "report",
        "├─ train[0…1]",
        "│  └─ load",
        "└─ train#2",
        "   └─ load",
    ]

    @pipeline
    def diamond() -> None:
        rows = train(load())
        report(collect(each([rows])), train(rows))

    assert "train (above)" in draw_tree(diamond.build({}))


def test_a_chain_of_thousands_can_be_drawn() -> None:
    """Depth is no limit."""

    @pipeline
    def chain() -> None:
        value = load()
        for _ in range(3000):
            value = train(value)

    assert len(draw_tree(chain.build({})).splitlines()) == 3001


def test_mermaid_and_dot() -> None:
    """Both name every node and edge once, with names quoted for their language."""
    graph = _graph()
    mermaid = draw_mermaid(graph)
    assert '["train#35;2"]' in mermaid
    assert mermaid.count("-->") == draw_dot(graph).count("->") == 6
    assert '"train[0]" -> "report";' in draw_dot(graph)
    drawn = graph_to_json(graph)
    assert [node["node"] for node in drawn["nodes"]] == ["load", "train[0]", "train[1]", "train#2", "report"]
    assert len(drawn["edges"]) == 6


def test_an_explanation_shows_each_change() -> None:
    """A change of code is a unified diff; others show both sides; what is new or gone is called so."""
    changes = (
        Change(Reason.CODE, "m:f", "def f():\n    return 1", "def f():\n    return 2"),
        Change(Reason.PARAMETER, "C", "1.0", "0.5"),
        Change(Reason.ENVIRONMENT, "package:pandas", None, "3.1"),
        Change(Reason.CODE, "m:g", "def g(): ...", None),
    )
    report = WhyReport("train", "run", Reason.CODE, "m:f changed", "20260101", changes)
    text = "\n".join(describe_why(report))
    assert text.startswith("train  run  code\n  m:f changed\n  compared with run 20260101\n")
    assert "-    return 1\n+    return 2\n" in text
    assert "parameter C changed\n  before  1.0\n  now     0.5" in text
    assert "environment package:pandas is new\n  now     3.1" in text
    assert "code m:g is no longer reached" in text


@pytest.mark.parametrize(
    ("room", "lines"),
    [(None, ["a 1  bb 2  ccc 3"]), (10, ["a 1  bb 2", "ccc 3"]), (3, ["a 1", "bb 2", "ccc 3"])],
)
def test_metrics_are_never_cut_at_a_lines_end(room: int | None, lines: list[str]) -> None:
    """On a terminal metrics are spread over lines, whole; elsewhere they stand on one."""
    assert fill_lines(["a 1", "bb 2", "ccc 3"], room) == lines
