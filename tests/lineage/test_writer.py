from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from flowkit.errors import LineageError, NotRecordedError, StoreError
from flowkit.lineage.entries import Entries
from flowkit.lineage.history import (
    artifacts_of,
    details_of,
    inputs_of,
    list_runs,
    nodes_of,
    outputs_of,
    parameters_of,
)
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import BlobFile, Failure, FailureKind, NodeRecord, Outcome, RunStatus, Stamp
from flowkit.store import files
from tests.lineage.samples import (
    STARTED,
    make_blob,
    make_execution,
    make_inline,
    make_node,
    make_run,
    open_writer,
)
from tests.store.faulty_system import FaultySystem, once


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_recorded_node_shows_in_every_view(writer: LineageWriter, database: Path) -> None:
    """One record answers which data, code and parameters made an artifact, by plain SQL on the views."""
    data, model = make_blob("rows"), make_blob("model")
    execution = make_execution(inputs=[("rows", data)], outputs=[model], metrics=(("accuracy", 0.9),))
    writer.record(make_node(execution))
    writer.finish_run("run-1", RunStatus.SUCCEEDED, 0, STARTED + 2.5)

    assert rows(database, "SELECT status, exit_code, started, seconds FROM runs") == [
        ("succeeded", 0, "2026-11-18T11:06:40.500Z", 2.5)
    ]
    assert rows(database, "SELECT node, step, outcome, reason, cache_key, entry_key, seconds, worker FROM nodes") == [
        ("train", "train", "executed", "new", execution.cache_key, execution.entry_key, 0.25, "host-0")
    ]
    assert rows(database, "SELECT parameter, artifact FROM node_inputs") == [("rows", data.digest)]
    assert rows(database, "SELECT name, artifact FROM node_outputs") == [("return", model.digest)]
    assert rows(database, "SELECT name, value, digest FROM parameters")[0] == (
        "C",
        "0.5",
        execution.parts.arguments[0].digest,
    )
    assert rows(database, "SELECT name, value FROM metrics") == [("accuracy", 0.9)]
    assert ("pipelines.cleaning:strip", "def strip(): ...") in rows(database, "SELECT name, source FROM code")
    assert set(rows(database, "SELECT artifact, format, bytes FROM artifacts")) == {
        (data.digest, "table", 9000),
        (model.digest, "table", 9000),
    }


def test_times_are_iso_8601_in_utc_with_a_fraction_only_where_there_is_one(database: Path) -> None:
    """A whole second is written as such, another one with its milliseconds."""
    with open_writer(database) as writer:
        writer.begin_run(make_run("whole", started=1_795_154_400.0))
        writer.begin_run(make_run("part", started=1_795_154_400.25))

    assert rows(database, "SELECT run, started FROM runs") == [
        ("whole", "2026-11-20T06:00:00Z"),
        ("part", "2026-11-20T06:00:00.250Z"),
    ]


def test_a_reused_node_shows_what_made_it(writer: LineageWriter, database: Path) -> None:
    """A reused node's one row points to the execution, so the views show its inputs, outputs and key too."""
    execution = make_execution(inputs=[("rows", make_inline("1"))], outputs=[make_inline("2")])
    writer.record(make_node(execution))
    writer.flush()
    with Reader(database) as reader:
        entry = Entries(reader).find_entries([execution.cache_key])[execution.cache_key]

        writer.begin_run(make_run("run-2"))
        writer.record(NodeRecord("run-2", "train", "train", None, Outcome.REUSED, entry=entry.id))
        writer.flush()

        assert inputs_of(reader, "run-2")[0].artifact == make_inline("1").digest
        assert outputs_of(reader, "run-2", "train")[0].artifact == make_inline("2").digest
        assert parameters_of(reader, "run-2")[0].value == "0.5"
        assert artifacts_of(reader, "run-2")["train"] == execution.outputs
        assert nodes_of(reader, "run-2")[0].entry_key == execution.entry_key
        assert details_of(reader, "run-2")["train"].from_run == "run-1"
        assert details_of(reader, "run-1")["train"].from_run is None


def test_record_returns_at_once_and_flush_waits_until_it_is_durable(writer: LineageWriter, database: Path) -> None:
    """Recording does not wait for the disk; after a flush another connection sees the rows."""
    records = [make_node(make_execution(C=index), node=f"train#{index}") for index in range(500)]
    started = time.perf_counter()
    for record in records:
        writer.record(record)
    queued = time.perf_counter() - started
    writer.flush()

    assert queued < 0.2
    assert rows(database, "SELECT count(*) FROM nodes") == [(500,)]


def test_a_lone_record_is_committed_without_a_flush(writer: LineageWriter, database: Path) -> None:
    """A batch does not wait to be filled: what is queued is soon durable."""
    writer.flush()
    writer.record(make_node(make_execution()))

    deadline = time.monotonic() + 5
    while rows(database, "SELECT count(*) FROM nodes") == [(0,)] and time.monotonic() < deadline:
        time.sleep(0.005)
    assert rows(database, "SELECT count(*) FROM nodes") == [(1,)]


def test_a_node_recorded_twice_in_a_run_has_its_later_row(writer: LineageWriter, database: Path) -> None:
    """A reused node whose artifact turns out lost runs again in the same run; its row tells how it ended."""
    writer.record(make_node(make_execution(), outcome=Outcome.FAILED))
    writer.record(make_node(make_execution(outputs=[make_inline("1")]), attempts=2))
    writer.flush()

    assert rows(database, "SELECT outcome, attempts FROM nodes") == [("executed", 2)]


def test_the_first_result_of_a_generation_stands(writer: LineageWriter, database: Path) -> None:
    """Of two results under one entry key the first is reused; the late one is in the history but not published."""
    first = make_execution(outputs=[make_inline("first")])
    second = make_execution(outputs=[make_inline("second")])
    writer.begin_run(make_run("run-2"))
    writer.record(make_node(first))
    writer.record(make_node(second, run="run-2"))
    writer.flush()

    with Reader(database) as reader:
        entry = Entries(reader).find_entries([first.cache_key])[first.cache_key]
        assert (entry.outputs, entry.generation, entry.run) == (first.outputs, 0, "run-1")
        assert outputs_of(reader, "run-2")[0].artifact == make_inline("second").digest


def test_a_differing_late_result_is_told(database: Path) -> None:
    """The same entry key giving other bytes means a step that is not deterministic: the caller learns the outputs."""
    told: list[tuple[str, tuple[str, ...]]] = []
    with open_writer(database, disagreed=lambda record, names: told.append((record.run, names))) as writer:
        for run in ("run-1", "run-2", "run-3"):
            writer.begin_run(make_run(run))
        writer.record(make_node(make_execution(outputs=[make_inline("a"), make_inline("b")])))
        writer.record(make_node(make_execution(outputs=[make_inline("a"), make_inline("other")]), run="run-2"))
        writer.record(make_node(make_execution(outputs=[make_inline("a"), make_inline("b")]), run="run-3"))
        writer.flush()

    assert told == [("run-2", ("1",))]


def test_a_rerun_supersedes_only_the_generation_it_saw(writer: LineageWriter, database: Path) -> None:
    """A forced rerun replaces generation 0; a second one that also saw generation 0 comes too late."""
    writer.record(make_node(make_execution(outputs=[make_inline("0")])))
    for run, text in (("run-2", "1"), ("run-3", "late")):
        writer.begin_run(make_run(run))
        writer.record(make_node(make_execution(outputs=[make_inline(text)], supersedes=0), run=run))
    writer.flush()
    key = make_execution().cache_key

    with Reader(database) as reader:
        entry = Entries(reader).find_entries([key])[key]
        assert (entry.generation, entry.run, entry.outputs[0].artifact) == (1, "run-2", make_inline("1"))


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({"cached": False}, Outcome.EXECUTED), ({}, Outcome.FAILED), ({}, Outcome.SKIPPED)],
    ids=["uncached", "failed", "skipped"],
)
def test_what_must_not_be_reused_is_recorded_and_never_found(
    change: dict[str, bool], outcome: Outcome, writer: LineageWriter, database: Path
) -> None:
    """Failed, skipped and uncached results are history, not entries."""
    execution = make_execution(outputs=[make_inline("1")], **change)
    writer.record(make_node(execution, outcome=outcome))
    writer.flush()

    with Reader(database) as reader:
        assert Entries(reader).find_entries([execution.cache_key]) == {}
        assert nodes_of(reader, "run-1")[0].cache_key == execution.cache_key


def test_an_execution_that_names_a_missing_blob_is_refused_and_the_rest_commits(database: Path) -> None:
    """No row may name a blob that is not there: that node becomes a failure, its neighbours in the batch stay."""
    gone = make_blob("gone")
    refused: list[NodeRecord] = []
    asked: list[BlobFile] = []

    def present(file: BlobFile) -> bool:
        asked.append(file)
        return file not in gone.files

    with open_writer(database, present=present, refused=refused.append) as writer:
        writer.begin_run(make_run())
        for index, artifact in enumerate([make_blob("a"), gone, make_blob("b")]):
            writer.record(make_node(make_execution(C=index, outputs=[artifact]), node=f"n{index}"))
        writer.flush()

    assert [file for output in (make_blob("a"), gone, make_blob("b")) for file in output.files] == asked
    assert rows(database, "SELECT node, outcome FROM nodes ORDER BY node") == [
        ("n0", "executed"),
        ("n1", "failed"),
        ("n2", "executed"),
    ]
    assert [record.node for record in refused] == ["n1"]
    assert refused[0].failure is not None
    assert refused[0].failure.kind is FailureKind.LOST
    assert gone.files[0].name in refused[0].failure.facts[0]
    assert rows(database, f"SELECT count(*) FROM artifacts WHERE artifact = '{gone.digest}'") == [(0,)]
    with Reader(database) as reader:
        key = make_execution(C=1).cache_key
        assert Entries(reader).find_entries([key]) == {}
        assert Entries(reader).failed_keys([key]) == {key}


def test_an_artifact_made_again_has_the_files_it_lies_in_now(writer: LineageWriter, database: Path) -> None:
    """A lost artifact that is made again lies in a new file; the old stamp would make it look changed for ever."""
    old, new = make_blob("rows", inode=7), make_blob("rows", inode=2**64 - 3)
    writer.record(make_node(make_execution(outputs=[old])))
    writer.begin_run(make_run("run-2"))
    writer.record(make_node(make_execution(outputs=[new], supersedes=0), run="run-2"))
    writer.flush()

    with Reader(database) as reader:
        assert artifacts_of(reader, "run-2")["train"][0].artifact == new


def test_restamping_changes_the_stamp_that_lookups_give(writer: LineageWriter, database: Path) -> None:
    """After a verification the new stamp is trusted, so that the file is not hashed again at every run."""
    artifact = make_blob("rows")
    execution = make_execution(outputs=[artifact])
    writer.record(make_node(execution))
    fresh = replace(artifact, files=(BlobFile(artifact.files[0].name, Stamp(9000, 5, 6, 7)),))

    writer.restamp(fresh)
    writer.flush()

    with Reader(database) as reader:
        assert Entries(reader).find_entries([execution.cache_key])[execution.cache_key].outputs[0].artifact == fresh


def test_a_blob_name_that_is_no_digest_is_refused(database: Path) -> None:
    """A record cannot smuggle a path into the database from where it would be joined to the store's folder."""
    evil = replace(make_blob("x"), files=(BlobFile("../../etc/passwd", Stamp(1, 2, 3, 4)),))
    writer = open_writer(database)
    writer.begin_run(make_run())
    writer.record(make_node(make_execution(outputs=[evil])))

    with pytest.raises(StoreError):
        writer.flush()
    writer.close()
    assert rows(database, "SELECT count(*) FROM artifacts") == [(0,)]


def test_undecodable_names_are_shown_not_refused(writer: LineageWriter, database: Path) -> None:
    """A file name that is not UTF-8 may stand in a parameter's text, a detail or a failure."""
    odd = "caf\udce9"
    failure = Failure(FailureKind.RAISED, f"cannot open {odd}", (("path", odd),))
    writer.record(make_node(make_execution(C=odd), detail=odd, log=f"{odd}.log", failure=failure))
    writer.flush()

    with Reader(database) as reader:
        assert nodes_of(reader, "run-1")[0].detail == "caf\\udce9"
        assert details_of(reader, "run-1")["train"].failure == failure


def test_a_failure_comes_back_as_it_was(writer: LineageWriter, database: Path) -> None:
    """`logs` and `rerun` print a recorded failure with its facts, hint and frames."""
    failure = Failure(
        FailureKind.TIMEOUT, "too slow", (("limit", "10 s"),), "give it longer", "frames", retryable=False
    )
    writer.record(make_node(make_execution(), outcome=Outcome.FAILED, failure=failure))
    writer.flush()

    with Reader(database) as reader:
        assert details_of(reader, "run-1")["train"].failure == failure


def test_after_a_failure_nothing_more_is_written_and_every_caller_learns(database: Path) -> None:
    """The database holds a prefix of what was recorded: nothing is written past a record that could not be."""
    writer = open_writer(database)
    writer.begin_run(make_run())
    writer.flush()
    writer.record(make_node(make_execution(), run="unknown"))

    with pytest.raises(NotRecordedError):
        writer.flush()
    for act in (
        lambda: writer.record(make_node(make_execution())),
        writer.flush,
        lambda: writer.write(lambda connection: None),
    ):
        with pytest.raises(NotRecordedError):
            act()
    writer.close()
    assert rows(database, "SELECT count(*) FROM nodes") == [(0,)]


def test_closing_raises_what_nobody_was_told(database: Path) -> None:
    """A failure cannot be lost by closing without a flush."""
    writer = open_writer(database)
    writer.record(make_node(make_execution(), run="unknown"))

    with pytest.raises(NotRecordedError):
        writer.close()
    with pytest.raises(NotRecordedError):
        writer.record(make_node(make_execution()))


def test_a_closed_writer_refuses(database: Path) -> None:
    """What comes after the end is refused instead of waiting for a thread that is gone."""
    writer = open_writer(database)
    writer.close()

    with pytest.raises(LineageError, match="closed"):
        writer.flush()


def test_write_is_one_transaction_in_the_writers_thread(writer: LineageWriter, database: Path) -> None:
    """What a change raises is raised to its caller and leaves nothing; what it returns is returned."""

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO word (text) VALUES ('half')")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        writer.write(broken)

    assert writer.write(lambda connection: threading.current_thread().name) == "flowkit-lineage"
    assert rows(database, "SELECT count(*) FROM word WHERE text = 'half'") == [(0,)]
    writer.record(make_node(make_execution()))
    writer.flush()


def test_write_comes_after_what_was_queued_before(writer: LineageWriter) -> None:
    """A promotion sees the records of the nodes that made its model."""
    for index in range(300):
        writer.record(make_node(make_execution(C=index), node=f"n{index}"))

    assert writer.write(lambda connection: connection.execute("SELECT count(*) FROM node").fetchone()[0]) == 300


def test_foreign_keys_hold(writer: LineageWriter) -> None:
    """A row cannot refer to what is not there."""
    with pytest.raises(LineageError, match="FOREIGN KEY"):
        writer.write(lambda connection: connection.execute("INSERT INTO model_alias VALUES (99, 'champion', 99)"))


def test_an_open_cursor_of_a_reader_only_delays_a_commit(writer: LineageWriter, database: Path) -> None:
    """Somebody's Datasette with an unfinished query holds a commit up; records queue and none is lost."""
    writer.record(make_node(make_execution(C=-1), node="before"))
    writer.flush()
    other = sqlite3.connect(database, check_same_thread=False)
    cursor = other.execute("SELECT * FROM word")
    cursor.fetchone()

    for index in range(200):
        writer.record(make_node(make_execution(C=index), node=f"n{index}"))
        if index == 100:
            time.sleep(0.3)
    release = threading.Timer(1.5, cursor.close)
    release.start()
    writer.flush()
    release.join()
    other.close()

    assert rows(database, "SELECT count(*) FROM nodes") == [(201,)]


def test_a_lock_held_too_long_is_reported_with_its_holder(database: Path) -> None:
    """Past the timeout the message names the process that holds the lock, and nothing was half written."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    writer = open_writer(database, timeout=0.3)
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(LineageError, match="stayed locked") as caught:
            writer.write(lambda connection: None)
    finally:
        holder.communicate("")
    assert f"pid {holder.pid} " in str(caught.value)
    assert caught.value.exit_code == 4
    writer.begin_run(make_run())
    writer.flush()
    writer.close()


def test_a_full_disk_commits_nothing_and_says_so(database: Path) -> None:
    """ENOSPC, here SQLite's own page limit, rolls the batch back; the message says that what was there is kept."""
    writer = open_writer(database)
    writer.begin_run(make_run())
    writer.record(make_node(make_execution(), node="kept"))
    writer.write(
        lambda connection: connection.execute(
            f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}"
        ).fetchall()
    )
    for index in range(2000):
        try:
            writer.record(
                make_node(make_execution(C=index, outputs=[make_inline("x" * 4000 + str(index))]), node="big")
            )
        except LineageError:
            break

    with pytest.raises(LineageError, match="is full"):
        writer.flush()
    writer.close()
    assert rows(database, "SELECT node FROM nodes WHERE node = 'kept'") == [("kept",)]
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]


def test_a_database_that_is_removed_while_it_is_open_is_told_as_gone(tmp_path: Path) -> None:
    """Nobody is sent to look at permissions of a file that is not there."""
    folder = tmp_path / "store"
    folder.mkdir()
    writer = open_writer(folder / "lineage.db")
    writer.begin_run(make_run())
    writer.flush()
    shutil.rmtree(folder)

    with pytest.raises(LineageError, match="was removed while flowkit used it") as caught:
        writer.write(lambda connection: connection.execute("UPDATE run SET user = 'me'").fetchall())

    assert ("gone", str(folder)) in caught.value.facts


def test_a_read_only_database_is_refused_at_once_and_can_be_read() -> None:
    """A store that cannot be written is found when it is opened, not when the first result is lost."""
    with unprivileged_folder() as folder:
        database = folder / "lineage.db"
        with open_writer(database) as writer:
            writer.begin_run(make_run())
        database.chmod(0o444)
        folder.chmod(0o555)
        before = database.read_bytes()

        with as_nobody():
            with pytest.raises(LineageError, match="cannot be written"):
                open_writer(database)
            with Reader(database) as reader:
                assert [row.run for row in list_runs(reader, 10)] == ["run-1"]

        assert database.read_bytes() == before


def test_a_folder_that_may_not_be_written_is_refused() -> None:
    """Where no file can be made the reason is the system's own."""
    with unprivileged_folder() as folder:
        folder.chmod(0o555)

        with as_nobody(), pytest.raises(LineageError, match="cannot be opened") as caught:
            open_writer(folder / "lineage.db")

        assert "Permission denied" in str(caught.value)


@contextmanager
def unprivileged_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="lineage-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's privilege to write anything, where these tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_new_databases_name_is_durable_before_anything_is_in_it(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite passes over a folder that cannot be synced, so flowkit does it, and does it again where that failed."""
    failing, again = FaultySystem(once(0, errno.EIO)), FaultySystem()
    monkeypatch.setattr(files, "os", failing)
    with pytest.raises(LineageError, match="cannot be opened"):
        open_writer(database)
    assert rows(database, "SELECT name FROM sqlite_master") == []
    monkeypatch.setattr(files, "os", again)

    open_writer(database).close()
    open_writer(database).close()

    assert again.calls == ["fsync"]
