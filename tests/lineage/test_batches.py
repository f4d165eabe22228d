"""Records that are written together, as those of one commit are."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from flowkit.lineage.recording import Recorder
from flowkit.lineage.runs import insert_run
from flowkit.lineage.schema import create_anew
from flowkit.lineage.writer import LineageWriter
from flowkit.records import BlobFile, NodeRecord, ObservedInput, Outcome, Stamp
from tests.lineage.samples import make_blob, make_execution, make_inline, make_node, make_run, open_writer

NAMES = ("clean", "train", "caf\udce9")
BLOB, MOVED = make_blob("rows"), make_blob("rows", inode=2**64 - 3)
CHUNK = BlobFile(f"ab/{'c' * 62}.chunk", Stamp(5, 6, 7, 8))
ARTIFACTS = (
    make_inline("0"),
    make_inline("1"),
    BLOB,
    MOVED,
    replace(BLOB, files=(CHUNK, *BLOB.files), bytes=10),
    replace(BLOB, files=(), inline=b"rows"),
    replace(make_inline("0"), format="pickle", refers=("m:f",)),
)

artifacts = st.sampled_from(ARTIFACTS)
observed = st.sampled_from([(), (ObservedInput("file", "a.csv", "d1"),), (ObservedInput("file", "a.csv", "d2"),)])


@st.composite
def records(draw: st.DrawFn) -> NodeRecord:
    """A record that may meet others in all that one can meet: places, keys, artifacts, files, makers."""
    node, run = draw(st.sampled_from(NAMES)), draw(st.sampled_from(["run-1", "run-2"]))
    kind = draw(st.sampled_from(["result"] * 4 + ["failed", "skipped", "reused"]))
    if kind == "reused":
        return NodeRecord(run, node, node, NAMES.index(node) or None, Outcome.REUSED, entry=1)
    if kind == "skipped":
        return NodeRecord(run, node, node, NAMES.index(node) or None, Outcome.SKIPPED, detail="not today")
    inputs = draw(st.lists(st.tuples(st.sampled_from(["left", "right"]), artifacts), max_size=3))
    more: dict[str, Any] = {
        "producers": tuple(draw(st.sampled_from([None, *NAMES])) for _ in inputs) if draw(st.booleans()) else (),
        "supersedes": draw(st.sampled_from([None, None, 0, 1])),
        "cached": draw(st.sampled_from([True, True, True, False])),
        "ages": draw(st.sampled_from([False, False, True])),
        "uncached": draw(st.sampled_from([None, None, "an input changed"])),
        "metrics": draw(st.sampled_from([(), (("accuracy", 0.5), ("loss", float("nan")))])),
        "observed": draw(observed),
        "outputs": draw(st.lists(artifacts, max_size=2)),
    }
    execution = make_execution(node, C=draw(st.sampled_from([1, 2])), inputs=inputs, **more)
    outcome = Outcome.FAILED if kind == "failed" else Outcome.EXECUTED
    return make_node(execution, run, map_index=NAMES.index(node) or None, outcome=outcome)


@pytest.fixture(scope="module")
def begun() -> Iterator[sqlite3.Connection]:
    """A database in which two runs have begun, and a node of the first is recorded."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_anew(connection)
        recorder = Recorder(connection)
        for run in ("run-1", "run-2"):
            insert_run(connection, recorder.identities, make_run(run))
        recorder.record_nodes([make_node(make_execution("first", outputs=[make_inline("0")]))])
        yield connection


def record(begun: sqlite3.Connection, batches: Sequence[Sequence[NodeRecord]]) -> tuple[list[Any], dict[str, Any]]:
    """Return what is told of the records, and all rows of all tables, with their ids."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        begun.backup(connection)
        connection.execute("PRAGMA foreign_keys = ON")
        recorder = Recorder(connection)
        told = [told for batch in batches for told in recorder.record_nodes(batch)]
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        # As text: a metric that is no number comes back as None, but -0.0 and 0 would be equal.
        return told, {name: repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in tables}


@settings(max_examples=40, deadline=None)
@given(st.lists(records(), min_size=2, max_size=12))
@example(
    [make_node(make_execution(C=index, outputs=[make_inline(str(index))]), node=f"n{index}") for index in range(99)]
)
def test_nodes_recorded_together_have_the_rows_of_nodes_recorded_one_by_one(
    begun: sqlite3.Connection, some: list[NodeRecord]
) -> None:
    """Which records share a commit shows in no row and no id, whatever they have in common."""
    assert record(begun, [some]) == record(begun, [[one] for one in some])


@contextmanager
def one_batch(writer: LineageWriter) -> Iterator[None]:
    """Let the writer begin a batch, and go on once all of it is queued."""
    queued = threading.Event()
    writer.flush()
    writer.enqueue(lambda connection: queued.wait(30) and None)
    yield
    queued.set()
    writer.flush()


def test_in_one_batch_only_the_reuse_of_what_is_dropped_just_then_is_refused(database: Path) -> None:
    """A node that makes the content again restores it for those that come after it in the batch, not before."""
    refused: list[NodeRecord] = []
    with open_writer(database, refused=refused.append) as writer:
        writer.begin_run(make_run())
        made = make_execution("make", outputs=[BLOB])
        writer.record(make_node(made))
        for change in ("INSERT INTO dropped SELECT id, 0 FROM artifact", "DELETE FROM artifact_file"):
            writer.write(lambda connection, change=change: connection.execute(change))
        with one_batch(writer):
            for name in ("before", "again", "after"):
                reused = NodeRecord("run-1", name, name, None, Outcome.REUSED, entry=1)
                again = make_node(replace(made, outputs=made.outputs, cached=False), node="again")
                writer.record(again if name == "again" else reused)
        writer.record(NodeRecord("run-1", "later", "later", None, Outcome.REUSED, entry=1))
        writer.flush()

        outcomes = dict(
            writer.write(lambda connection: connection.execute("SELECT node, outcome FROM nodes").fetchall())
        )
    assert outcomes == {
        "make": "executed", "before": "failed", "again": "executed", "after": "reused", "later": "reused",
    }  # fmt: skip
    assert [one.node for one in refused] == ["before"]


def test_an_end_in_a_batch_comes_after_the_nodes_before_it(database: Path) -> None:
    """Records that are gathered are written before a run's end, and before the next run of the same batch begins."""
    with open_writer(database) as writer, one_batch(writer):
        for run in ("run-1", "run-2"):
            writer.begin_run(make_run(run))
            for index in range(3):
                writer.record(make_node(make_execution(C=index, outputs=[make_inline(str(index))]), run, f"n{index}"))
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT run, count(*) FROM nodes GROUP BY run").fetchall() == [
            ("run-1", 3),
            ("run-2", 3),
        ]


def test_what_comes_one_by_one_shares_a_commit(writer: LineageWriter) -> None:
    """Nodes that end within a millisecond or so of each other need not cost a commit each, also after a question."""
    done: list[str] = []
    writer.write(lambda connection: connection.set_trace_callback(done.append))

    for attempt in range(50):
        writer.write(lambda connection: None)
        done.clear()
        for index in range(2):
            writer.record(make_node(make_execution(C=(attempt, index)), node=f"n{index}"))
            time.sleep(0.001)
        writer.flush()
        if done.count("COMMIT") == 1:
            break

    writer.write(lambda connection: connection.set_trace_callback(None))
    assert attempt < 49
