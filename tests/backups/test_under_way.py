"""Backups while others write, and backups and restores that are killed at any point."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import flowkit as fk
from flowkit.cli.main import run_command
from flowkit.errors import BackupError
from flowkit.housekeeping.backups.making import make_backup
from flowkit.housekeeping.backups.restoring import restore_backup
from flowkit.store.folder import StoreFolder
from tests.backups.stored import files_of, names_in, rows_of
from tests.commands import Tell

WRITERS = 4


@fk.step
def table(writer: int, turn: int) -> pd.DataFrame:
    return pd.DataFrame({"writer": [writer] * 2000, "turn": turn, "row": range(2000)})


@fk.step
def count(rows: pd.DataFrame, turn: int) -> int:
    return len(rows) + turn


@fk.pipeline
def writing(writer: int = 0, turn: int = 0) -> None:
    count(table(writer, turn), turn)


@pytest.mark.slow
def test_backups_while_four_processes_write_are_each_of_one_moment(tmp_path: Path, tell: Tell) -> None:
    """A backup waits for no run to end and keeps none from ending; each one restores to a store that is whole."""
    store, stop = tmp_path / "store", tmp_path / "stop"
    with fk.Session(store=store, inline=True) as session:
        session.run(writing, writer=99)
    children = [_start_writing(writer, store, stop) for writer in range(WRITERS)]
    counts: list[tuple[int, int]] = []
    began = time.monotonic()
    try:
        for number in range(8):
            file = tmp_path / f"{number}.tar"
            make_backup(StoreFolder.open(store), file, "1", lambda done, total: None)
            counts.append(_check_restored(tell, file, tmp_path / f"restored-{number}"))
    finally:
        stop.touch()
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    assert codes == [0] * WRITERS
    assert counts == sorted(counts)
    assert counts[-1] > counts[0], "nobody wrote meanwhile"
    assert time.monotonic() - began < 60
    assert _check(tell, store)[0] >= counts[-1][0]


def _start_writing(writer: int, store: Path, stop: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        turn = 0
        with fk.Session(store=store, inline=True) as session:
            while not stop.exists():
                assert session.run(writing, writer=writer, turn=turn).status == "succeeded"
                turn += 1
        code = 0
    finally:
        os._exit(code)


def _check_restored(tell: Tell, file: Path, store: Path) -> tuple[int, int]:
    restore_backup(file, store, lambda done, total: None)
    return _check(tell, store)


def _check(tell: Tell, store: Path) -> tuple[int, int]:
    """Return how many runs and artifacts a store has, which must be whole."""
    report = tell("verify", "--store", str(store), "--json").json()
    assert report["findings"] == []
    return len(tell("runs", "--store", str(store), "-n", "1000", "--json").json()["runs"]), report["artifacts"]


@pytest.mark.slow
def test_a_copy_of_the_database_is_taken_although_somebody_always_commits(project: Path, tell: Tell) -> None:
    """A writer that commits without a pause neither starves the backup nor has it begin anew."""
    database = project / ".flowkit" / "lineage.db"
    child = os.fork()
    if child == 0:
        with closing(sqlite3.connect(database, isolation_level=None, timeout=10)) as connection:
            for number in range(10**9):
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT INTO word (text) VALUES (?)", [(f"word {number} {some}",) for some in range(20)]
                )
                connection.execute("COMMIT")
    try:
        answers = [tell("backup", f"{number}.tar", "--json") for number in range(2)]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert [answer.code for answer in answers] == [0] * 2, answers[0].err
    again = tell("backup", "--restore", "1.tar", "--store", "again")
    assert again.code == 0


TOUCHING = frozenset(
    {"open", "os.rename", "os.mkdir", "os.chmod", "os.remove", "os.truncate", "os.listdir", "fcntl.flock"}
    | {"sqlite3.connect", "os.rmdir", "shutil.rmtree", "os.scandir"}
)


def in_killed_process(words: list[str], event: int, watched: frozenset[str] = TOUCHING) -> bool:
    """Run a command that kills itself at its `event`-th call that touches files; say whether it came so far."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(name: str, arguments: object) -> None:
            nonlocal seen
            if name not in watched:
                return
            seen += 1
            if seen >= event:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  (until the process ends)
        sys.addaudithook(count)
        os._exit(run_command(words))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


@pytest.mark.slow
def test_a_killed_backup_leaves_nothing_that_looks_whole(project: Path, tell: Tell) -> None:
    """Killed at any point there is no backup, or one that restores; the next attempt clears up and succeeds."""
    tell("backup", "warm.tar")
    rows, files = rows_of(project / ".flowkit"), files_of(project / ".flowkit")
    event = 1
    while in_killed_process(["backup", "copy.tar", "--force"], event):
        if (project / "copy.tar").exists():
            restore_backup(project / "copy.tar", project / "again", lambda done, total: None)
            assert (rows_of(project / "again"), files_of(project / "again")) == (rows, files)
            shutil.rmtree(project / "again")
        event += 2
    assert event > 20
    assert (rows_of(project / ".flowkit"), files_of(project / ".flowkit")) == (rows, files)
    assert {path.name for path in project.glob("*.tar*")} == {"copy.tar", "warm.tar"}


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_restore_leaves_no_store_or_all_of_it(project: Path, backup: Path, tell: Tell) -> None:
    """Killed at any point the folder is not there, or is the whole store; the next attempt clears up and succeeds."""
    rows, files = rows_of(project / ".flowkit"), files_of(project / ".flowkit")
    words = ["backup", "--restore", "good.tar", "--store", "again"]
    event, whole = 1, 0
    while in_killed_process(words, event):
        if (project / "again").exists():
            whole += 1
            assert (rows_of(project / "again"), files_of(project / "again")) == (rows, files)
            shutil.rmtree(project / "again")
        event += 2
    assert event > 20
    assert (rows_of(project / "again"), files_of(project / "again")) == (rows, files)
    assert not [name for name in names_in(project) if "restoring" in name]


@pytest.mark.slow
def test_a_restore_into_an_empty_folder_that_is_killed_leaves_no_store_or_all_of_it(
    project: Path, backup: Path, tell: Tell
) -> None:
    """It may be a mount point, which nothing can be renamed to: what is half there is a store to no command."""
    rows, files = rows_of(project / ".flowkit"), files_of(project / ".flowkit")
    words = ["backup", "--restore", "good.tar", "--store", "again"]
    event, partly, whole = 1, 0, 0
    (project / "again").mkdir()
    while in_killed_process(words, event):
        if (project / "again" / "blobs").exists():
            whole += 1
            assert (rows_of(project / "again"), files_of(project / "again")) == (rows, files)
            shutil.rmtree(project / "again")
            (project / "again").mkdir()
        elif (project / "again" / "lineage.db").exists():
            partly += 1
            assert tell("runs", "--store", "again").code == 4
            assert tell("run", "pipelines/golden.py", "--inline", "--store", "again").code == 4
        event += 2
    assert event > 20
    assert whole > 0
    assert partly > 0
    assert (rows_of(project / "again"), files_of(project / "again")) == (rows, files)
    assert tell("verify", "--store", "again").code == 0
    assert not [name for name in names_in(project) if "restoring" in name]


@pytest.mark.slow
def test_a_restore_that_is_killed_at_a_rename_leaves_nothing_to_mend(project: Path, backup: Path, tell: Tell) -> None:
    """Within a folder that is there the last rename makes it a store with all that belongs to one."""
    words = ["backup", "--restore", "good.tar", "--store", "again"]
    (project / "again").mkdir()
    number, stores = 1, 0
    while in_killed_process(words, number, frozenset({"os.rename", "os.rmdir"})):
        names = names_in(project / "again")
        if "blobs" in names:
            stores += 1
            assert ".gitignore" in names
            assert not any(name.startswith(".restoring/") for name in names)
            assert tell("verify", "--store", "again").code == 0
            assert tell("run", "pipelines/golden.py", "--inline", "-q", "--store", "again").code == 0
            assert ".restoring" not in names_in(project / "again")
            shutil.rmtree(project / "again")
            (project / "again").mkdir()
        else:
            assert tell("runs", "--store", "again").code == 4
            assert tell("run", "pipelines/golden.py", "--inline", "--store", "again").code == 4
        number += 1
    assert number > 6
    assert stores == 1
    assert tell("verify", "--store", "again").code == 0


def test_two_that_write_one_file_keep_apart(project: Path, backup: Path) -> None:
    """A second backup to the same place, and a second restore, are refused while the first goes on."""
    folder = StoreFolder.open(project / ".flowkit")
    refused: list[str] = []

    def at_once(done: int, total: int) -> None:
        with pytest.raises(BackupError, match="just now"):
            make_backup(folder, project / "both.tar", "1", lambda done, total: None)
        refused.append("backup")

    make_backup(folder, project / "both.tar", "1", at_once)

    def again_at_once(done: int, total: int) -> None:
        with pytest.raises(BackupError, match="just now"):
            restore_backup(backup, project / "again", lambda done, total: None)
        refused.append("restore")

    restore_backup(project / "both.tar", project / "again", again_at_once)
    assert set(refused) == {"backup", "restore"}


@pytest.mark.parametrize("what", ["gone", "another"])
def test_a_file_that_another_process_changes_is_not_copied_unproven(project: Path, what: str) -> None:
    """What was hashed and is found damaged, or is replaced, before it is copied ends the backup, which is not kept."""
    folder = StoreFolder.open(project / ".flowkit")

    def change(done: int, total: int) -> None:
        path = next(path for path in folder.blobs.rglob("*") if path.is_file())
        path.unlink() if what == "gone" else os.utime(path)

    with pytest.raises(BackupError, match="changed while it was copied"):
        make_backup(folder, project / "copy.tar", "1", change)
    assert list(project.glob("copy.tar*")) == []
