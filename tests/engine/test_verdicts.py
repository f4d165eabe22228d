"""What is verified of a recorded run, what is not, and how running it again is judged."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

import flowkit as fk
from flowkit.engine.report import NodeReport
from flowkit.execution.base import Slots
from flowkit.graph.graph import Graph
from flowkit.housekeeping.verifying.differences import Contents
from flowkit.housekeeping.verifying.judging import INTERRUPTED, exit_code_of, judge, wanted_rows, why_never, why_no_room
from flowkit.housekeeping.verifying.recorded_graph import RecordedRun
from flowkit.housekeeping.verifying.verdicts import NodeVerdict, Verdict
from flowkit.lineage.rows import NodeRow
from flowkit.records import Acceptance, Artifact, Failure, FailureKind, Outcome, Output


@fk.step
def numbers() -> list[int]:
    return [1, 2]


@fk.step
def train(number: int) -> fk.Metrics:
    return fk.Metrics(a=number)


@fk.step(cache=False, cpus=4, resources={"gpu": 1})
def watch() -> int:
    return 1


@fk.step(max_age="1h")
def prices() -> int:
    return 1


@fk.pipeline
def small() -> None:
    train(fk.each(numbers()))
    watch()
    prices()


def graph() -> Graph:
    return small.build({})


def row(node: str, outcome: str = "executed", step: str = "train") -> NodeRow:
    return NodeRow("run", node, step, None, outcome, None, None, "00", "00", 1, None, 1.0, "", 0)


def output(digit: str) -> Output:
    return Output("return", Artifact(digit * 64, "json", 1, inline=digit.encode()))


CONTENTS = Contents(lambda artifact: artifact.inline or b"", lambda _: None, lambda _, digest: b"", "/elsewhere")
SAME = NodeReport("train", "train", None, Outcome.EXECUTED, seconds=0.1, outputs=(output("1"),))


def failed(kind: FailureKind) -> NodeReport:
    return replace(SAME, outcome=Outcome.FAILED, error=Failure(kind, "what went wrong"), outputs=())


@pytest.mark.parametrize(
    ("again", "verdict", "detail"),
    [
        (SAME, Verdict.SAME, None),
        (replace(SAME, outputs=(output("2"),)), Verdict.DIFFERENT, None),
        (replace(SAME, outputs=()), Verdict.DIFFERENT, None),
        (replace(SAME, outcome=Outcome.SKIPPED, detail="no rows", outputs=()), Verdict.DIFFERENT, "skipped this time"),
        (replace(SAME, outcome=Outcome.CANCELLED, outputs=()), Verdict.NOT_VERIFIED, INTERRUPTED),
        (failed(FailureKind.RAISED), Verdict.DIFFERENT, "it failed this time: what went wrong"),
        (failed(FailureKind.TIMEOUT), Verdict.DIFFERENT, "it failed this time"),
        (failed(FailureKind.MEMORY), Verdict.DIFFERENT, "it failed this time"),
        (failed(FailureKind.LOST), Verdict.NOT_VERIFIED, "gone from the store"),
        (failed(FailureKind.CODE), Verdict.NOT_VERIFIED, "its code is another one"),
        (failed(FailureKind.STORE), Verdict.NOT_VERIFIED, "the store failed"),
    ],
)
def test_only_what_is_the_steps_own_counts_as_different(
    again: NodeReport, verdict: Verdict, detail: str | None
) -> None:
    """Other bytes, a failure and a skip are differences; an interruption, lost inputs and code that differs are not."""
    found = judge(row("train"), (output("1"),), {}, again, CONTENTS)

    assert found.verdict is verdict
    assert (found.detail is None) if detail is None else detail in (found.detail or "")


def test_a_difference_from_what_was_accepted_says_so() -> None:
    """Other code made what it is compared with: who accepted it is told, and no seed is asked for."""
    accepted = Acceptance("ada", "2026-11-21T08:00:00.000Z", "words")
    again = replace(SAME, outputs=(output("2"),))

    found = judge(row("train"), (output("1"),), {}, again, CONTENTS, accepted)

    assert found.detail == "accepted by ada at 2026-11-21T08:00:00.000Z: words"
    assert ["--force train" in differing.hint for differing in found.outputs] == [True]
    assert judge(row("train"), (output("1"),), {}, SAME, CONTENTS, accepted).detail is None


def test_metrics_that_differ_are_given_with_both_values() -> None:
    """NaN is itself, and a metric that is absent on one side differs."""
    nan = float("nan")
    again = replace(SAME, outputs=(output("2"),), metrics=(("a", 2.0), ("n", nan), ("new", 1.0)))

    found = judge(row("train"), (output("1"),), {"a": 1.0, "n": nan, "old": 3.0}, again, CONTENTS)

    assert [(metric.name, metric.recorded, metric.again) for metric in found.metrics] == [
        ("a", 1.0, 2.0),
        ("old", 3.0, None),
        ("new", None, 1.0),
    ]


@pytest.mark.parametrize(
    ("found", "chosen", "reason"),
    [
        (row("numbers"), False, None),
        (row("numbers", "reused"), False, None),
        (row("numbers", "failed"), False, "it failed in that run"),
        (row("numbers", "blocked"), True, "it was blocked in that run"),
        (row("train[1]"), False, "the list whose element it is"),
        (row("gone"), True, "no such node any more"),
        (row("watch"), False, "cache=False"),
        (row("watch"), True, None),
        (row("prices"), False, "max_age"),
        (row("prices"), True, None),
    ],
)
def test_what_is_not_run_again_says_why(found: NodeRow, chosen: bool, reason: str | None) -> None:
    """What did not succeed or is gone cannot be; what declares that it gives something else is only on request."""
    said = why_never(found, graph(), chosen=chosen)

    assert (said is None) if reason is None else reason in (said or "")


def test_the_registrys_nodes_and_skipped_ones_are_left_out() -> None:
    """A selection names elements by the call too; rows come in the graph's order, what is gone last."""
    rows: list[NodeRow] = [
        row("gone"),
        row("prices"),
        row("promote", step="promote"),
        row("champion", step="champion"),
        row("train[0]", "skipped"),
        row("train[1]"),
        row("numbers"),
    ]
    recorded = RecordedRun({found.node: found for found in rows}, {}, {}, {}, {})

    def names(chosen: Any) -> list[str]:
        return [found.node for found in wanted_rows(recorded, graph(), chosen)]

    assert names(None) == ["numbers", "prices", "gone", "train[1]"]
    assert names({"train[*]"}) == ["train[1]"]


def test_what_asks_for_more_than_this_machine_has_is_not_run() -> None:
    """A recorded run may have been on a larger machine."""
    node = graph()["watch"]
    large = Slots({"local": 4}, {"local": {"gpu": 1.0}})

    assert why_no_room(node, large) is None
    assert why_no_room(node, Slots({"local": 4})) == "it asks for more than this machine has: cpus=4, gpu=1"


def test_the_exit_code_is_that_of_the_gravest_finding() -> None:
    """A store that failed comes before an interruption, that before a difference; what was not verified is none."""
    same = NodeVerdict("a", "a", None, Verdict.SAME)
    listed = replace(same, verdict=Verdict.NOT_VERIFIED, detail="cache=False")
    different = replace(same, verdict=Verdict.DIFFERENT)
    interrupted = replace(listed, detail=INTERRUPTED)
    broken = replace(listed, failure=Failure(FailureKind.STORE, "full"))

    nodes = [same, listed, different, interrupted, broken]

    assert [exit_code_of(nodes[: count + 1]) for count in range(5)] == [0, 0, 1, 130, 4]
