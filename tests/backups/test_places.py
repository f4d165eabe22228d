"""Where a backup may be written, and what a backup or a restore does with a place that is not what it should be."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path

import pytest

from flowkit.errors import BackupUseError
from flowkit.housekeeping.backups.contents import Member, digests_size, write_digests
from flowkit.housekeeping.backups.making import make_backup
from flowkit.housekeeping.backups.restoring import restore_backup
from flowkit.store.folder import StoreFolder
from tests.backups.archives import Archive, restate
from tests.backups.stored import files_of, names_in, rows_of
from tests.commands import Tell


def through_link(project: Path, name: str) -> str:
    (project / "linked").symlink_to(project / ".flowkit")
    return f"linked/{name}"


def in_moved_blobs(project: Path) -> str:
    """Have the stored files lie on another disk, as far as the store can tell, and name one of them there."""
    (project / ".flowkit" / "blobs").rename(project / "large")
    (project / ".flowkit" / "blobs").symlink_to(project / "large")
    return str(blob_in(project / "large"))


def in_moved_shard(project: Path) -> str:
    """Have one folder of stored files lie on another disk, and name one of them there."""
    shard = blob_in(project / ".flowkit" / "blobs").parent
    shard.rename(project / "shard")
    shard.symlink_to(project / "shard")
    return str(blob_in(project / "shard"))


def in_moved_logs(project: Path) -> str:
    """Have the folder of a run lie elsewhere, and name a log there."""
    logs = next(path for path in sorted((project / ".flowkit" / "runs").iterdir()) if any(path.iterdir()))
    logs.rename(project / "logs")
    logs.symlink_to(project / "logs")
    return str(blob_in(project / "logs"))


def moved_database(project: Path) -> str:
    (project / ".flowkit" / "lineage.db").rename(project / "lineage.db")
    (project / ".flowkit" / "lineage.db").symlink_to(project / "lineage.db")
    return "lineage.db"


def blob_in(folder: Path) -> Path:
    return next(path for path in sorted(folder.rglob("*")) if path.is_file())


OWN = {
    "the database": lambda project: ".flowkit/lineage.db",
    "a stored file": lambda project: str(blob_in(project / ".flowkit" / "blobs")),
    "a new name": lambda project: ".flowkit/copy.tar",
    "a new name in a folder": lambda project: ".flowkit/runs/copy.tar",
    "a name with ..": lambda project: "pipelines/../.flowkit/tmp/copy.tar",
    "through a linked folder": lambda project: through_link(project, "lineage.db"),
    "in a folder that is linked to": in_moved_blobs,
    "in a folder of few files that is linked to": in_moved_shard,
    "in a run's folder that is linked to": in_moved_logs,
    "a database that is linked to": moved_database,
}


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=() if "database" in place else pytest.mark.slow) for place in OWN]
)
def test_a_backup_is_never_written_into_its_own_store(project: Path, tell: Tell, place: str) -> None:
    """By whatever name a place in the store is called, also with --force: exit code 2, and the store is as before."""
    name = OWN[place](project)
    rows, files = rows_of(project / ".flowkit"), files_of(project / ".flowkit")

    answers = [tell("backup", name), tell("backup", name, "--force")]

    assert [answer.code for answer in answers] == [2, 2], answers[1].err
    assert "store that is backed up" in answers[1].err
    assert (rows_of(project / ".flowkit"), files_of(project / ".flowkit")) == (rows, files)


def test_force_replaces_plain_files_only(project: Path, tell: Tell) -> None:
    """A link, a pipe or a folder is nothing that a backup could have been; it stays."""
    (project / "target").write_text("mine")
    (project / "link.tar").symlink_to("target")
    os.mkfifo(project / "pipe.tar")
    (project / "folder.tar").mkdir()

    for name in ("link.tar", "pipe.tar", "folder.tar"):
        answer = tell("backup", name, "--force")
        assert answer.code == 2
        assert name in answer.err

    assert (project / "link.tar").is_symlink()
    assert stat.S_ISFIFO((project / "pipe.tar").stat().st_mode)
    assert (project / "target").read_text() == "mine"


def test_no_file_beside_a_backup_is_touched(project: Path, tell: Tell) -> None:
    """What somebody has under a name like that of a backup on its way stays as it is, also where it is a link."""
    database = (project / ".flowkit" / "lineage.db").read_bytes()
    (project / "copy.tar.part").write_text("mine")
    os.link(project / ".flowkit" / "lineage.db", project / "more.tar.part")

    assert tell("backup", "copy.tar").code == 0
    assert tell("backup", "more.tar").code == 0

    assert (project / "copy.tar.part").read_text() == "mine"
    assert (project / "more.tar.part").read_bytes() == database
    assert (project / ".flowkit" / "lineage.db").read_bytes() == database
    assert tell("verify").code == 0


def test_a_file_that_takes_the_place_meanwhile_is_not_replaced(project: Path) -> None:
    """What somebody puts there while the backup is made stays, unless it was to be replaced."""
    folder = StoreFolder.open(project / ".flowkit")

    def take(done: int, total: int) -> None:
        (project / "copy.tar").write_text("mine")

    with pytest.raises(BackupUseError, match="exists already"):
        make_backup(folder, project / "copy.tar", "1", take)

    assert (project / "copy.tar").read_text() == "mine"
    assert [path.name for path in project.glob("copy.tar*")] == ["copy.tar"]


def test_what_a_killed_backup_left_goes_with_the_next_to_that_place(project: Path, tell: Tell) -> None:
    """Only a plain file with the very name that one on its way has, and which nobody writes."""
    left, longer, linked = (
        project / f"copy.tar.{digit * 16}{end}" for digit, end in (("a", ".part"), ("b", ".part2"), ("c", ".part"))
    )
    for path in (left, longer, project / "other.tar.aaaaaaaaaaaaaaaa.part"):
        path.write_text("partly")
    linked.symlink_to("numbers.csv")

    assert tell("backup", "copy.tar").code == 0

    assert {path.name for path in project.glob("*.tar*")} == {
        "copy.tar",
        longer.name,
        linked.name,
        "other.tar.aaaaaaaaaaaaaaaa.part",
    }


@pytest.mark.parametrize("most", [500, 10_000])
def test_what_could_not_be_restored_is_not_written(
    project: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Lists that a restore would refuse as too large are refused when the backup is made, by the same limit."""
    monkeypatch.setattr("flowkit.housekeeping.backups.archive.MOST_LISTED", most)

    answer = tell("backup", "copy.tar")

    assert answer.code == (4 if most == 500 else 0)
    assert ("4 files" in answer.err and "gc" in answer.err) == (most == 500)
    assert bool(list(project.glob("copy.tar*"))) == (most != 500)
    assert most == 500 or tell("backup", "--restore", "copy.tar", "--store", "again").code == 0


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_the_list_of_digests_is_as_long_as_foretold(count: int) -> None:
    """Its length follows from the names alone, whatever the digests."""
    names = [f"runs/run-{number}/step[{number}]#~x.1.log" for number in range(count)]
    written = write_digests("0" * 64, dict.fromkeys(names, "f" * 64))
    assert len(written) <= digests_size(Member(name, number) for number, name in enumerate(names)) <= len(written) + 200


def test_a_backup_that_takes_days_keeps_its_copy_of_the_database(project: Path, tell: Tell) -> None:
    """What has been in tmp for more than a day goes when a run begins, but not what a living backup reads from."""
    folder = StoreFolder.open(project / ".flowkit")

    def a_day_later(done: int, total: int) -> None:
        for path in (folder.temporary, *folder.temporary.rglob("*")):
            os.utime(path, (time.time() - 90_000,) * 2)
        StoreFolder.create_or_open(folder.path)
        if done < total:
            assert list(folder.temporary.rglob("*.db"))

    make_backup(folder, project / "copy.tar", "1", a_day_later)

    assert names_in(folder.temporary) == set()
    assert tell("backup", "--restore", "copy.tar", "--store", "again").code == 0


@pytest.mark.parametrize("empty", [False, True], ids=["gone", "empty"])
def test_a_store_that_lost_its_database_is_told_so(project: Path, tell: Tell, empty: bool) -> None:
    """Nobody is told to run a pipeline first, which would begin a history of its own over what is there."""
    (project / ".flowkit" / "lineage.db").unlink()
    if empty:
        (project / ".flowkit" / "lineage.db").touch()

    answer = tell("backup", "copy.tar")

    assert answer.code == 4
    assert "but the store has content" in answer.err


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_database_that_is_no_file_is_told_so(project: Path, tell: Tell, kind: str) -> None:
    """No error of the disk is made up, and nothing waits for what never comes."""
    database = project / ".flowkit" / "lineage.db"
    database.unlink()
    database.mkdir() if kind == "folder" else os.mkfifo(database)

    for command in (["backup", "copy.tar"], ["runs"], ["gc"]):
        answer = tell(*command)
        assert answer.code == 4
        assert "is no file" in answer.err


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_only_a_file_is_restored(project: Path, tell: Tell, kind: str) -> None:
    """A pipe that nobody writes to is not waited for, and a device is not read."""
    if kind == "folder":
        (project / "strange").mkdir()
    elif kind == "pipe":
        os.mkfifo(project / "strange")
    else:
        (project / "strange").symlink_to("/dev/zero")

    answer = tell("backup", "--restore", "strange", "--store", "again")

    assert answer.code == 4
    assert "not a plain file" in answer.err
    assert not (project / "again").exists()


STRANGE: dict[str, list[object]] = {
    "schema": [float("inf"), float("nan"), 1e999, 2.5, True, "9", None, -1, 10**400, [9]],
    "created": [None, 5, ["now"], {}],
    "host": [None, 5],
    "store": [None, True],
    "missing": ["abc", [5], ["abc"], [None], {"a": 1}, ["f" * 64]],
    "members": [[{"name": "lineage.db", "bytes": size}] for size in (1e999, 10**400, 2**63, True, "1", None)],
    "format": [1e999, True, 1.0, -1, 10**400],
    "flowkit": ["\ud800", None, "x" * 5000],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGE)
def test_lists_of_contents_that_say_nonsense_are_refused(project: Path, backup: Path, tell: Tell, name: str) -> None:
    """Numbers that are none, numbers without an end, texts that are none, artifacts that are not: exit code 4."""
    for value in STRANGE[name]:
        archive = Archive.read(backup)
        restate(**{name: value} | ({"format": 2} if name == "flowkit" else {}))(archive)
        archive.write(project / "strange.tar")

        answer = tell("backup", "--restore", "strange.tar", "--store", "again")

        assert answer.code == 4, (value, answer.err)
        assert "bug" not in answer.err
        assert len(answer.err) < 2000
        assert not (project / "again").exists()


def test_what_a_backup_says_of_itself_is_under_a_digest(project: Path, backup: Path, tell: Tell) -> None:
    """A host, a time or a list of what is missing that changed on the way is noticed; older backups have no digest."""
    archive = Archive.read(backup)
    position = archive.index("contents.json")
    member, content = archive.members[position]
    host = os.uname().nodename.encode()
    archive.members[position] = (member, content.replace(host, bytes([host[0] ^ 1]) + host[1:]))
    archive.write(project / "changed.tar")
    older = Archive.read(backup)
    older.edit("digests.json", lambda content: content.pop("contents"))
    older.write(project / "older.tar")

    answer = tell("backup", "--restore", "changed.tar", "--store", "again")

    assert answer.code == 4
    assert "'contents.json' in it is damaged" in answer.err
    assert tell("backup", "--restore", "older.tar", "--store", "older").code == 0


def test_a_restore_stays_within_a_folder_that_is_there(
    project: Path, backup: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder may be a mount point: it stays itself, and neither room nor permission beside it is asked for."""
    (project / "again").mkdir(mode=0o777)
    (project / "again").chmod(0o777)
    before, inode = names_in(project), (project / "again").stat().st_ino
    asked: list[str] = []
    usage = shutil.disk_usage

    def full(path: Path) -> object:
        asked.append(str(path))
        return usage(path)._replace(free=0)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", full)
        assert tell("backup", "--restore", "good.tar", "--store", "again").code == 4
    assert names_in(project) == before
    assert asked[0].startswith(str(project / "again" / ""))

    assert tell("backup", "--restore", "good.tar", "--store", "again").code == 0
    assert (project / "again").stat().st_ino == inode
    assert stat.S_IMODE((project / "again").stat().st_mode) == 0o700
    assert rows_of(project / "again") == rows_of(project / ".flowkit")
    assert files_of(project / "again") == files_of(project / ".flowkit")
    assert not [name for name in names_in(project) if "restoring" in name]
    assert tell("verify", "--store", "again", "--json").json()["findings"] == []


def test_the_root_of_a_disk_is_restored_into(project: Path, backup: Path, tell: Tell) -> None:
    """Such a folder holds what its file system keeps for itself, which stays as it is, readable or not."""
    kept = project / "again" / "lost+found"
    kept.mkdir(parents=True)
    (kept / "#12").write_text("found")

    assert tell("backup", "--restore", "good.tar", "--store", "again").code == 0

    assert (kept / "#12").read_text() == "found"
    assert files_of(project / "again") == files_of(project / ".flowkit")
    kept.chmod(0o000)
    for command in ("verify", "gc", "runs", "doctor"):
        assert tell(command, "--store", "again").code == 0, command
    assert tell("run", "pipelines/golden.py", "--inline", "-q", "--store", "again").code == 0
    assert tell("backup", "more.tar", "--store", "again").code == 0
    kept.chmod(0o700)


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_only_has_the_name_of_a_disks_own_folder_is_not_passed_over(
    project: Path, backup: Path, tell: Tell, kind: str
) -> None:
    """A file or a link of that name is somebody's."""
    (project / "again").mkdir()
    place = project / "again" / "lost+found"
    place.write_text("mine") if kind == "file" else place.symlink_to(project)

    answer = tell("backup", "--restore", "good.tar", "--store", "again")

    assert answer.code == 2
    assert "lost+found" in answer.err
    assert names_in(project / "again") == {"lost+found"}


def test_a_folder_that_is_taken_while_a_restore_goes_on_is_left_alone(project: Path, backup: Path) -> None:
    """What somebody puts into the folder meanwhile is not overwritten: the restore is refused at its end."""
    (project / "again").mkdir()

    def take(done: int, total: int) -> None:
        (project / "again" / "lineage.db").write_text("mine")

    with pytest.raises(BackupUseError, match="holds something"):
        restore_backup(backup, project / "again", take)

    assert names_in(project / "again") == {"lineage.db"}
    assert (project / "again" / "lineage.db").read_text() == "mine"
