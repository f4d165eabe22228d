"""Runs over lists that are known only at run time: which nodes there are, what becomes of them, and what they give."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowkit as fk
from flowkit.records import Outcome, RunStatus
from flowkit.testing.standins import with_given


class Narrow(pa.DataFrameModel):
    a: int = pa.Field(ge=0)


Table = Annotated[pd.DataFrame, Narrow]


@dataclass(frozen=True)
class Job:
    name: str
    size: int


@fk.step
def numbers(count: int, skip: bool = False, fail: bool = False) -> list[int]:
    if skip:
        raise fk.Skip("nothing there")
    if fail:
        raise ValueError("broken")
    return list(range(count))


@fk.step
def grow(items: list[int], by: int) -> list[int]:
    return [item + by for item in items] + [by]


@fk.step
def add(left: int, right: int) -> int:
    return left + right


@fk.step
def even(number: int) -> int:
    if number % 2:
        raise fk.Skip("odd")
    return number


@fk.step
def picky(number: int) -> int:
    if number == 1:
        raise ValueError("not one")
    return number


@fk.step
def perhaps(number: int | None) -> int:
    return -1 if number is None else number


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@fk.step
def anything(kind: str) -> Any:
    return {"dict": {"a": 1}, "text": "abc", "list": [1, 2], "tuple": (3, 4), "number": 7, "set": {1}}[kind]


@fk.step
def tables(count: int) -> list[Table]:
    return [pd.DataFrame({"a": [index]}) for index in range(count)]


@fk.step
def rows(table: Table) -> int:
    return int(table["a"].iloc[0]) + len(table)


@fk.step
def jobs(count: int) -> tuple[Job, ...]:
    return tuple(Job(f"job{index}", index) for index in range(count))


@fk.step
def perform(job: Job) -> int:
    return job.size


@fk.step
def listing(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@fk.step
def read(file: Path) -> str:
    return f"{file.name}: {file.read_text()}"


@fk.step
def join(texts: list[str]) -> str:
    return ", ".join(texts)


@fk.pipeline
def mapping(count: int = 3, skip: bool = False, fail: bool = False) -> None:
    total(fk.collect(perhaps(picky.named("first")(fk.each(numbers(count, skip, fail))))))


@fk.pipeline
def sums(count: int = 3, right: int = 10) -> None:
    items = fk.each(numbers(count))
    total(fk.collect(add(add(items, right), items)))


@fk.pipeline
def evens_only(count: int = 5) -> None:
    kept = fk.collect(even(fk.each(numbers(count))))
    total(fk.collect(add(fk.each(kept), 1)))


@fk.pipeline
def products(count: int = 2) -> None:
    items = numbers(count)
    parts = [total(fk.collect(add(fk.each(items), right))) for right in (1, 2)]
    total.named("all")(parts)


@fk.pipeline
def of_anything(kind: str = "list") -> None:
    total(fk.collect(perhaps(add(fk.each(anything(kind)), 1))))


@fk.pipeline
def of_tables(count: int = 2) -> None:
    total(fk.collect(rows(fk.each(tables(count)))))


@fk.pipeline
def of_jobs(count: int = 2) -> None:
    total(fk.collect(perform(fk.each(jobs(count)))))


@fk.pipeline
def of_files(folder: Path) -> None:
    join(fk.collect(read(fk.each(listing(folder)))))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[fk.Session]:
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        yield session


def outcomes(run: Any) -> dict[str, str]:
    return {node.node: node.outcome.value for node in run.report.nodes}


def executed(run: Any) -> set[str]:
    return {name for name, outcome in outcomes(run).items() if outcome == "executed"}


SHAPES: list[tuple[Any, dict[str, Any], int]] = [
    (sums, {"count": 3}, 36),
    (sums, {"count": 0}, 0),
    (evens_only, {"count": 6}, 9),
    (products, {"count": 2}, 8),
    (of_anything, {"kind": "list"}, 5),
    (of_anything, {"kind": "tuple"}, 9),
    (of_tables, {"count": 3}, 6),
    (of_jobs, {"count": 4}, 6),
]


def check_shape(session: fk.Session, pipeline: Any, parameters: dict[str, Any], expected: int) -> None:
    run = session.run(pipeline, **parameters)
    again = session.run(pipeline, **parameters)
    plan = session.plan(pipeline, parameters)

    assert run.status is RunStatus.SUCCEEDED
    last = run.nodes[-1]
    assert run[last].value() == expected
    assert again.nodes == run.nodes
    assert executed(again) == set()
    if not any(outcome == "skipped" for outcome in outcomes(run).values()):
        assert {node.node: node.outcome.value for node in plan.nodes} == dict.fromkeys(run.nodes, "reuse")


@pytest.mark.parametrize(("pipeline", "parameters", "expected"), SHAPES, ids=lambda value: getattr(value, "name", None))
def test_what_a_shape_gives(pipeline: Any, parameters: dict[str, Any], expected: int, session: fk.Session) -> None:
    """Every element is an ordinary node; a second run reuses all of them, and a plan knows them from the store."""
    check_shape(session, pipeline, parameters, expected)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.cluster
def test_what_the_shapes_give_on_workers(tmp_path: Path) -> None:
    """The same in step hosts: lists are taken apart there, their annotations travel, and packets end before them."""
    with fk.Session(store=tmp_path / "store", workers=2) as session:
        for pipeline, parameters, expected in SHAPES:
            check_shape(session, pipeline, parameters, expected)


def test_a_list_that_grew_by_one_runs_one_element(session: fk.Session) -> None:
    """The keys of elements are their own: those that were there are reused, wherever they stand now."""
    session.run(sums, count=3)

    run = session.run(sums, count=4)

    assert executed(run) == {"numbers", "add[3]", "add#2[3]", "total"}
    assert run["add"].outcome == [Outcome.REUSED] * 3 + [Outcome.EXECUTED]
    assert run["add"].value() == [10, 11, 12, 13]
    assert run["add", 3].value() == 13
    assert run["add[3]"].report.index == 3


def test_a_list_that_shrank_leaves_the_others_as_they_are(session: fk.Session) -> None:
    """Nothing but the list's maker and what gathers it runs."""
    session.run(sums, count=4)

    assert executed(session.run(sums, count=2)) == {"numbers", "total"}


def test_an_empty_list_has_no_nodes(session: fk.Session) -> None:
    """`collect` gives `[]`, and asking for the mapped call gives no elements."""
    run = session.run(sums, count=0)

    assert run.nodes == ("numbers", "total")
    assert run["total"].value() == 0
    assert run["add"].value() == []


ENDS: list[tuple[dict[str, bool], str, str, str, str]] = [
    ({"fail": True}, "failed", "blocked", "blocked", "numbers failed"),
    ({"skip": True}, "skipped", "skipped", "executed", "numbers was skipped"),
]


@pytest.mark.parametrize(("how", "maker", "mapped", "gathers", "detail"), ENDS)
def test_a_list_that_never_came(
    how: dict[str, bool], maker: str, mapped: str, gathers: str, detail: str, session: fk.Session
) -> None:
    """The mapped calls end as one node each, by what became of the list; nothing is collected of a skipped one."""
    run = session.run(mapping, **how)

    assert outcomes(run) == {"numbers": maker, "first[*]": mapped, "perhaps[*]": mapped, "total": gathers}
    assert run["first[*]"].report.detail == detail
    assert run["first"].outcome == [Outcome(mapped)]
    if gathers == "executed":
        assert run["total"].value() == 0


def test_a_failed_element_blocks_what_gathers_it(session: fk.Session) -> None:
    """The other elements go on."""
    run = session.run(mapping, count=3)

    assert outcomes(run)["first[1]"] == "failed"
    assert outcomes(run)["perhaps[1]"] == outcomes(run)["total"] == "blocked"
    assert outcomes(run)["perhaps[2]"] == "executed"


@pytest.mark.parametrize("kind", ["dict", "text", "number", "set"])
def test_what_turns_out_to_be_no_list_fails_the_mapped_call(kind: str, session: fk.Session) -> None:
    """Where the annotation was `Any`: the error names the step that made it, what it is, and the remedy."""
    run = session.run(of_anything, kind=kind)

    assert outcomes(run) == {"anything": "executed", "add[*]": "failed", "perhaps[*]": "blocked", "total": "blocked"}
    failure = run["add[*]"].report.error
    assert "'anything'" in failure.message
    assert dict(failure.facts)["given"] == {"text": "str", "number": "int"}.get(kind, kind)
    assert "(each)" not in failure.message + str(failure.facts) + failure.hint
    assert run.status is RunStatus.FAILED


def test_files_in_a_list_count_by_content(session: fk.Session, tmp_path: Path) -> None:
    """Each file is an artifact: an edited one runs one element, and its base name is kept."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("a", "b", "c"):
        (folder / name).write_text(name)
    session.run(of_files, folder=folder)
    (folder / "b").write_text("B")

    run = session.run(of_files, folder=folder)

    assert executed(run) == {"listing", "read[1]", "join"}
    assert run["join"].value() == "a: a, b: B, c: c"


def test_what_takes_lists_apart_is_recorded_and_seen_by_nobody(session: fk.Session, tmp_path: Path) -> None:
    """The views, reports and artifacts of a run know only calls that a person wrote."""
    run = session.run(sums, count=2)

    with sqlite3.connect(tmp_path / "store" / "lineage.db") as database:
        views = ("nodes", "node_inputs", "node_outputs", "parameters", "code")
        nodes = {view: database.execute(f"SELECT DISTINCT node FROM {view}").fetchall() for view in views}
        recorded = database.execute("SELECT count(*) FROM pipeline_node").fetchone()[0]
    assert {name for (name,) in nodes["nodes"]} == set(run.nodes)
    assert all({name for (name,) in rows} <= set(run.nodes) for rows in nodes.values())
    assert recorded == len(run.nodes) + 1


@fk.step
def blocks(count: int) -> list[bytes]:
    # Nobody can notice this on purpose: the same key gives another list.
    return [bytes([index]) * 20_000 for index in range(count + getattr(sys, "_flowkit_test_more", 0))]


@fk.step(cache=False)
def losing(folder: str) -> int:
    for file in Path(folder).glob("*/*"):
        file.unlink()
    return 1


@fk.step
def size_of(block: bytes, factor: int) -> int:
    return len(block) * factor


@fk.pipeline
def losing_all(folder: str, lose: bool = False) -> None:
    items = fk.each(blocks(2))
    total(fk.collect(size_of(items, losing(folder) if lose else 0)))


def test_a_lost_element_is_taken_from_its_list_again(session: fk.Session, tmp_path: Path) -> None:
    """Elements are made again like any output, and the list before them where that is gone too."""
    folder = str(tmp_path / "store" / "blobs")
    session.run(losing_all, folder=folder)

    run = session.run(losing_all, folder=folder, lose=True)

    assert run.status is RunStatus.SUCCEEDED
    assert run["total"].value() == 40_000
    assert outcomes(run)["blocks"] == "executed"
    assert any("made again" in warning for warning in run.report.warnings)


def test_a_list_made_again_must_be_as_long_as_it_was(
    session: fk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has its nodes already: the error says both lengths."""
    folder = str(tmp_path / "store" / "blobs")
    session.run(losing_all, folder=folder)
    monkeypatch.setattr(sys, "_flowkit_test_more", 1, raising=False)

    run = session.run(losing_all, folder=folder, lose=True)

    failures = [run[f"size_of[{index}]"].report.error for index in range(2)]
    failure = next(failure for failure in failures if failure is not None)
    assert "'blocks'" in failure.message
    assert failure.facts == (("list", "each(blocks)"), ("elements before", "2"), ("elements now", "3"))
    assert outcomes(run)["total"] == "blocked"


def test_force_reaches_every_element(session: fk.Session) -> None:
    """A mapped call is forced as a whole, before its elements are known."""
    session.run(sums, count=2)
    report = session.execute(sums, {"count": 2, "right": 10}, target="t", force=selection("add"))

    forced = {node.node for node in report.nodes if node.reason is not None and node.reason.value == "forced"}
    assert forced == {"add[0]", "add[1]"}


def selection(text: str) -> Any:
    from flowkit.graph.select import Selection

    return Selection.parse(text)


def test_an_element_of_an_unknown_list_cannot_be_selected(session: fk.Session) -> None:
    """The message says to select the whole call."""
    with pytest.raises(fk.FlowkitError, match="known only when the pipeline runs") as caught:
        session.plan(sums, {"count": 2, "right": 10}, select=selection("add[1]"))
    assert "'add'" in caught.value.hint


def test_a_plan_knows_elements_only_where_the_store_knows_the_list(session: fk.Session) -> None:
    """Before the first run a mapped call is one unknown node; `why` explains it, and each element once it is known."""
    parameters = {"count": 2, "right": 10}
    before = {node.node: node.outcome.value for node in session.plan(sums, parameters).nodes}
    session.run(sums, **parameters)

    after = {node.node: node.outcome.value for node in session.plan(sums, {**parameters, "right": 11}).nodes}

    assert before == {"numbers": "run", "add[*]": "unknown", "add#2[*]": "unknown", "total": "unknown"}
    assert after["numbers"] == "reuse"
    assert (after["add[0]"], after["add[1]"], after["add#2[1]"]) == ("run", "run", "unknown")
    assert session.why(sums, {**parameters, "right": 11}, "add[1]").reason == "parameter"
    assert session.why(sums, {**parameters, "count": 3}, "add[1]").outcome == "unknown"
    assert session.why(sums, {**parameters, "count": 3}, "add[*]").since is not None
    with pytest.raises(fk.FlowkitError, match=r"'add\[7\]'"):
        session.why(sums, parameters, "add[7]")


Item = int | None
"""An element in the oracle; None where it was skipped."""

OPERATIONS = ["map", "align", "drop", "collect", "grow", "product"]


def plainly(operations: list[str], count: int) -> int:
    """Evaluate a program as plain Python would."""
    items: list[int] = list(range(count))
    mapped: list[Item] = list(items)
    start: list[int] = list(items)
    for operation in operations:
        if operation == "map":
            mapped = [None if item is None else item + 3 for item in mapped]
        elif operation == "align":
            mapped = [None if item is None else item + first for item, first in zip(mapped, start, strict=True)]
        elif operation == "drop":
            mapped = [None if item is None or item % 2 else item for item in mapped]
        else:
            kept = [item for item in mapped if item is not None]
            if operation == "product":
                kept = [sum(item + right for item in kept) for right in (1, 2)]
            elif operation == "grow":
                kept = [item + 5 for item in kept] + [5]
            mapped, start = list(kept), kept
    return sum(item for item in mapped if item is not None)


def pipeline_of(operations: list[str], count: int) -> Any:
    def body() -> None:
        start = mapped = fk.each(numbers(count))
        for operation in operations:
            if operation == "map":
                mapped = add(mapped, 3)
            elif operation == "align":
                mapped = add(mapped, start)
            elif operation == "drop":
                mapped = even(mapped)
            elif operation == "product":
                kept = fk.each(fk.collect(mapped))
                sums = [total(fk.collect(add(kept, right))) for right in (1, 2)]
                start = mapped = fk.each(sums)
            else:
                collected = fk.collect(mapped)
                start = mapped = fk.each(grow(collected, 5) if operation == "grow" else collected)
        total.named("result")(fk.collect(mapped))

    return fk.pipeline(name="program")(body)


@settings(max_examples=12, deadline=None)
@given(
    operations=st.lists(st.sampled_from(OPERATIONS), max_size=6),
    count=st.integers(0, 4),
    longer=st.integers(0, 2),
)
def test_random_maps_give_what_plain_python_gives(
    shared: fk.Session, operations: list[str], count: int, longer: int
) -> None:
    """Whatever is mapped, aligned, dropped and collected, also with what an earlier run of another length left."""
    for size in (count, count + longer):
        run = shared.run(pipeline_of(operations, size))

        assert run.status is RunStatus.SUCCEEDED
        assert run["result"].value() == plainly(operations, size)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fk.Session]:
    with fk.Session(store=tmp_path_factory.mktemp("shared") / "store", inline=True) as session:
        yield session


def test_a_reopened_run_has_its_elements(session: fk.Session) -> None:
    """From the record alone: elements in order with their values, and nothing of what took the list apart."""
    run = session.run(sums, count=3)

    again = session.last(sums)

    assert set(again.nodes) == set(run.nodes)
    assert again["add"].value() == run["add"].value() == [10, 11, 12]


def test_a_test_may_give_a_list_and_not_its_elements(session: fk.Session) -> None:
    """A given list is taken apart like any; what is mapped over one that nobody knows yet cannot be given."""
    run = session.run_changed(lambda graph: with_given(graph, {"numbers": [5, 6]}), sums, count=9)

    assert run["add"].value() == [15, 16]
    for name in ("add[*]", "add[0]"):
        with pytest.raises(fk.FlowkitError, match="cannot be given"):
            session.run_changed(lambda graph, name=name: with_given(graph, {name: 1}), sums)
