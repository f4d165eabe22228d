"""Figure 7: Ctrl-C, SIGTERM and a closed terminal, whatever a step or the driver is doing at that moment.

Stopped within five seconds with no process left, within one after a second signal; a step's timeout within two. Of a
trial that a busy machine made late the time is taken once more; the longest times are printed.
"""

from __future__ import annotations

import json
import os
import pty
import random
import re
import shlex
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import edit, spawn
from tests.faults.commands import Driver, select, statuses, wait_until, write_project
from tests.faults.conftest import Tell
from tests.faults.scale import SEED, scaled

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

CAMPAIGN = "interruptions"
FIRST, SECOND, TIMEOUT = 5.0, 1.0, 2.0

STEPS = '''
"""Steps that are hard to stop, behind one that is quick."""

import os
import re
import signal
import subprocess
import sys
import time

import flowkit as fk

SLEEP = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
ORPHAN = [sys.executable, "-c", f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True)"]


def ready(file):
    with open(file, "a") as note:
        note.write("ready")


def sleeps(file):
    ready(file)
    time.sleep(600)


def ignores(file):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ready(file)
    time.sleep(600)


def catches(file):
    ready(file)
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass


def holds(file):
    ready(file)
    sum(range(10**12))


def matches(file):
    ready(file)
    re.match(r"(a+)+$", "a" * 60 + "b")


def starts(file):
    subprocess.Popen(SLEEP)
    subprocess.Popen(SLEEP, start_new_session=True)
    subprocess.run(ORPHAN, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    ready(file)
    time.sleep(600)


WAYS = {way.__name__: way for way in (sleeps, ignores, catches, holds, matches, starts)}


@fk.step
def quick() -> int:
    return 1


@fk.step
def hard(way: str, file: fk.Untracked[str], before: int) -> int:
    WAYS[way](file)
    return 1


@fk.step(timeout="500ms")
def limited(way: str, file: fk.Untracked[str], before: int) -> int:
    WAYS[way](file)
    return 1


@fk.step
def after(before: int) -> int:
    return before


@fk.pipeline
def hardly(way: str, file: str, soft: bool = False) -> None:
    after(hard(way, file, quick()))


@fk.pipeline
def timed(way: str, file: str) -> None:
    after(limited(way, file, quick()))
'''

LONG = '''
"""What keeps the driver itself busy: a body, thousands of lookups, a file that takes long to read."""

import time
from pathlib import Path

import flowkit as fk


@fk.step
def length(file: Path, number: int) -> int:
    return number


@fk.pipeline
def waits(file: Path = Path("ready")) -> None:
    Path("ready").touch()
    time.sleep(600)
    length(file, 1)


@fk.pipeline
def digests(file: Path = Path("huge")) -> None:
    Path("ready").touch()
    length(file, 1)


@fk.pipeline
def many(count: int = 20000) -> None:
    Path("ready").touch()
    for number in range(count):
        length(Path("ready"), number)
'''

SLOW_IMPORT = """
import time
from pathlib import Path

import flowkit as fk

Path("ready").touch()
try:
    time.sleep(600)
except Exception:
    pass


@fk.pipeline
def late() -> None:
    pass
"""

ACCEPTED = """
import flowkit as fk


@fk.step
def add(number: int) -> int:
    return number + 1


@fk.pipeline
def accepted() -> None:
    add(1)
"""

KEPT = """
import random

import flowkit as fk


@fk.step
def part(number: int, turn: int) -> bytes:
    return random.Random(f"{number} {turn}").randbytes(400_000)


@fk.pipeline
def kept(turn: int = 0) -> None:
    fk.collect(part(fk.each(list(range(30))), turn))
"""

WAYS = ("sleeps", "ignores", "catches", "holds", "matches", "starts")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = (
        ("pipelines/hard.py", STEPS),
        ("pipelines/long.py", LONG),
        ("pipelines/late.py", SLOW_IMPORT),
        ("pipelines/accepted.py", ACCEPTED),
    )
    folder = write_project(tmp_path_factory.mktemp("interrupts") / "project", files)
    with (folder / "huge").open("wb") as huge:
        huge.truncate(40 << 30)
    return folder


class Stops:
    """Takes the time from a signal to a process's end, and looks for what is left of it."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.out = self.err = ""

    def take(self, start: Callable[[], Driver], stop: Callable[[Driver], float], limit: float) -> Driver:
        """Start and stop, once more where that took too long; the last one's time and leavings are judged.

        Args:
            start: Starts a process and waits for the moment at which it is to be stopped.
            stop: Stops it, and returns when, by the monotonic clock.
            limit: How many seconds it may take from then.
        """
        repeated = -1
        for _ in range(2):
            repeated += 1
            driver = start()
            began = stop(driver)
            self.out, self.err = driver.finish()
            seconds = time.monotonic() - began
            left = driver.left()
            if seconds <= limit:
                break
        longest = {f"longest_ms_of_{1000 * limit:.0f}": round(1000 * seconds)}
        self._tell(CAMPAIGN, points=1, repeated=repeated, violations=int(seconds > limit or bool(left)), **longest)
        assert left == [], "processes are left"
        assert seconds <= limit, f"{seconds:.1f} s: {self.err}"
        return driver


@pytest.fixture
def stops(tell_figure: Tell) -> Stops:
    return Stops(tell_figure)


def begin(folder: Path, way: str, pipeline: str = "hardly", *options: str) -> Driver:
    """Start a run in an empty store and wait until its hard step runs."""
    clear(folder)
    ready = folder / "ready"
    driver = Driver(folder, "run", f"hard:{pipeline}", "-p", f"way={way}", "-p", f"file={ready}", *options)
    wait_until(lambda: ready.exists() or driver.code is not None, "the step never began")
    return driver


def clear(folder: Path) -> None:
    (folder / "ready").unlink(missing_ok=True)
    shutil.rmtree(folder / ".flowkit", ignore_errors=True)


def once(number: signal.Signals, *, group: bool) -> Callable[[Driver], float]:
    """Return what signals a process, or its group as a terminal does."""

    def stop(driver: Driver) -> float:
        began = time.monotonic()
        driver.send(number, group=group)
        return began

    return stop


def twice(pause: float) -> Callable[[Driver], float]:
    """Return what presses Ctrl-C twice."""

    def stop(driver: Driver) -> float:
        driver.send(signal.SIGINT, group=True)
        time.sleep(pause)
        began = time.monotonic()
        if driver.code is None:
            driver.send(signal.SIGINT, group=True)
        return began

    return stop


def outcomes(folder: Path) -> dict[object, object]:
    return dict(select(folder, "SELECT node, outcome FROM nodes"))


STOPPED = {"quick": "executed", "hard": "cancelled", "after": "cancelled"}
ENDS = [
    *(pytest.param(way, signal.SIGINT, True, id=f"ctrl-c-{way}") for way in WAYS),
    *(pytest.param(way, signal.SIGTERM, False, id=f"sigterm-{way}") for way in ("catches", "starts")),
    *(pytest.param(way, signal.SIGHUP, True, id=f"hangup-{way}") for way in ("ignores", "starts")),
]


@pytest.mark.parametrize(("way", "number", "group"), ENDS)
def test_a_signal_ends_whatever_a_step_does(
    project: Path, stops: Stops, way: str, number: signal.Signals, group: bool
) -> None:
    """Exit code 130, the run and what ran `cancelled`, what had finished recorded, and no process left."""
    driver = stops.take(lambda: begin(project, way), once(number, group=group), FIRST)

    assert driver.code == 130, stops.err
    assert statuses(project) == ["cancelled"]
    assert outcomes(project) == STOPPED


@pytest.mark.parametrize("way", ["catches", "holds", "starts"])
def test_a_second_signal_ends_at_once(project: Path, stops: Stops, way: str) -> None:
    """Within a second of it all has ended, and is recorded as after the first."""
    driver = stops.take(lambda: begin(project, way), twice(0.1), SECOND)

    assert driver.code == 130, stops.err
    assert statuses(project) == ["cancelled"]
    assert outcomes(project) == STOPPED


@pytest.mark.parametrize("way", WAYS)
def test_a_timeout_ends_whatever_a_step_does(project: Path, stops: Stops, way: str) -> None:
    """The step fails by its timeout within two seconds of it, with all that it started; the run ends with code 1."""

    def stop(driver: Driver) -> float:
        return time.monotonic() + 0.5

    driver = stops.take(lambda: begin(project, way, "timed"), stop, TIMEOUT)

    assert driver.code == 1, stops.err
    assert "Step 'limited' exceeded its timeout of 0.5 s" in stops.err
    assert outcomes(project) == {"quick": "executed", "limited": "failed", "after": "blocked"}


def test_the_summary_says_what_goes_on(project: Path, stops: Stops) -> None:
    """The command that an interrupted run prints works when it is pasted, and reuses what had finished."""
    driver = stops.take(lambda: begin(project, "sleeps"), once(signal.SIGINT, group=True), FIRST)
    found = re.search(r"^To go on: flowkit (rerun .+)$", stops.err, re.M)
    assert found is not None, stops.err
    assert driver.code == 130
    edit(
        project / "pipelines/hard.py",
        "    ready(file)\n    time.sleep(600)\n\n\ndef ignores",
        "    pass\n\n\ndef ignores",
    )

    again = Driver(project, *shlex.split(found[1]), "--json")
    out, err = again.finish()
    (project / "pipelines/hard.py").write_text(STEPS)

    assert again.code == 0, err
    assert {node["node"]: node["outcome"] for node in json.loads(out)["nodes"]} == {
        "quick": "reused",
        "hard": "executed",
        "after": "executed",
    }


BUSY = [
    ("run", "long:waits"),
    ("run", "long:digests"),
    ("run", "long:many", "--inline"),
    ("plan", "long:digests"),
    ("plan", "long:many"),
    ("check", "long:waits"),
    ("check", "late"),
]


@pytest.mark.parametrize(
    ("command", "number"),
    [*((command, signal.SIGINT) for command in BUSY), *((command, signal.SIGTERM) for command in BUSY[:2])],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value.name,
)
def test_a_busy_driver_ends_as_well(
    project: Path, stops: Stops, command: tuple[str, ...], number: signal.Signals
) -> None:
    """Importing, building, looking up and reading files are broken off; a run that was recorded is cancelled."""

    def start() -> Driver:
        clear(project)
        driver = Driver(project, *command)
        wait_until(lambda: (project / "ready").exists() or driver.code is not None, "it never began")
        time.sleep(0.4)
        return driver

    driver = stops.take(start, once(number, group=True), FIRST)

    assert driver.code == 130, stops.err
    assert "Traceback" not in stops.err
    assert set(statuses(project)) <= {"cancelled"}


def test_a_step_in_the_drivers_own_process_is_interrupted(project: Path, stops: Stops) -> None:
    """With --inline the step that runs is broken off where it is."""
    driver = stops.take(lambda: begin(project, "sleeps", "hardly", "--inline"), once(signal.SIGINT, group=True), FIRST)

    assert driver.code == 130, stops.err
    assert outcomes(project) == STOPPED


@pytest.mark.parametrize("seed", range(4))
def test_a_signal_while_workers_start(project: Path, stops: Stops, seed: int) -> None:
    """At any moment from the run's first record to its first step."""
    chance = random.Random(1000 * SEED + seed)

    def start() -> Driver:
        clear(project)
        driver = Driver(project, "run", "hard:hardly", "-p", "way=sleeps", "-p", f"file={project / 'ready'}")
        wait_until(lambda: bool(statuses(project)) or driver.code is not None, "no run began")
        time.sleep(chance.uniform(0, 0.4))
        return driver

    driver = stops.take(start, once(signal.SIGINT, group=True), FIRST)

    assert driver.code == 130, stops.err
    assert statuses(project) == ["cancelled"]
    assert set(outcomes(project).values()) <= {"executed", "cancelled"}


def test_a_run_that_waits_for_the_store_ends(project: Path, stops: Stops) -> None:
    """While another process holds the database nothing can be recorded: the run says so, and is found crashed."""
    holders: list[sqlite3.Connection] = []

    def stop(driver: Driver) -> float:
        wait_until(lambda: outcomes(project) == {"quick": "executed"}, "the first node is never recorded")
        holders.append(sqlite3.connect(project / ".flowkit/lineage.db", isolation_level=None))
        holders[-1].execute("BEGIN IMMEDIATE")
        return once(signal.SIGINT, group=True)(driver)

    driver = stops.take(lambda: begin(project, "sleeps"), stop, FIRST)
    for holder in holders:
        holder.close()
    listed = spawn(project, "runs", "--json")

    assert driver.code == 130
    assert "could not be recorded in time" in stops.err
    assert [run["status"] for run in json.loads(listed.stdout)["runs"]] == ["crashed"]
    assert outcomes(project) == {"quick": "executed"}


@pytest.mark.parametrize("typed", [True, False], ids=["ctrl-c", "sigterm"])
def test_a_prompt_hears_a_signal_that_comes_as_it_begins_to_read(project: Path, stops: Stops, typed: bool) -> None:
    """The question is there, nothing is read yet: the command leaves with code 130, and accepts nothing."""
    store = ("--store", str(project / "accepting"))
    first = Driver(project, "run", "accepted", "--inline", *store)
    first.finish()
    assert first.code == 0
    file = project / "pipelines/accepted.py"
    file.write_text(ACCEPTED.replace("number + 1", "1 + number"))
    terminals: list[int] = []

    def start() -> Driver:
        ours, theirs = pty.openpty()
        driver = Driver(project, "accept", "accepted", "add", *store, terminal=theirs)
        os.close(theirs)
        terminals.append(ours)
        said = b""
        while b"[y/N]" not in said:
            said += os.read(ours, 1000)
        return driver

    def stop(driver: Driver) -> float:
        began = time.monotonic()
        if typed:
            os.write(terminals[-1], b"\x03")
        else:
            driver.send(signal.SIGTERM, group=False)
        return began

    codes = [stops.take(start, stop, FIRST).code for _ in range(scaled(20))]
    file.write_text(ACCEPTED)
    for terminal in terminals:
        os.close(terminal)

    assert set(codes) == {130}


def test_a_closed_terminal_cancels_the_run(project: Path, stops: Stops) -> None:
    """Where the terminal goes, with the live view on it, the run is recorded as cancelled, and no process is left."""
    terminals: list[int] = []

    def start() -> Driver:
        clear(project)
        ours, theirs = pty.openpty()
        ready = project / "ready"
        arguments = ("run", "hard:hardly", "-p", "way=starts", "-p", f"file={ready}")
        driver = Driver(project, *arguments, terminal=theirs, TERM="xterm")
        os.close(theirs)
        terminals.append(ours)
        wait_until(lambda: ready.exists() or driver.code is not None, "the step never began")
        return driver

    def stop(driver: Driver) -> float:
        began = time.monotonic()
        os.close(terminals.pop())
        return began

    driver = stops.take(start, stop, FIRST)

    assert driver.code == 130
    assert statuses(project) == ["cancelled"]
    assert outcomes(project) == STOPPED


LOOKS_AFTER = {
    "verify": ("verify",),
    "verify --rerun": ("verify", "--rerun", "last", "--select", "part[0]"),
    "gc": ("gc", "--keep-runs", "1"),
    "backup": ("backup", "again.tar.gz"),
    "restore": ("backup", "--restore", "made.tar", "--store", "restored"),
    "doctor": ("doctor",),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose store has results that can go, a backup of it beside it, and a copy of that store."""
    folder = write_project(tmp_path_factory.mktemp("kept") / "project", (("pipelines/kept.py", KEPT),))
    for turn in range(2):
        assert spawn(folder, "run", "kept", "--inline", "-q", "-p", f"turn={turn}").returncode == 0
    assert spawn(folder, "backup", "made.tar").returncode == 0
    shutil.copytree(folder / ".flowkit", folder.with_name("whole"))
    return folder


@pytest.mark.parametrize("command", LOOKS_AFTER.values(), ids=LOOKS_AFTER)
def test_what_looks_after_a_store_leaves_nothing_half_done(
    kept: Path, stops: Stops, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """At any moment: exit code 130 and no traceback, nothing of it is left, and the store is whole."""
    chance = random.Random(f"{SEED} {command}")
    own = kept / ".flowkit"
    seconds = 0.0

    def start() -> Driver:
        shutil.rmtree(own)
        shutil.copytree(kept.with_name("whole"), own)
        for file in ("again.tar.gz", "restored"):
            shutil.rmtree(kept / file) if (kept / file).is_dir() else (kept / file).unlink(missing_ok=True)
        driver = Driver(kept, *command, TMPDIR=str(tmp_path))
        wait_until(lambda: driver.code is not None or catches(driver.pid, signal.SIGTERM), "it never began")
        return driver

    def start_and_wait() -> Driver:
        for _ in range(20):
            driver = start()
            time.sleep(chance.uniform(0, 0.8 * seconds))
            if driver.code is None:
                return driver
        raise AssertionError("it was always over before")

    undisturbed = start()
    began = time.monotonic()
    undisturbed.finish()
    seconds = time.monotonic() - began
    before = names_in(kept, own) | names_in(kept, kept.with_name("whole")) - {"again.tar.gz", "restored"}
    before -= {name for name in before if name.startswith("restored/")}
    for index in range(scaled(20)):
        number = (signal.SIGINT, signal.SIGTERM)[index % 2]
        driver = stops.take(start_and_wait, once(number, group=number is signal.SIGINT), FIRST)

        # One that comes when all is done and told changes nothing.
        assert driver.code == 130 or (driver.code == 0 and stops.out), (driver.code, stops.out, stops.err)
        assert "Traceback" not in stops.err
        left = names_in(kept, own) - before
        if left and command[0] == "backup" and (kept / "restored" / "blobs").is_dir():
            # One that comes after the last step of a restore finds all of it.
            left = {name for name in left if not name.startswith("restored/")}
            verified = spawn(kept, "verify", "--dry-run", "--store", "restored")
            assert verified.returncode == 0, verified.stdout
        assert left == set()
        assert os.listdir(tmp_path) == []
        if command[0] == "gc":
            verified = spawn(kept, "verify", "--json")
            assert verified.returncode == 0, verified.stdout


def test_a_run_that_ends_just_then_leaves_nothing(kept: Path, stops: Stops, tmp_path: Path) -> None:
    """It is recorded; its step hosts and their folders are gone, also where the signal comes while they are ended."""
    chance = random.Random(f"{SEED} ends")
    turns = iter(range(100, 1000))

    def start_and_wait() -> Driver:
        before = len(statuses(kept))
        driver = Driver(kept, "run", "kept", "--workers", "2", "-p", f"turn={next(turns)}", TMPDIR=str(tmp_path))
        wait_until(lambda: statuses(kept)[before:] == ["succeeded"], "the run never ended")
        time.sleep(chance.uniform(0, 0.02))
        return driver

    for _ in range(scaled(60)):
        driver = stops.take(start_and_wait, once(signal.SIGTERM, group=False), FIRST)

        assert driver.code in {0, 130}, (driver.code, stops.err)
        assert os.listdir(tmp_path) == []


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has begun to handle a signal itself."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.M)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def names_in(folder: Path, store: Path) -> set[str]:
    """The files of a project and, apart from blobs that nothing may name yet and locks, of its store."""
    outside = {str(path.relative_to(folder)) for path in folder.rglob("*") if ".flowkit" not in path.parts}
    inside = {str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()}
    return outside | {name for name in inside if not name.startswith("blobs/") and not name.endswith(".lock")}


def test_nohup_keeps_a_run_alive(project: Path) -> None:
    """Where SIGHUP is ignored from the start it stays so."""
    clear(project)
    ready = project / "ready"
    run = ("run", "hard:timed", "-p", "way=sleeps", "-p", f"file={ready}")
    driver = Driver(project, *run, background=True)
    wait_until(ready.exists, "the step never began")
    driver.send(signal.SIGHUP, group=False)
    driver.finish()

    assert driver.code == 1
    assert outcomes(project) == {"quick": "executed", "limited": "failed", "after": "blocked"}
