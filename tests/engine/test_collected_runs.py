"""Runs from under which something is collected: what they rely on stays, the rest they make again by themselves."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import flowkit as fk
from flowkit.engine.attempts import MOST_REPEATS
from flowkit.housekeeping.collecting.collect import collect
from flowkit.housekeeping.collecting.decision import Retention
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Outcome
from flowkit.store.folder import StoreFolder


@fk.step
def made(n: int) -> np.ndarray:
    return np.arange(n)


@fk.step(cache=False)
def pause(n: int) -> int:
    logging.getLogger("tests.pause").warning("now")
    return n


@fk.step
def joined(values: np.ndarray, other: np.ndarray, n: int) -> int:
    return int(values.sum() + other.sum()) + n


@fk.step
def ends(total: int) -> int:
    return total + 1


@fk.pipeline
def pausing(n: int = 3000, k: int = 1) -> None:
    values = made(n)
    ends(joined(values, np.arange(2000), pause(k)))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[fk.Session]:
    """A session on a store of its own, whose steps run in this process."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        yield session


@contextmanager
def at_pause(action: Callable[[], None]) -> Iterator[None]:
    """Have something done by another thread while the step `pause` runs."""
    done: list[bool] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            # Not a fork: SQLite's account of the locks of this process would go along.
            thread = threading.Thread(target=lambda: (action(), done.append(True)))
            thread.start()
            thread.join()

    logger, handler = logging.getLogger("tests.pause"), Handler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert done


def drop_all(store: Path) -> int:
    """Drop everything that may go, with no grace; return how many artifacts went."""
    folder = StoreFolder.open(store)
    with LineageWriter(folder.database, present=folder.holds) as writer:
        return len(collect(folder, writer, Retention(bytes=1), who="test", grace=0.0).plan.dropped)


def blobs(store: Path) -> list[Path]:
    """Return the files that the store holds."""
    return [path for path in (store / "blobs").rglob("*") if path.is_file()]


def executed(run: fk.Run) -> list[str]:
    """Return the nodes that executed."""
    return [node.node for node in run.report.nodes if node.outcome is Outcome.EXECUTED]


def test_what_a_run_has_made_or_reused_is_there_when_it_is_needed(session: fk.Session, tmp_path: Path) -> None:
    """A collection in the middle of a run takes nothing that a later node of it needs, whether made or reused."""
    store = tmp_path / "store"

    def collect_once_recorded() -> None:
        # Records are committed in batches: until then the run would find the loss, and make it again.
        query = "SELECT 1 FROM nodes JOIN runs USING (run) WHERE status = 'running' AND node = 'made'"
        with Reader(store / "lineage.db") as reader:
            while not reader.select(query):
                time.sleep(0.01)
        drop_all(store)

    with at_pause(collect_once_recorded):
        first = session.run(pausing)
        second = session.run(pausing, k=2)

    assert first["ends"].value() == sum(range(3000)) + sum(range(2000)) + 2
    assert executed(second) == ["pause", "joined", "ends"]
    assert second.report.warnings == first.report.warnings == ()


def test_a_constant_that_is_removed_before_it_is_used_is_put_again(session: fk.Session, tmp_path: Path) -> None:
    """No node makes it and no row of this run names it yet: the driver has it, and puts it once more."""
    store = tmp_path / "store"
    session.run(pausing)

    def remove_files() -> None:
        for path in blobs(store):
            path.unlink()

    with at_pause(remove_files):
        run = session.run(pausing, k=2)

    assert run.report.exit_code == 0
    assert run["ends"].value() == sum(range(3000)) + sum(range(2000)) + 3
    assert any("made again" in text for text in run.report.warnings)


def test_what_is_removed_before_it_is_recorded_is_made_again_at_no_charge(
    session: fk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit misses the blob and refuses the attempt: the node executes once more, and the run succeeds."""
    store = tmp_path / "store"
    times = _lose_before_record(monkeypatch, store, 1)

    run = session.run(pausing)

    assert times == [1]
    assert run.report.exit_code == 0
    assert {node.attempts for node in run.report.nodes} == {1}
    assert any("removed before it could be recorded" in text for text in run.report.warnings)
    assert executed(session.run(pausing)) == ["pause"]


def test_a_node_whose_result_is_removed_again_and_again_fails(
    session: fk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else than a collection must be at work then: the node fails by name, the others have their results."""
    times = _lose_before_record(monkeypatch, tmp_path / "store", 100)

    run = session.run(pausing)

    assert len(times) > MOST_REPEATS
    assert run["made"].outcome is Outcome.FAILED
    assert "gone from the store" in run["made"].report.error.message
    assert run.report.exit_code == 1


def _lose_before_record(monkeypatch: pytest.MonkeyPatch, store: Path, most: int) -> list[int]:
    """Unlink what `made` put each time when its record comes to the writer, as a collection might; count how often."""
    times: list[int] = []
    record = LineageWriter.record

    def lose(self: LineageWriter, node, durable=None):  # type: ignore[no-untyped-def]
        if node.node == "made" and node.outcome is Outcome.EXECUTED and len(times) < most:
            times.append(len(times) + 1)
            for output in node.execution.outputs:
                for file in output.artifact.files:
                    (store / "blobs" / file.name).unlink(missing_ok=True)
        record(self, node, durable)

    monkeypatch.setattr(LineageWriter, "record", lose)
    return times
