"""Stores that are damaged, forbidden, full, locked or newer: what a person reads, the exit code, and what is left.

Every command runs in a forked child. Those of rows about permissions run as a user whom permissions bind; read-only and
full disks are real mounts that only the child sees.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shlex
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowkit.cli.main import run_command
from flowkit.errors import LineageError
from flowkit.lineage.journal import choose_journal_mode, find_in_mounts
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from tests.commands import Answer
from tests.faults.mounts import mount_read_only, mount_small_disk
from tests.store.processes import NOBODY, finish, in_child, start, without_privileges

pytestmark = pytest.mark.slow

SOURCE = """
import flowkit as fk


@fk.step
def load(count: int) -> bytes:
    return bytes(range(256)) * count


@fk.step
def fit(rows: bytes) -> dict[str, list[int]]:
    return {"weights": list(rows[:4000])}


@fk.step
def score(model: dict[str, list[int]]) -> fk.Metrics:
    return fk.Metrics(accuracy=len(model["weights"]) / 5000)


@fk.pipeline
def shop(count: int = 80) -> None:
    model = fit(load(count))
    fk.promote(model, to="shop@champion", metrics=score(model), gates=[fk.at_least("accuracy", 0.5)])


@fk.pipeline
def use() -> None:
    score(fk.champion("shop", dict[str, list[int]]))
"""

RUN = ("run", "shop:shop", "--inline")
USE = ("run", "shop:use", "--inline")
FORCED = (*RUN, "--force", "score")
PLAN = ("plan", "shop:shop")
COMMANDS: tuple[tuple[str, ...], ...] = (
    RUN,
    PLAN,
    ("rerun", "--inline"),
    ("why", "shop:shop", "fit"),
    ("accept", "shop:shop", "fit"),
    ("runs",),
    ("logs", "last", "fit"),
    ("diff", "last", "last"),
    ("lineage", "shop@champion"),
    ("artifact", "list"),
    ("models", "list"),
    ("models", "rollback", "shop@champion"),
    ("audit", "list"),
    ("audit", "verify"),
    ("verify",),
    ("verify", "--dry-run"),
    ("verify", "--rerun"),
)

Harm = Callable[[Path], None]


def call(*arguments: str) -> Answer:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command(list(arguments))
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion: the content of `load` and of the model are files."""
    root = tmp_path_factory.mktemp("store") / "shop"
    (root / "pipelines").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (root / "pipelines/shop.py").write_text(SOURCE)

    before = Path.cwd()
    os.chdir(root)
    assert call(*RUN).code == 0
    # What these import is in the children then, also in those whose user may not read this interpreter's own files.
    for command in (*COMMANDS[1:], USE, ("artifact", "export", "0000", "out.bin")):
        call(*command)
    os.chdir(before)
    return root


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="flowkit-bad-store-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def project(recorded: Path, no_pipelines: None, open_place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the project, in it the current folder, that another user may be given."""
    root = open_place / "shop"
    shutil.copytree(recorded, root)
    assert in_child(lambda: (os.chdir(root), call(*RUN))[1]).code == 0  # stamps of the copy are recorded
    monkeypatch.chdir(root)
    yield root
    for path in (root / ".flowkit", *(root / ".flowkit").rglob("*")):
        if path.is_dir():
            path.chmod(0o700)


@pytest.fixture
def store(project: Path) -> Path:
    """Its store."""
    return project / ".flowkit"


def blob(store: Path, suffix: str) -> Path:
    (path,) = store.glob(f"blobs/*/*{suffix}")
    return path


def contents(store: Path) -> dict[str, str]:
    """A digest of every file's bytes, but of what is found out about sources, which may go at any time."""
    return {
        str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in store.rglob("*")
        if path.is_file() and "cache" not in path.relative_to(store).parts
    }


def outcomes(answer: Answer) -> list[str]:
    words = [line.split() for line in answer.out.splitlines()]
    return [line[1] for line in words if line[:1] in (["load"], ["fit"], ["score"]) and line[1] != "accuracy"]


# -- content ---------------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(0o400)


def cut(path: Path) -> None:
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size - 1)
    path.chmod(0o400)


@pytest.mark.parametrize("harm", [flip, cut, Path.unlink], ids=["bit rot", "truncated", "deleted"])
def test_a_damaged_blob_is_told_to_who_reads_and_healed_by_the_next_run(store: Path, harm: Harm) -> None:
    """Who exports it reads which artifact is lost and what to do; a run says 'lost', makes it again, and reuses it."""
    path = blob(store, ".bin")
    digest = path.parent.name + path.stem
    harm(path)

    told = in_child(lambda: call("artifact", "export", digest, str(store.parent / "out.bin")))
    command = told.err.partition("Hint: make it again with `flowkit ")[2].partition("`")[0]
    healed = in_child(lambda: call(*shlex.split(command), "--inline"))
    again = in_child(lambda: call(*RUN))

    assert told.code == 4
    assert f"The artifact {digest[:12]} is lost: " in told.err
    assert "--select load" in command
    assert "`flowkit verify` restores what can be put together" in told.err
    assert healed.code == 0
    assert "load  executed" in healed.out
    assert "(lost: " in healed.out
    assert again.code == 0
    assert outcomes(again) == ["reused"] * 3
    assert in_child(lambda: call("verify")).code == 0


def test_a_run_that_finds_damage_says_what_and_where_it_is_kept(store: Path) -> None:
    """It warns also with --quiet and in --json: when it looks a result up, and when a step reads what seemed sound."""
    looked_up = blob(store, ".bin")
    read = blob(store, ".json")
    flip(looked_up)
    flip(read)
    status = read.stat()
    execute(
        store / "lineage.db",
        f"UPDATE blob_file SET mtime_ns = {status.st_mtime_ns}, ctime_ns = {status.st_ctime_ns}"
        f" WHERE digest = X'{read.parent.name}{read.stem}'",
    )

    forced = in_child(lambda: call(*FORCED, "-q"))
    (kept_read, kept_looked_up) = sorted((store / "quarantine").iterdir(), key=lambda path: ".bin" in path.name)
    flip(blob(store, ".bin"))
    told = in_child(lambda: call(*RUN, "--json")).json()["warnings"]

    assert forced.code == 0
    for what, path, kept in (
        ("What 'load' gave", looked_up, kept_looked_up),
        ("An artifact that 'score' needs", read, kept_read),
    ):
        said = f"Warning: {what} is gone or damaged ({path.relative_to(store)}); it is made again; "
        assert f"{said}the damaged file is kept as quarantine/{kept.name}." in forced.err
    assert len(told) == 1
    assert "What 'load' gave is gone or damaged" in told[0]


@pytest.mark.parametrize("harm", [flip, Path.unlink], ids=["bit rot", "deleted"])
def test_a_champion_without_its_content_is_a_hard_error(store: Path, harm: Harm) -> None:
    """The version, the alias and the ways out are named; nothing else is taken instead; a rerun brings it back."""
    harm(blob(store, ".json"))

    used = in_child(lambda: call(*USE))
    planned = in_child(lambda: call("plan", "shop:use"))
    verified = in_child(lambda: call("verify"))
    command = verified.out.partition("can be repaired by: `flowkit ")[2].partition("`")[0]
    rerun = in_child(lambda: call(*shlex.split(command), "--inline"))

    assert used.code == 1
    assert "The content of model shop:1, the champion, is gone from the store, or damaged." in used.err
    for remedy in ("`flowkit verify`", "`flowkit backup --restore FILE`", "`flowkit models promote`"):
        assert remedy in used.err
    assert planned.code == 4
    assert verified.code == 4
    assert "the content of model shop:1 (champion) is lost" in verified.out
    assert "where 'fit' gives the same bytes again; else restore the store from a backup" in verified.out
    assert rerun.code == 0, rerun.err
    assert in_child(lambda: call(*USE)).code == 0
    assert in_child(lambda: call("verify")).code == 0


def test_a_champion_that_rotted_unseen_is_a_hard_error_of_who_reads_it(store: Path) -> None:
    """Where the record believes the file, the step that reads it finds out, and nothing else is taken instead."""
    path = blob(store, ".json")
    flip(path)
    status = path.stat()
    execute(
        store / "lineage.db", f"UPDATE blob_file SET mtime_ns = {status.st_mtime_ns}, ctime_ns = {status.st_ctime_ns}"
    )

    trusting = in_child(lambda: call(*USE))
    reading = in_child(lambda: call(*USE, "--force", "score"))

    assert trusting.code == 0
    assert reading.code == 1
    assert "The content of model shop:1, the champion, is gone from the store, or damaged." in reading.err
    assert len(list((store / "quarantine").iterdir())) == 1


# -- permissions -----------------------------------------------------------------------------------------------------


def all_read_only(store: Path) -> None:
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def blobs_unreadable(store: Path) -> None:
    for path in store.glob("blobs/*/*"):
        path.chmod(0)


def database_unreadable(store: Path) -> None:
    (store / "lineage.db").chmod(0)


def database_read_only(store: Path) -> None:
    (store / "lineage.db").chmod(0o400)


def store_closed(store: Path) -> None:
    store.chmod(0)


NOT_WRITABLE = "The store cannot be written to: permission denied."
UNREADABLE = "The store cannot read a blob: permission denied."
LET = "let this user read and write that folder, or choose another one with --store."

PERMISSIONS: list[tuple[Harm, tuple[str, ...], int, str, str]] = [
    (all_read_only, RUN, 4, NOT_WRITABLE, LET),
    (all_read_only, ("models", "rollback", "shop@champion"), 4, "cannot be written.", "check the permissions"),
    (all_read_only, ("runs",), 0, "", ""),
    (all_read_only, ("models", "list"), 0, "", ""),
    (blobs_unreadable, FORCED, 4, UNREADABLE, LET),
    (database_unreadable, RUN, 4, "lineage.db' cannot be opened.", "this user may read and write there"),
    (database_unreadable, ("runs",), 4, "lineage.db' cannot be opened.", "this user may read and write there"),
    (database_read_only, RUN, 4, "lineage.db' cannot be written.", "check the permissions of the file"),
    (store_closed, RUN, 4, NOT_WRITABLE, LET),
    (store_closed, ("runs",), 4, "The store cannot be opened: permission denied.", LET),
]


@pytest.mark.parametrize(
    ("harm", "command", "code", "message", "remedy"),
    PERMISSIONS,
    ids=[f"{case[0].__name__}: {' '.join(case[1])}" for case in PERMISSIONS],
)
def test_a_store_that_permissions_forbid(
    store: Path, harm: Harm, command: Sequence[str], code: int, message: str, remedy: str
) -> None:
    """What may not be done is told with the path; no byte of a result changes, and all is well once it may be."""
    give_to_nobody(store.parent)
    before = {name: digest for name, digest in contents(store).items() if name.startswith("blobs")}
    modes = {path: path.stat().st_mode for path in (store, *store.rglob("*"))}
    harm(store)

    answer = without_privileges(lambda: call(*command))

    for path, mode in modes.items():
        path.chmod(mode & 0o7777)
    assert answer.code == code, answer
    assert message in answer.err
    assert remedy in answer.err
    after = {name: digest for name, digest in contents(store).items() if name.startswith("blobs")}
    assert after == before
    healed = without_privileges(lambda: call(*RUN))
    assert (healed.code, outcomes(healed)) == (0, ["reused"] * 3), healed
    assert "running" not in without_privileges(lambda: call("runs")).out


def give_to_nobody(folder: Path) -> None:
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def test_blobs_that_may_not_be_read_are_made_readable_by_verify(store: Path) -> None:
    """A dry run says that they are there and forbidden, not that they are lost."""
    give_to_nobody(store.parent)
    blobs_unreadable(store)

    dry = without_privileges(lambda: call("verify", "--dry-run"))
    done = without_privileges(lambda: call("verify"))

    assert dry.code == 4
    assert "permission denied" in dry.out
    assert "is lost" not in dry.out
    assert done.code == 0
    assert "all repaired" in done.out


# -- disks -----------------------------------------------------------------------------------------------------------

ON_READ_ONLY_DISK = [
    (RUN, 4, "The store cannot be written to: its file system is read-only.", "mount that one for writing"),
    (PLAN, 4, "The store cannot be written to: its file system is read-only.", "mount that one for writing"),
    (("models", "rollback", "shop@champion"), 4, "cannot be written.", "how the file system is mounted"),
    (("runs",), 0, "", ""),
    (("artifact", "list"), 0, "", ""),
    (("verify",), 0, "", ""),
]


def test_a_disk_that_is_mounted_read_only(store: Path) -> None:
    """What only reads works, what writes says that the disk is read-only, and no byte changes."""
    before = contents(store)

    def on_read_only_disk() -> list[Answer]:
        mount_read_only(store)
        return [call(*command) for command, _, _, _ in ON_READ_ONLY_DISK]

    answers = in_child(on_read_only_disk)

    for answer, (command, code, message, remedy) in zip(answers, ON_READ_ONLY_DISK, strict=True):
        assert answer.code == code, (command, answer)
        assert message in answer.err
        assert remedy in answer.err
    assert contents(store) == before


def test_a_full_disk(store: Path) -> None:
    """Nothing half is kept, what was is still there, and with free space the same command goes on."""
    shutil.rmtree(store)
    store.mkdir(mode=0o700)

    def on_small_disk() -> dict[str, Answer]:
        mount_small_disk(store, 1 << 20)
        store.chmod(0o700)
        said = {"first": call(*RUN)}
        said["no space for a value"] = call(*RUN, "-p", "count=4000")
        fill(store / "filler")
        said["no space for a row"] = call(*RUN, "-p", "count=81")
        said["looking back"] = call("runs")
        said["whole"] = call("verify")
        (store / "filler").unlink()
        said["freed"] = call(*RUN, "-p", "count=2000")
        said["in the end"] = call("verify")
        return said

    said = in_child(on_small_disk)

    assert {name: answer.code for name, answer in said.items()} == {
        "first": 0,
        "no space for a value": 4,
        "no space for a row": 4,
        "looking back": 0,
        "whole": 0,
        "freed": 0,
        "in the end": 0,
    }, said
    assert "no space is left for it. Nothing of it was kept." in said["no space for a value"].err
    assert "free some space" in said["no space for a value"].err
    assert "nothing was committed" in said["no space for a row"].err
    assert "free some space, then run again" in said["no space for a row"].err


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(descriptor, bytes(4096))
    os.close(descriptor)


def test_a_network_file_system_gets_no_write_ahead_log() -> None:
    """Whatever SQLite is linked: its log's shared memory does not work across machines."""
    mounts = (
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "36 22 0:31 / /mnt/team rw - nfs4 server:/export rw\n"
        "37 22 0:32 / /mnt/laptop rw - fuse.sshfs me@host: rw\n"
    )
    found = {
        place: choose_journal_mode((3, 52, 0), find_in_mounts(mounts, Path(place)))
        for place in (
            "/home/me/.flowkit/lineage.db",
            "/mnt/team/.flowkit/lineage.db",
            "/mnt/laptop/.flowkit/lineage.db",
        )
    }

    assert list(found.values()) == ["wal", "truncate", "truncate"]


# -- the database ----------------------------------------------------------------------------------------------------


def overwrite_header(database: Path) -> None:
    database.write_bytes(b"\x7f" * 100 + database.read_bytes()[100:])


def overwrite_pages(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096 * 3 : 4096 * 30] = b"\xa5" * 4096 * 27
    database.write_bytes(content)


def truncate(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def empty(database: Path) -> None:
    os.truncate(database, 0)


def become_a_text(database: Path) -> None:
    database.write_text("this is no database\n" * 100)


def become_another_database(database: Path) -> None:
    database.unlink()
    execute(database, "CREATE TABLE notes (text)")


def become_newer(database: Path) -> None:
    execute(database, "PRAGMA user_version = 999")


def execute(database: Path, statement: str) -> None:
    connection = sqlite3.connect(database)
    connection.execute(statement)
    connection.commit()
    connection.close()


DAMAGED = "lineage.db' is damaged."
RESTORE = "flowkit backup --restore FILE"

DATABASES: list[tuple[Harm, str, str]] = [
    (overwrite_header, DAMAGED, RESTORE),
    (overwrite_pages, DAMAGED, RESTORE),
    (truncate, DAMAGED, RESTORE),
    (become_a_text, DAMAGED, RESTORE),
    (empty, "is empty, but the store has content.", RESTORE),
    (Path.unlink, "is gone, but the store has content.", RESTORE),
    (become_another_database, "is a SQLite database, but not one of flowkit's.", "move it away"),
    (become_newer, "was written by a newer flowkit.", "upgrade flowkit-pipelines"),
]


@pytest.mark.parametrize(
    ("harm", "message", "remedy"), DATABASES, ids=[getattr(case[0], "__name__", "?") for case in DATABASES]
)
def test_a_database_that_cannot_be_used_stops_every_command(store: Path, harm: Harm, message: str, remedy: str) -> None:
    """Each command says the same, leaves with 4, and changes no byte: the file is kept as it is for who repairs it."""
    harm(store / "lineage.db")
    before = contents(store)

    answers = in_child(lambda: [call(*command) for command in COMMANDS])

    for command, answer in zip(COMMANDS, answers, strict=True):
        assert answer.code == 4, (command, answer)
        assert message in answer.err, command
        assert remedy in answer.err, command
        assert answer.out == "", command
    assert contents(store) == before


def test_a_damaged_page_is_found_by_verify_and_left_alone(store: Path) -> None:
    """Where SQLite can still read most of it: verify stops, keeps the file, and repairs nothing in it."""
    content = bytearray((store / "lineage.db").read_bytes())
    content[4096 * 8 : 4096 * 9] = bytes(4096)
    (store / "lineage.db").write_bytes(content)
    execute(store / "lineage.db", "PRAGMA user_version")  # opens it, as anybody may
    blob(store, ".bin").unlink()
    before = contents(store)

    answer = in_child(lambda: call("verify"))

    assert answer.code == 4
    assert RESTORE in answer.out + answer.err
    assert contents(store) == before


@dataclass(frozen=True)
class Failed:
    """What a holder of the lock led to."""

    message: str
    facts: dict[str, str]
    hint: str
    exit_code: int


def test_a_database_that_stays_locked(store: Path) -> None:
    """Reader and writer wait for as long as they are told, then name the process that holds it, and its host."""
    database = store / "lineage.db"
    before = contents(store)
    holder, pipe = start(lambda: hold(database))
    wait_until_locked(database)

    failures = [fail(lambda: Reader(database, timeout=0.2)), fail(lambda: write(database))]
    (store.parent / "let go").touch()
    finish(holder, pipe)

    for failed in failures:
        assert "stayed locked for 0 s" in failed.message
        assert f"pid {holder} on {socket.gethostname()}" in failed.facts["held by"]
        assert "close what reads or writes it" in failed.hint
        assert failed.exit_code == 4
    assert contents(store) == before
    assert in_child(lambda: call(*RUN)).code == 0


def hold(database: Path) -> None:
    """Keep the database for oneself until told to let it go."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    while not (database.parent.parent / "let go").exists():
        os.sched_yield()
    connection.close()


def wait_until_locked(database: Path) -> None:
    while True:
        connection = sqlite3.connect(database, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return
        finally:
            connection.close()


def write(database: Path) -> None:
    LineageWriter(database, present=lambda file: True, timeout=0.2).close()


def fail(action: Callable[[], object]) -> Failed:
    with pytest.raises(LineageError) as caught:
        action()
    error = caught.value
    return Failed(error.message, dict(error.facts), error.hint, error.exit_code)


# -- the remote ------------------------------------------------------------------------------------------------------


def test_a_remote_that_cannot_be_reached(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on without it, says so once with the remedy, and succeeds; verify only says that it did not look."""
    monkeypatch.setenv("FLOWKIT_REMOTE", "file:///proc/nowhere")
    blob(store, ".bin").unlink()

    verified = in_child(lambda: call("verify"))
    run = in_child(lambda: call(*RUN))

    assert verified.code == 4
    assert verified.out.count("can be repaired by: ") == 1
    assert (run.code, "load  executed" in run.out) == (0, True)
    assert run.err.count("Warning: ") == 1
    assert "file:///proc/nowhere" in run.err
    assert "This run goes on without the remote" in run.err
