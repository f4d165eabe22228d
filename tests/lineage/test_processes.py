from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flowkit.errors import LineageError, StoreError
from flowkit.lineage.connection import waiting
from flowkit.lineage.entries import Entries
from flowkit.lineage.history import run_summary
from flowkit.lineage.liveness import DriverLock, identify_driver, is_driven
from flowkit.lineage.reader import Reader
from flowkit.lineage.schema import SCHEMA_VERSION, read_version
from flowkit.records import RunStatus
from tests.lineage.processes import finish, kill, start
from tests.lineage.samples import make_execution, make_run, open_writer
from tests.store.processes import finish as finish_forked
from tests.store.processes import start as start_forked


def query(database: Path, text: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database, timeout=60)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


def test_eight_processes_write_at_once_and_none_is_told_locked(database: Path) -> None:
    """Read-and-write transactions of 8 drivers lose no step and raise nothing; one row is published for each key."""
    with open_writer(database) as writer:
        writer.write(lambda connection: connection.execute("CREATE TABLE counter AS SELECT 0 AS seconds"))

    finish([start("increment", database, f"run-{index}", 15) for index in range(8)])

    assert query(database, "SELECT seconds FROM counter") == [(120,)]
    assert query(database, "SELECT count(*), count(DISTINCT entry_key) FROM entry") == [(15, 15)]
    assert query(database, "SELECT count(*) FROM nodes WHERE outcome = 'executed'") == [(120,)]
    assert query(database, "SELECT status, count(*) FROM runs GROUP BY status") == [("succeeded", 8)]
    with Reader(database) as reader:
        assert len(Entries(reader).find_entries([make_execution(C=index).cache_key for index in range(15)])) == 15


def test_a_short_wait_for_a_lock_is_repeated_until_the_long_one_is_over(database: Path) -> None:
    """A writing connection waits a second at a time; who is kept out for longer, also from reading, is let in later."""
    with open_writer(database):
        pass
    holder = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.6, holder.rollback)
    reader = sqlite3.connect(database, isolation_level=None)
    reader.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        read_version(reader, database)
    release.start()

    assert waiting(lambda: read_version(reader, database), database, timeout=60) == SCHEMA_VERSION

    release.join()
    reader.close()
    holder.close()


@pytest.mark.slow
def test_a_process_that_stood_still_has_not_waited(database: Path) -> None:
    """Stopped for longer than the timeout while it waits for a lock, it goes on waiting once it is woken."""
    with open_writer(database):
        pass
    go_read, go = os.pipe()

    def wait_in() -> int:
        os.read(go_read, 1)
        return len(Reader(database, timeout=4).select("SELECT * FROM runs"))

    # Before there is a connection here: what SQLite knows of its own process's locks would be inherited.
    child, result = start_forked(wait_in)
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    os.write(go, b".")
    time.sleep(0.3)
    os.kill(child, signal.SIGSTOP)
    time.sleep(4.2)

    os.kill(child, signal.SIGCONT)
    time.sleep(1.5)
    holder.rollback()

    assert finish_forked(child, result) == 0
    holder.close()
    os.close(go_read)
    os.close(go)


def test_a_query_that_waits_for_a_lock_can_be_interrupted(database: Path) -> None:
    """A reader waits a second at a time, so that Ctrl-C is heard while another process holds the database."""
    with open_writer(database):
        pass
    with Reader(database, timeout=60) as reader:
        holder = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN EXCLUSIVE")
        interrupt = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        release = threading.Timer(20, holder.rollback)
        interrupt.start()
        release.start()

        with pytest.raises(KeyboardInterrupt):
            reader.select("SELECT * FROM runs")

        assert holder.in_transaction
        release.cancel()
        release.join()
        holder.close()
        assert reader.select("SELECT * FROM runs") == []


def test_processes_that_create_the_database_at_once_make_one(database: Path) -> None:
    """The migrations run in one of them, under the write lock."""
    finish([start("increment", database, f"run-{index}", 0) for index in range(4)])

    assert query(database, "SELECT count(*) FROM _sqlite_migrations") == [(SCHEMA_VERSION,)]
    assert query(database, "SELECT count(*) FROM runs") == [(4,)]


def test_a_killed_writer_loses_nothing_that_was_durable(database: Path) -> None:
    """SIGKILL at any moment: the database is sound, and holds all that a flush had promised, as whole rows."""
    chance = random.Random(7)
    for attempt in range(8):
        process = start("flood", database, f"run-{attempt}")
        assert process.stdout is not None
        promised = int(process.stdout.readline())
        time.sleep(chance.uniform(0, 0.12))
        kill(process)
        promised = max([promised, *map(int, process.stdout.read().split())])

        with open_writer(database) as writer:
            assert writer.mark_crashed_runs() == (f"run-{attempt}",)
        assert query(database, "PRAGMA integrity_check") == [("ok",)]
        assert query(database, "PRAGMA foreign_key_check") == []
        (count,) = query(database, f"SELECT count(*) FROM nodes WHERE run = 'run-{attempt}'")[0]
        assert isinstance(count, int)
        assert count > promised
        with Reader(database) as reader:
            keys = [make_execution(C=f"run-{attempt} {index}").cache_key for index in range(count)]
            found = Entries(reader).find_entries(keys)
        assert len(found) == count
        assert all(len(entry.outputs[0].artifact.files) == 1 for entry in found.values())


def test_a_reader_sees_through_what_a_killed_writer_left(database: Path) -> None:
    """A transaction cut off in the middle is rolled back by whoever opens the database next, a reader too."""
    process = start("flood", database, "run-1")
    assert process.stdout is not None
    process.stdout.readline()
    kill(process)

    with Reader(database) as reader:
        assert reader.select("SELECT status FROM runs") == [("running",)]


@pytest.mark.parametrize("newcomer", ["reader", "writer"])
def test_a_half_written_transaction_is_rolled_back_by_the_next_who_opens(newcomer: str, database: Path) -> None:
    """A process killed while its pages were in the file already leaves a journal; reader and writer both heal it."""
    with open_writer(database) as writer:
        writer.begin_run(make_run())
    spill = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('PRAGMA journal_mode = TRUNCATE'); c.execute('PRAGMA cache_size = 5')\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute('UPDATE run SET run = \\'torn\\'')\n"
        "c.executemany('INSERT INTO word (text) VALUES (?)', ((f'{i}' * 50,) for i in range(5000))); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", spill, str(database)], check=False)
    assert database.with_name("lineage.db-journal").stat().st_size > 0

    if newcomer == "writer":
        with open_writer(database) as writer:
            writer.begin_run(make_run("run-2"))
    with Reader(database) as reader:
        runs = {run for (run,) in reader.select("SELECT run FROM runs")}

    assert runs == ({"run-1"} if newcomer == "reader" else {"run-1", "run-2"})
    assert query(database, "PRAGMA integrity_check") == [("ok",)]


def test_a_run_whose_driver_died_becomes_crashed_and_a_living_one_does_not(database: Path) -> None:
    """The next command marks the dead driver's run, and leaves one that another process drives alone; who only reads is
    told the same.
    """
    dead, living = start("drive", database, "dead"), start("drive", database, "living")
    for process in (dead, living):
        assert process.stdout is not None
        assert process.stdout.readline() == "driving\n"
    kill(dead)
    with Reader(database) as reader:
        told = {run: run_summary(reader, run).status for run in ("dead", "living")}
    assert told == {"dead": RunStatus.CRASHED, "living": RunStatus.RUNNING}

    with open_writer(database) as writer:
        writer.begin_run(make_run("own"))
        writer.flush()
        assert writer.mark_crashed_runs() == ("dead",)
        assert writer.mark_crashed_runs() == ()
        finish_by_word(living)
        statuses = "SELECT run, status, seconds IS NULL FROM runs ORDER BY run"
        assert query(database, statuses) == [("dead", "crashed", 1), ("living", "succeeded", 0), ("own", "running", 1)]
        writer.finish_run("own", RunStatus.SUCCEEDED, 0, time.time())


def finish_by_word(process: object) -> None:
    out, error = process.communicate("end\n", timeout=60)  # type: ignore[attr-defined]
    assert process.returncode == 0, out + error  # type: ignore[attr-defined]


def test_a_driver_that_ends_without_finishing_its_run_left_it(database: Path) -> None:
    """A driver that closes its store in the middle of a run, as after an error, lets its lock go."""
    with open_writer(database) as writer:
        writer.begin_run(make_run("left", driver=identify_driver()))

    # This process lives, but it drives that run no more.
    with open_writer(database) as writer:
        assert writer.mark_crashed_runs() == ("left",)


def test_one_run_has_one_driver(database: Path, tmp_path: Path) -> None:
    """The lock of a run cannot be taken twice, and it is told by the lock alone whether the run is driven."""
    lock = DriverLock.acquire(tmp_path, "run-1")
    assert is_driven(tmp_path, "run-1", "")

    with pytest.raises(LineageError, match="driven by another"):
        DriverLock.acquire(tmp_path, "run-1")

    lock.release()
    lock.release()
    assert not is_driven(tmp_path, "run-1", "")
    DriverLock.acquire(tmp_path, "run-1").release()


def test_what_a_driver_forked_does_not_hold_its_run(tmp_path: Path) -> None:
    """A process that a step forked, as a pool of processes does, may outlive the driver: its run is driven no more."""
    lock = DriverLock.acquire(tmp_path, "run-1")
    reading, writing = os.pipe()
    child, result = start_forked(lambda: os.write(writing, b".") and signal.sigtimedwait([], 60))
    os.read(reading, 1)

    # As its death does, which leaves the file.
    lock.abandon()

    assert not is_driven(tmp_path, "run-1", identify_driver())
    DriverLock.acquire(tmp_path, "run-1").release()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for descriptor in (reading, writing, result):
        os.close(descriptor)


def test_a_lock_whose_file_cannot_be_removed_is_let_go_all_the_same(tmp_path: Path) -> None:
    """That the file stays is no error: nobody holds it."""
    lock = DriverLock.acquire(tmp_path, "run-1")
    file = next(tmp_path.rglob("*.lock"))
    file.rename(file.with_name("held"))
    file.mkdir()

    lock.release()

    file.rmdir()
    file.with_name("held").rename(file)
    assert not is_driven(tmp_path, "run-1", identify_driver())


def test_without_a_lock_file_the_process_itself_is_asked(tmp_path: Path) -> None:
    """A process id alone proves nothing: start time and boot must be the same."""
    mine = identify_driver()
    pid, start, rest = mine.split(":", 2)

    assert is_driven(tmp_path, "run-1", mine)
    assert not is_driven(tmp_path, "run-1", f"{pid}:{int(start) + 1}:{rest}")
    assert not is_driven(tmp_path, "run-1", f"{pid}:{start}:another-boot@host")
    assert not is_driven(tmp_path, "run-1", "")


@pytest.mark.parametrize("run", ["../evil", "", ".", "a/b", "a\0b", "x" * 200])
def test_a_runs_name_cannot_lead_out_of_the_store(run: str, tmp_path: Path) -> None:
    """Run ids become folder names, so only safe ones are taken."""
    with pytest.raises(StoreError):
        DriverLock.acquire(tmp_path / "runs", run)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interrupted_caller_leaves_the_writer_at_work(database: Path) -> None:
    """Wherever Ctrl-C meets who waits for an answer, others still get theirs: a thousand times in one process."""
    assert finish([start("interrupted", database, 1000)]) == ["1000\n"]
