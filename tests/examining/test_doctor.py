"""`flowkit doctor`: each trouble is planted, and must be named with what would mend it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import flowkit
from flowkit.housekeeping.examining import installation, store
from flowkit.housekeeping.examining.checks import CheckupReport, Status, isolated, ok, problem, warning
from flowkit.housekeeping.examining.workers import check_remote, check_workers, judge
from flowkit.store.folder import StoreFolder
from tests.backups.stored import names_in
from tests.commands import ROOT, Tell, caller
from tests.dask_cluster import dask_cluster
from tests.old_stores import make_project

PACKAGE = Path(flowkit.__file__).parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store that is well."""
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command in this process."""
    return caller(capsys)


@pytest.fixture
def folder(project: Path) -> StoreFolder:
    """The project's store."""
    return StoreFolder.open(project / ".flowkit")


def test_what_is_well_says_so(folder: StoreFolder) -> None:
    """Of a sound installation and store every check is ok, and none asks for anything."""
    requirements = installation.own_requirements(PACKAGE)
    checks = [
        installation.check_python(),
        installation.check_flowkit(PACKAGE, flowkit.__version__),
        installation.check_dependencies(requirements),
        installation.check_extras(requirements),
        installation.check_zones(),
        store.check_place(folder.path),
        store.check_file_system(folder.path, "ext4"),
        store.check_space(folder.path, 10**12),
        store.check_permissions(folder),
        store.check_leftovers(folder, time.time()),
        store.check_database(folder),
        store.check_locks(folder),
        store.check_runs(folder),
        store.check_clock(folder, time.time()),
    ]
    assert [check for check in checks if check.status is not Status.OK or check.remedy] == []


def versions(**given: str | None) -> Callable[[str], str | None]:
    """Return what tells installed versions, with some of them as given."""
    return lambda name: given[name] if name in given else installation.installed_version(name)


REQUIREMENTS = ["click>=8.1.7", "pandera[pandas]>=0.26", 'polars>=1.20 ; extra == "polars"']


def test_an_installation_that_does_not_fit_is_named() -> None:
    """Old Pythons, libraries that are missing or too old, the namesake, a second flowkit: each with the command."""
    old = installation.check_dependencies(REQUIREMENTS, versions(click="8.0.1", pandera=None))
    extra = installation.check_extras(REQUIREMENTS, versions(polars="0.20"))
    namesake = installation.check_flowkit(PACKAGE, "1.0", versions(flowkit="1.33"))
    second = installation.check_flowkit(PACKAGE, "1.0", versions(**{"flowkit-pipelines": "0.9"}))

    assert installation.check_python((3, 10, 4)).status is Status.PROBLEM
    assert old.status is Status.PROBLEM
    assert old.found == "pandera is missing; click 8.0.1 is not >=8.1.7"
    assert old.remedy == "pip install 'pandera>=0.26' 'click>=8.1.7'."
    assert (extra.status, extra.remedy) == (Status.WARNING, "pip install 'polars>=1.20'.")
    assert namesake.status is Status.PROBLEM
    assert "pip uninstall flowkit" in namesake.remedy
    assert second.status is Status.WARNING
    assert installation.check_dependencies([]).status is Status.WARNING


def widen(folder: StoreFolder) -> None:
    folder.database.chmod(0o644)


def leave_scratch(folder: StoreFolder) -> None:
    (folder.temporary / "scratch").mkdir()
    os.utime(folder.temporary / "scratch", (1, 1))


def leave_damaged(folder: StoreFolder) -> None:
    (folder.quarantine / "abcdef.table.1").write_bytes(b"x")


def leave_restore(folder: StoreFolder) -> None:
    folder.path.with_name(".flowkit".join((".", ".restoring"))).mkdir()


def scramble(folder: StoreFolder) -> None:
    content = bytearray(folder.database.read_bytes())
    content[4096 * 3 : 4096 * 9] = os.urandom(4096 * 6)
    folder.database.write_bytes(content)


def lose_database(folder: StoreFolder) -> None:
    folder.database.unlink()


def empty_database(folder: StoreFolder) -> None:
    folder.database.write_bytes(b"")


def alter(folder: StoreFolder, statement: str) -> None:
    with closing(sqlite3.connect(folder.database)) as connection:
        connection.execute(statement)
        connection.commit()


def make_newer(folder: StoreFolder) -> None:
    alter(folder, "PRAGMA user_version = 99")


def pipe_for_database(folder: StoreFolder) -> None:
    folder.database.unlink()
    os.mkfifo(folder.database)


def file_for_folders(folder: StoreFolder) -> None:
    folder.quarantine.rmdir()
    for name in ("quarantine", "bundles"):
        (folder.path / name).write_text("")


def leave_run(folder: StoreFolder) -> None:
    alter(
        folder,
        "UPDATE run SET ended = NULL, driver = '1:2:3@nowhere', status = (SELECT id FROM word WHERE text = 'running')"
        " WHERE id = 4",
    )


def run_tomorrow(folder: StoreFolder) -> None:
    alter(folder, f"UPDATE run SET started = {time.time() + 86400} WHERE id = 4")


PLANTED = [
    (widen, "permissions", Status.WARNING, ".flowkit/lineage.db 0644", "chmod -R go-rwx"),
    (leave_scratch, "leftovers", Status.WARNING, "older than a day, such as scratch", "rm -r"),
    (leave_damaged, "leftovers", Status.WARNING, "1 damaged file in quarantine", "flowkit verify repairs"),
    (leave_restore, "leftovers", Status.WARNING, "a restore that did not end", "rm -r"),
    (scramble, "database", Status.PROBLEM, "is damaged", "restore the latest backup"),
    (lose_database, "database", Status.PROBLEM, "is gone, but the store has content", "--store NEW"),
    (empty_database, "database", Status.PROBLEM, "is empty, but the store has content", "--store NEW"),
    (pipe_for_database, "database", Status.PROBLEM, "is no file", "move that away"),
    (file_for_folders, "store", Status.PROBLEM, "quarantine, bundles: no folder", "quarantine.away"),
    (make_newer, "database", Status.PROBLEM, "newer flowkit", "upgrade flowkit-pipelines"),
    (leave_run, "runs", Status.WARNING, "died, and nothing has run since", "run the pipeline again"),
    (run_tomorrow, "clock", Status.WARNING, "still to come", "clock"),
]


@pytest.mark.parametrize(
    ("plant", "name", "status", "found", "remedy"), PLANTED, ids=[row[0].__name__ for row in PLANTED]
)
def test_a_trouble_of_the_store_is_found(
    project: Path,
    folder: StoreFolder,
    plant: Callable[[StoreFolder], None],
    name: str,
    status: Status,
    found: str,
    remedy: str,
) -> None:
    """It is named with its remedy, the other checks are made all the same, and nothing is mended or left behind."""
    plant(folder)
    before = names_in(project)

    checks = [isolated(*named) for named in store.store_checks(folder.path)]

    (check,) = [check for check in checks if check.check == name]
    assert check.status is status, check
    assert found in check.found
    assert remedy in check.remedy
    assert {"store", "file system", "space", "permissions", "leftovers", "clock"} <= {check.check for check in checks}
    assert names_in(project) == before


@pytest.mark.parametrize("plant", [scramble, make_newer])
def test_a_fault_of_the_database_is_told_once(folder: StoreFolder, plant: Callable[[StoreFolder], None]) -> None:
    """What would have to read it says that it was not checked."""
    plant(folder)
    checks = {check.check: check for check in (isolated(*named) for named in store.store_checks(folder.path))}
    assert [name for name, check in checks.items() if check.status is Status.PROBLEM] == ["database"]
    assert checks["runs"].found == "not checked: the database cannot be read"
    assert "what is recorded is not checked" in checks["clock"].found


def test_a_place_that_will_not_do_is_named(tmp_path: Path, folder: StoreFolder) -> None:
    """A network disk, a full one, a file in the store's place, a folder of somebody else."""
    assert store.check_file_system(tmp_path, "nfs4").status is Status.WARNING
    assert store.check_file_system(tmp_path, "fuse.sshfs").status is Status.WARNING
    assert store.check_space(tmp_path, 10**7).status is Status.PROBLEM
    assert store.check_space(tmp_path, 5 * 10**8).status is Status.WARNING
    (tmp_path / "file").write_text("")
    assert isolated("store", lambda: store.check_place(tmp_path / "file")).status is Status.PROBLEM
    assert store.check_place(tmp_path / "none" / "yet").status is Status.OK
    assert "makes" in store.check_place(tmp_path / "none" / "yet").found
    # Where permissions say that a folder could be made, and the system does not make it.
    impossible = store.check_place(Path("/proc/none"))
    assert impossible.status is Status.PROBLEM
    assert "/proc/none cannot be made" in impossible.found
    assert store.check_space(Path("/proc/none")).status is Status.OK


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Another user than root, who is not held up by permissions."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path, folder: StoreFolder, unprivileged: None) -> None:
    """Where another user may look and not write, or not even look, the check says so and does not break."""
    checks = [isolated(*named) for named in store.store_checks(folder.path)]
    assert checks[0].check == "store"
    assert checks[0].status is Status.PROBLEM
    assert checks[0].remedy


def test_who_holds_the_database_is_told(folder: StoreFolder) -> None:
    """A process with a lock on it is named by its id; that is no fault."""
    ready, tell_ready = os.pipe()
    child = os.fork()
    if child == 0:
        with closing(sqlite3.connect(folder.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            os.write(tell_ready, b".")
            time.sleep(60)
    os.read(ready, 1)
    try:
        check = store.check_locks(folder)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert check.status is Status.OK
    assert f"pid {child}" in check.found


def test_a_run_that_goes_on_is_no_trouble(folder: StoreFolder) -> None:
    """A run whose driver holds its lock is under way."""
    leave_run(folder)
    with closing(sqlite3.connect(folder.database)) as connection:
        ((run,),) = connection.execute("SELECT run FROM run WHERE id = 4").fetchall()
    (folder.runs / run / "driver.lock").touch()
    with (folder.runs / run / "driver.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert store.check_runs(folder) == ok("runs", f"under way: {run}")


def test_a_check_that_breaks_is_a_problem_of_its_own() -> None:
    """Whatever a check raises is told as its result."""

    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    check = isolated("sums", broken)  # type: ignore[arg-type]
    assert (check.check, check.status, check.found) == ("sums", Status.PROBLEM, "ZeroDivisionError: division by zero")


def test_the_exit_code_says_what_kind_of_problem_there_is() -> None:
    """4 for the store, 2 for the installation or settings, 0 for warnings."""
    well, unwell, odd = ok("a", ""), problem("b", "", "mend it."), warning("c", "", "see to it.")
    assert CheckupReport(None, [(well, True), (odd, True), (odd, False)]).exit_code == 0
    assert CheckupReport(None, [(unwell, False), (well, True)]).exit_code == 2
    assert CheckupReport(None, [(unwell, False), (unwell, True)]).exit_code == 4


def test_settings_that_do_not_hold_are_one_of_the_problems(project: Path, tell: Tell) -> None:
    """Each wrong one is told in the words of every command; what needs no settings is looked at all the same."""
    with (project / "pyproject.toml").open("a") as file:
        file.write('[tool.flowkit]\nworkers = "many"\npickel = "deny"\n')
    answer = tell("doctor", "--json")
    checks = answer.json()["checks"]
    assert answer.code == 2
    assert [check["check"] for check in checks[5:]] == ["settings"] * 2
    assert "workers" in checks[5]["found"]
    assert "pickel" in checks[6]["found"]
    assert [check["status"] for check in checks[:5]] == ["ok"] * 5


def test_how_the_trivial_run_ended_is_told_in_its_own_words() -> None:
    """An error, a failed node, a warning, a process that died: each becomes the check's result."""
    error = '{"error": {"message": "no worker", "facts": {}, "hint": "start one."}}'
    node = '{"nodes": [{"error": {"message": "it died", "facts": {}, "hint": null}}]}'
    assert judge(4, error, "", "x") == problem("workers", "no worker (x)", "start one.")
    assert judge(1, node, "", "x").found == "it died (x)"
    assert judge(0, '{"nodes": []}', "Warning: dask is 1 here and 2 on w", "x").status is Status.WARNING
    assert judge(-11, "", "Fatal Python error\n", "x").found.endswith("(exit -11): Fatal Python error")


@pytest.mark.slow
def test_a_step_is_really_run_here_and_on_a_cluster(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine and on a cluster it runs; a scheduler that `run` would refuse is a problem; nothing is left."""
    before = names_in(project)
    assert check_workers(project / ".flowkit", None) == ok("workers", "a step ran on this machine")
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(PYTHONPATH=str(ROOT))
        assert check_workers(project / ".flowkit", cluster.address).status is Status.OK
        open_address = cluster.address.replace("127.0.0.1", "0.0.0.0")
        unsafe = check_workers(project / ".flowkit", open_address)
        monkeypatch.setenv("FLOWKIT_ALLOW_PLAIN_TCP", "1")
        assert check_workers(project / ".flowkit", open_address).status is not Status.PROBLEM
    assert unsafe.status is Status.PROBLEM
    assert "0.0.0.0" in unsafe.found
    assert "tls://" in unsafe.remedy
    late = check_workers(project / ".flowkit", None, seconds=0.05)
    assert "did not end" in late.found
    assert names_in(project) == before


def test_a_remote_is_asked(tmp_path: Path) -> None:
    """One that answers is ok, even if it is empty; one that is not there yet is told; an unknown kind is a problem."""
    none = check_remote((tmp_path / "none").as_uri())
    assert (none.status, "is not there yet" in none.found) == (Status.WARNING, True)
    assert not (tmp_path / "none").exists()
    assert check_remote(tmp_path.as_uri()).status is Status.OK
    assert isolated("remote", lambda: check_remote("nosuch://bucket/x")).status is Status.PROBLEM


@pytest.mark.slow
def test_the_whole_command_in_words(project: Path, tell: Tell) -> None:
    """A line a check, and a count; nothing is asked for where all is well."""
    answer = tell("doctor")
    assert answer.code == 0, answer.out
    assert "ok       workers: a step ran on this machine" in answer.out
    assert "→" not in answer.out
    assert f"Python {sys.version_info[0]}" in answer.out
    assert answer.out.splitlines()[-1].startswith("all is well: ")
