"""Whole runs through the public API, in this process: which nodes execute, which are reused, and why."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import flowkit as fk
from flowkit.engine.run_state import RunState
from flowkit.engine.runner import MOST_BEHIND
from flowkit.records import Outcome, Reason, RunStatus, StepOptions
from tests.ids import PACKAGE

CALLS: list[str] = []
SWITCH = {"broken": False, "flaky": 0}


def switch(name: str) -> int:
    """Read a switch of this test; `cache_clear`-like state that is no part of any key."""
    return getattr(_Holder, name)


class _Holder:
    broken = 0
    flaky = 0


@fk.step
def start(number: int) -> int:
    return number


@fk.step
def rounded(number: int) -> int:
    return number // 10


@fk.step
def after(number: int) -> int:
    return number + 1


@fk.pipeline
def chain(number: int = 11) -> None:
    after(rounded(start(number)))


@fk.step
def double(number: int) -> int:
    return 2 * number


@fk.step
def add_up(numbers: list[int]) -> int:
    return sum(numbers)


@fk.pipeline
def wide(start: int, size: int) -> None:
    add_up(fk.collect(double(fk.each(range(start, start + size)))))


@fk.step
def interrupted(number: int) -> int:
    if number == 0:
        signal.raise_signal(signal.SIGINT)
    return number


@fk.pipeline
def wide_and_interrupted(size: int) -> None:
    add_up(fk.collect(interrupted(fk.each(range(size)))))


@fk.step
def fails(number: int) -> int:
    raise ValueError(f"cannot do {number}")


@fk.pipeline
def branches(number: int = 1) -> None:
    first = start(number)
    after.named("blocked")(after.named("also_blocked")(fails(first)))
    after.named("beside")(first)


@fk.step
def skips(number: int) -> int:
    if number > 1:
        raise fk.Skip("too large")
    return number


@fk.step
def maybe(number: int | None) -> int:
    return -1 if number is None else number


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@fk.pipeline
def skipping() -> None:
    mapped = skips(fk.each([0, 1, 2]))
    total(fk.collect(mapped))
    lone = skips(5)
    after(lone)
    maybe(lone)


@fk.step(retries=2, retry_delay="1ms")
def flaky(marker: Path) -> int:
    attempts = len(list(fk_attempts(marker)))
    (marker.parent / f"attempt{attempts}").touch()
    if attempts < 2:
        raise OSError("not yet")
    return attempts


def fk_attempts(marker: Path) -> list[Path]:
    return sorted(marker.parent.glob("attempt*"))


@fk.pipeline
def retrying(marker: Path) -> None:
    flaky(marker)


@fk.step(cache=False)
def always() -> int:
    return 7


@fk.step(max_age="200ms")
def ageing() -> int:
    return 8


@fk.pipeline
def unlasting() -> None:
    after(always())
    after.named("older")(ageing())


@fk.pipeline
def twins() -> None:
    total([start(1), start.named("same")(1)])


@fk.step
def large(size: int) -> bytes:
    return b"x" * size


@fk.step
def length(content: bytes) -> int:
    return len(content)


@fk.pipeline
def storing(size: int = 100_000) -> None:
    length(large(size))


@fk.pipeline
def riding(folder: Path) -> None:
    stumbles(start(1), str(folder))


@fk.step(retries=1)
def stumbles(number: int, folder: str) -> int:
    mark = Path(folder) / "stumbled"
    if not mark.exists():
        mark.touch()
        raise RuntimeError("stumbled")
    return number


@fk.step
def draw(number: int) -> float:
    return random.random()


@fk.pipeline
def chancy() -> None:
    number = start(1)
    draw(number)
    draw.named("other")(number)


@fk.step
def fit(slope: float) -> dict[str, float]:
    return {"slope": slope}


@fk.step
def judge(model: dict[str, float]) -> fk.Metrics:
    return fk.Metrics(slope=model["slope"])


@fk.pipeline
def promoting(slope: float = 1.0) -> None:
    model = fit(slope)
    champion = fk.champion("line", dict[str, float])
    fk.promote(
        model,
        to="line@champion",
        metrics=judge(model),
        baseline=judge(champion),
        gates=[fk.no_worse_than("slope")],
    )


@pytest.fixture
def session(tmp_path: Path):
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        yield session


def executed(run: fk.Run) -> list[str]:
    return [node.node for node in run.report.nodes if node.outcome is Outcome.EXECUTED]


def outcomes(run: fk.Run) -> dict[str, str]:
    return {node.node: node.outcome.value for node in run.report.nodes}


def reasons(run: fk.Run) -> dict[str, Reason | None]:
    return {node.node: node.reason for node in run.report.nodes}


def test_a_second_run_reuses_everything(session: fk.Session) -> None:
    """The same code, inputs and parameters execute nothing."""
    first = session.run(chain)
    second = session.run(chain)

    assert executed(first) == ["start", "rounded", "after"]
    assert executed(second) == []
    assert second["after"].value() == 2
    assert {node.from_run for node in second.report.nodes} == {first.id}


def test_a_fan_is_looked_up_in_waves(tmp_path: Path) -> None:
    """Whatever of a wide fan is stored already is reused, wherever it stands, and all the rest runs, once."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        first = session.run(wide, start=100, size=300)
        run = session.run(wide, start=0, size=700)
        again = session.run(wide, start=0, size=700)

    assert len(executed(first)) == 301
    assert sorted(set(executed(run)) - {"add_up"}) == sorted(
        f"double[{index}]" for index in [*range(100), *range(400, 700)]
    )
    assert run["add_up"].value() == 2 * sum(range(700))
    assert executed(again) == []


def test_a_run_is_cancelled_before_all_was_looked_up(session: fk.Session) -> None:
    """Every node ends, once; what had not been looked up yet is cancelled like the rest."""
    run = session.run(wide_and_interrupted, size=700)

    counts = Counter(outcomes(run).values())
    assert run.report.status is RunStatus.CANCELLED
    assert counts["cancelled"] > 400
    assert counts["cancelled"] + counts["executed"] == 701


@pytest.mark.slow
def test_a_run_waits_for_the_disk(tmp_path: Path) -> None:
    """What is recorded and not durable yet is bounded: memory and held claims do not grow with the run."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        session.run(wide, start=0, size=1)
        writer = session.workspace_for(wide).writer
        backlog = [0]
        over = threading.Event()

        def hold_up() -> None:
            end = time.monotonic() + 60
            while writer.backlog <= MOST_BEHIND and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(1)

        def look() -> None:
            writer.enqueue(lambda connection: hold_up())
            while not over.wait(0.001):
                backlog.append(writer.backlog)

        looking = threading.Thread(target=look)
        looking.start()
        run = session.run(wide, start=10, size=4 * MOST_BEHIND)
        over.set()
        looking.join()

    assert run.report.status is RunStatus.SUCCEEDED
    assert MOST_BEHIND < max(backlog) < 2 * MOST_BEHIND


def test_equal_bytes_stop_the_wave(session: fk.Session) -> None:
    """A step that runs again and gives the same bytes lets its consumers be reused."""
    session.run(chain, number=11)

    run = session.run(chain, number=12)

    assert executed(run) == ["start", "rounded"]
    assert reasons(run) == {"start": Reason.PARAMETER, "rounded": Reason.INPUT, "after": None}


def test_a_failing_branch_does_not_stop_the_others(session: fk.Session) -> None:
    """What needs the failed node is blocked; what does not goes on; the run has failed."""
    run = session.run(branches)

    assert outcomes(run) == {
        "start": "executed",
        "fails": "failed",
        "also_blocked": "blocked",
        "blocked": "blocked",
        "beside": "executed",
    }
    assert run.status is RunStatus.FAILED
    assert run.report.exit_code == 1
    failure = run["fails"].report.error
    assert "ValueError" in failure.message + failure.traceback
    assert PACKAGE not in failure.traceback
    with pytest.raises(fk.FlowkitError, match="'fails' has no value"):
        run["fails"].value()


def test_a_failed_node_runs_again_and_what_succeeded_is_reused(session: fk.Session) -> None:
    """A failure is recorded and never reused; its key is remembered as one that never succeeded."""
    session.run(branches)

    again = session.run(branches)

    assert executed(again) == []
    assert outcomes(again)["start"] == "reused"
    assert outcomes(again)["fails"] == "failed"
    assert reasons(again)["fails"] is Reason.FAILED


def test_skip_leaves_out_elements_and_gives_none_where_it_is_admitted(session: fk.Session) -> None:
    """A skipped element is left out of `collect`, its consumer is skipped, and `None` goes where it may."""
    run = session.run(skipping)

    assert run.status is RunStatus.SUCCEEDED
    assert outcomes(run)["skips[2]"] == "skipped"
    assert run["total"].value() == 1
    assert outcomes(run)["after"] == "skipped"
    assert run["maybe"].value() == -1


def test_a_skipped_node_has_not_failed(session: fk.Session) -> None:
    """A skip is tried again at the next run, as something new and not as something that failed."""
    session.run(skipping)

    again = session.plan(skipping, {})

    assert {node.node: node.reason for node in again.nodes}["skips[2]"] is Reason.NEW


def test_an_attempt_is_repeated_with_its_retries(session: fk.Session, tmp_path: Path) -> None:
    """Two failures and a success are three attempts and one executed node."""
    marker = tmp_path / "marker"
    marker.touch()

    run = session.run(retrying, marker=marker)

    assert outcomes(run) == {"flaky": "executed"}
    assert run["flaky"].report.attempts == 3


def test_a_node_that_rode_in_a_packet_is_repeated_too(session: fk.Session, tmp_path: Path) -> None:
    """It was never looked up before its first attempt, and still has its retry, its reason and its key."""
    run = session.run(riding, folder=tmp_path)

    assert executed(run) == ["start", "stumbles"]
    assert run["stumbles"].report.attempts == 2
    assert reasons(run)["stumbles"] is Reason.NEW
    assert executed(session.run(riding, folder=tmp_path)) == []


def test_uncached_and_expired_nodes_run_again_and_their_consumers_do_not(session: fk.Session) -> None:
    """`cache=False` always runs, `max_age` when older; equal bytes let the consumers be reused."""
    session.run(unlasting)
    time.sleep(0.25)

    run = session.run(unlasting)

    assert executed(run) == ["always", "ageing"]
    assert reasons(run)["always"] is Reason.UNCACHED
    assert reasons(run)["ageing"] is Reason.EXPIRED


def test_nodes_with_one_key_run_once(session: fk.Session) -> None:
    """The second of two equal calls is reused from the first, in the same run."""
    run = session.run(twins)

    assert sorted(executed(run)) == ["start", "total"] or sorted(executed(run)) == ["same", "total"]
    assert run["total"].value() == 2


def test_force_runs_a_node_whatever_there_is(tmp_path: Path) -> None:
    """A forced node executes; what it feeds is reused if its bytes are the same."""
    with fk.Session(store=tmp_path / "store", inline=True) as plain:
        plain.run(chain)
    with fk.Session(store=tmp_path / "store", inline=True, force="rounded") as forcing:
        run = forcing.run(chain)

    assert executed(run) == ["rounded"]
    assert reasons(run)["rounded"] is Reason.FORCED


@pytest.mark.parametrize("damage", ["delete", "flip", "truncate", "empty"])
def test_a_lost_or_damaged_artifact_is_made_again(session: fk.Session, tmp_path: Path, damage: str) -> None:
    """A hit is a promise: damage is noticed before use, said, and healed by the run."""
    session.run(storing)
    (blob,) = [path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()]
    content = blob.read_bytes()
    blob.chmod(0o600)
    if damage == "delete":
        blob.unlink()
    else:
        damaged = {"flip": bytes([content[0] ^ 1]) + content[1:], "truncate": content[:-1], "empty": b""}
        blob.write_bytes(damaged[damage])

    run = session.run(storing)

    assert executed(run) == ["large"]
    assert reasons(run)["large"] is Reason.LOST
    assert run["large"].value() == b"x" * 100_000
    assert executed(session.run(storing)) == []


def test_a_step_that_is_not_deterministic_is_warned_about(session: fk.Session) -> None:
    """Another result under the same key, in one packet here, is noticed and named; the first one stands."""
    run = session.run(chancy)

    assert any("'draw' is not deterministic" in warning for warning in run.report.warnings)
    again = session.run(chancy)
    assert executed(again) == []
    assert again["draw"].value() == again["other"].value() == run["draw"].value()


def test_a_champion_shows_its_model_and_not_what_made_it(session: fk.Session, tmp_path: Path) -> None:
    """The champion's node gives the model; what went into training it stays with the step that did."""
    session.run(promoting)
    session.run(promoting)

    with sqlite3.connect(tmp_path / "store" / "lineage.db") as database:
        rows = {
            view: database.execute(f"SELECT count(*) FROM {view} WHERE node = 'champion'").fetchone()[0]
            for view in ("node_outputs", "node_inputs", "parameters", "metrics", "code")
        }
    assert rows == {"node_outputs": 1, "node_inputs": 0, "parameters": 0, "metrics": 0, "code": 0}


def test_a_missing_input_fails_its_node_by_name(session: fk.Session, tmp_path: Path) -> None:
    """The run is recorded, the message names the path, and nothing else is harmed."""
    run = session.run(retrying, marker=tmp_path / "nowhere")

    assert outcomes(run) == {"flaky": "failed"}
    failure = run["flaky"].report.error
    assert "nowhere" in failure.message
    assert failure.hint


def test_threads_share_a_session_one_run_at_a_time(session: fk.Session) -> None:
    """Runs asked for from several threads follow one another, each with its own values."""
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda number: session.run(chain, number=number * 10), range(1, 5)))

    assert [run["after"].value() for run in runs] == [2, 3, 4, 5]
    assert {run.status for run in runs} == {RunStatus.SUCCEEDED}


def test_a_forked_process_runs_with_a_session_of_its_own(tmp_path: Path) -> None:
    """A child made by fork after a run does not wait for threads that it has not got."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        session.run(chain)
        child = os.fork()
        if child == 0:
            status = session.run(chain, number=50).status
            os._exit(0 if status is RunStatus.SUCCEEDED else 1)
        for _ in range(300):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            time.sleep(0.1)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            raise AssertionError("the child hangs")
        assert os.waitstatus_to_exitcode(status) == 0
        assert executed(session.run(chain, number=50)) == []


def test_a_run_that_was_interrupted_is_cancelled_whatever_failed_before() -> None:
    """The exit code of an interruption is 130, also where a node had failed."""
    graph = branches.build({"number": 1})
    state = RunState(graph, lambda _: StepOptions())
    state.begin()
    (start_launch,) = state.missed("start", "a")
    state.succeeded("start", start_launch.token)
    (fails_launch,) = state.missed("fails", "b")
    state.failed("fails", fails_launch.token, retryable=False, now=0.0)
    state.cancel()

    assert state.finished
    assert state.status is RunStatus.CANCELLED
