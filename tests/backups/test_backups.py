"""A store in one file, and the store that is made of it."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flowkit.cli.main import run_command
from flowkit.errors import BackupError
from flowkit.housekeeping.backups.making import make_backup
from flowkit.housekeeping.backups.restoring import restore_backup
from flowkit.lineage.liveness import identify_driver
from flowkit.store.collection import collecting
from flowkit.store.folder import StoreFolder
from tests.backups.stored import files_of, names_in, rows_of
from tests.commands import Tell, spawn


@pytest.mark.parametrize("name", ["copy.tar", "copy.tar.gz"])
def test_a_restored_store_is_the_one_that_was_backed_up(project: Path, tell: Tell, name: str) -> None:
    """Every row, stored file and log is there again, in a store that verifies, compressed or not."""
    made = tell("backup", name, "--json").json()

    again = tell("backup", "--restore", name, "--store", "elsewhere/deep", "--json").json()

    assert (made["runs"], made["blobs"], made["logs"], made["missing"]) == (4, 2, 1, [])
    assert (again["runs"], again["blobs"], again["logs"], again["crashed"]) == (4, 2, 1, [])
    restored = project / "elsewhere" / "deep"
    assert rows_of(restored) == rows_of(project / ".flowkit")
    assert files_of(restored) == files_of(project / ".flowkit")
    assert tell("verify", "--store", str(restored), "--json").json()["sound"] is True
    assert tell("audit", "verify", "--store", str(restored)).code == 0
    assert sorted(os.listdir(project / "elsewhere")) == ["deep"]


def test_nothing_of_a_backup_is_for_others(project: Path, tell: Tell) -> None:
    """Whatever the umask: the backup and the database 0600, folders 0700, stored files 0400."""
    old = os.umask(0)
    try:
        tell("backup", "copy.tar")
        tell("backup", "--restore", "copy.tar", "--store", "again")
    finally:
        os.umask(old)

    assert stat.S_IMODE((project / "copy.tar").stat().st_mode) == 0o600
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (project / "again", *(project / "again").rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file() and "blobs" in path.parts} == {0o400}
    assert {mode for path, mode in modes.items() if path.is_file() and "blobs" not in path.parts} == {0o600}


def test_any_tool_can_unpack_a_backup(project: Path, backup: Path) -> None:
    """It is a plain tar archive of a store's own files and two lists."""
    with tarfile.open(backup) as archive:
        members = archive.getmembers()
        archive.extractall(project / "plain", filter="data")

    assert all(member.isreg() for member in members)
    assert [members[0].name, members[1].name, members[-1].name] == ["contents.json", "lineage.db", "digests.json"]
    assert files_of(project / "plain") == files_of(project / ".flowkit")


def test_nothing_that_is_there_is_overwritten(project: Path, backup: Path, tell: Tell) -> None:
    """A backup replaces no file but with --force; a restore goes into no folder that holds something."""
    before = backup.read_bytes()
    (project / "used").mkdir()
    (project / "used" / "mine.txt").write_text("mine")
    (project / "empty").mkdir()

    assert tell("backup", "good.tar").code == 2
    assert tell("backup", "empty").code == 2
    assert tell("backup", "--restore", "good.tar", "--store", "used").code == 2
    assert tell("backup", "--restore", "good.tar", "--store", "pyproject.toml").code == 2
    assert tell("backup", "--restore", "good.tar").code == 2
    assert tell("backup", "--restore", "--force", "good.tar", "--store", "new").code == 2

    assert backup.read_bytes() == before
    assert names_in(project / "used") == {"mine.txt"}
    assert tell("backup", "good.tar", "--force").code == 0
    assert tell("backup", "--restore", "good.tar", "--store", "empty").code == 0


def test_runs_that_had_not_ended_are_crashed_where_they_are_restored(project: Path, tell: Tell) -> None:
    """Also where the driver of the original lives on this very machine: it does not write here."""
    with closing(sqlite3.connect(project / ".flowkit" / "lineage.db")) as connection:
        connection.execute(
            "UPDATE run SET status = (SELECT id FROM word WHERE text = 'running'), ended = NULL, exit_code = NULL,"
            " driver = ? WHERE id = 4",
            (identify_driver(),),
        )
        connection.commit()
        ((run,),) = connection.execute("SELECT run FROM run WHERE id = 4").fetchall()
    tell("backup", "copy.tar")

    again = tell("backup", "--restore", "copy.tar", "--store", "again", "--json").json()

    assert again["crashed"] == [run]
    runs = tell("runs", "--store", "again", "--json").json()["runs"]
    assert runs[0]["run"] == run
    assert runs[0]["status"] == "crashed"
    assert tell("runs", "--json").json()["runs"][0]["status"] == "running"


def blob_of(project: Path, suffix: str) -> Path:
    (path,) = (project / ".flowkit" / "blobs").rglob(f"*{suffix}")
    path.chmod(0o600)
    return path


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


DAMAGES: list[Callable[[Path], None]] = [flip, Path.unlink, lambda path: path.write_bytes(b"")]


@pytest.mark.parametrize("damage", DAMAGES, ids=["flip", "delete", "empty"])
def test_a_damaged_store_is_not_backed_up_unnoticed(project: Path, tell: Tell, damage: Callable[[Path], None]) -> None:
    """A stored file that is gone or wrong forbids the backup by name; on request it is made without, and says so."""
    path = blob_of(project, ".npy")
    digest = path.parent.name + path.name.removesuffix(".npy")
    damage(path)

    refused = tell("backup", "copy.tar")
    assert refused.code == 4
    assert digest[:12] in refused.err
    assert "--allow-missing" in refused.err
    assert not list(project.glob("copy*"))
    made = tell("backup", "copy.tar", "--allow-missing", "--json").json()
    assert [missing["artifact"] for missing in made["missing"]] == [digest]
    again = tell("backup", "--restore", "copy.tar", "--store", "again", "--json").json()
    assert again["missing"] == [digest]
    found = tell("verify", "--store", "again", "--json").json()["findings"]
    assert [finding["subject"] for finding in found] == [f"{digest[:12]} (npy)"]


def test_a_database_that_is_damaged_or_gone_is_not_backed_up(project: Path, tell: Tell) -> None:
    """The backup is refused in the words of every other command."""
    database = project / ".flowkit" / "lineage.db"
    content = bytearray(database.read_bytes())
    content[8192:12288] = os.urandom(4096)
    database.write_bytes(content)
    assert tell("backup", "copy.tar").code == 4
    database.unlink()
    assert tell("backup", "copy.tar").code == 4
    assert not list(project.glob("copy*"))


def test_no_backup_is_made_while_garbage_is_collected(project: Path, tell: Tell) -> None:
    """A collector and a backup keep each other out."""
    with collecting(StoreFolder.open(project / ".flowkit")):
        answer = tell("backup", "copy.tar")
    assert answer.code == 4
    assert "collects" in answer.err
    assert not list(project.glob("copy*"))


@pytest.mark.parametrize("words", [["backup", "no/such/folder/copy.tar"], ["backup", "--restore", "none.tar"]])
def test_a_file_that_cannot_be_used_is_named(project: Path, tell: Tell, words: list[str]) -> None:
    """A folder or a file that is not there is told with its path, and nothing is made."""
    before = names_in(project)
    answer = tell(*words, *(["--store", "again"] if "--restore" in words else []))
    assert answer.code == 4
    assert words[-1].removesuffix("/copy.tar") in answer.err
    assert names_in(project) - {".flowkit/collection.lock"} == before


def test_a_folder_that_may_not_be_looked_into_is_told(project: Path) -> None:
    """Of a place that this user may not even look at, a backup and a restore say so in words."""
    folder = StoreFolder.open(project / ".flowkit")
    (project / "closed").mkdir(mode=0o000)
    user = os.geteuid()
    # Root is let in everywhere; back to root leads only the effective user.
    os.seteuid(user or 65534)
    try:
        with pytest.raises(BackupError, match="Permission denied"):
            make_backup(folder, project / "closed" / "copy.tar", "1", lambda done, total: None)
        with pytest.raises(BackupError, match="Permission denied"):
            restore_backup(project / "closed" / "copy.tar", project / "closed" / "again", lambda done, total: None)
    finally:
        os.seteuid(user)
    (project / "closed").chmod(0o700)


@pytest.mark.parametrize(
    "words",
    [["backup", "copy.tar"], ["backup", "copy.tar.gz"], ["backup", "--restore", "good.tar", "--store", "again"]],
)
def test_a_full_disk_leaves_nothing_behind(project: Path, backup: Path, words: list[str]) -> None:
    """Where a file cannot grow further the command says so with exit code 4, and no part of its work stays."""
    before = names_in(project)
    limit = 4096 if "copy.tar.gz" in words else 20_000
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        sys.stderr = Path("said.txt").open("w", buffering=1)  # noqa: SIM115  (until the process ends)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        os._exit(run_command(words))
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 4
    said = (project / "said.txt").read_text()
    assert "space" in said or "full" in said
    assert names_in(project) - {"said.txt"} == before


@pytest.mark.slow
def test_another_machine_reuses_everything(project: Path, backup: Path, tmp_path: Path) -> None:
    """In another project's folder, with files of other inodes and times, a run executes nothing and then knows all."""
    # What was packed may have been made with other packages than are installed here.
    assert spawn(project, "run", "pipelines/golden.py", "--inline", "-q").returncode == 0
    assert spawn(project, "backup", "good.tar", "--force").returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("pyproject.toml", "notes.txt", "numbers.csv", "pipelines/golden.py"):
        (elsewhere / name).parent.mkdir(exist_ok=True)
        (elsewhere / name).write_bytes((project / name).read_bytes())
    (elsewhere / "good.tar").write_bytes(backup.read_bytes())
    project.rename(tmp_path / "gone")

    restored = spawn(elsewhere, "backup", "--restore", "good.tar")
    run = spawn(elsewhere, "run", "pipelines/golden.py", "--inline", "-q")
    verified = spawn(elsewhere, "verify")

    assert (restored.returncode, run.returncode, verified.returncode) == (0, 0, 0), restored.stderr + run.stderr
    assert ": 10 reused" in run.stdout
    assert "it is that already" in run.stdout
    assert "the store is whole" in verified.stdout
