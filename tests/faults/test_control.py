"""What controls a run from outside: signals, a second driver, a clock that is moved.

A row is what happens, the exit code, what is said, and that the store is sound and the next run goes on.
"""

from __future__ import annotations

import json
import os
import pty
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import ROOT, spawn
from tests.faults.commands import Driver, select, statuses, wait_until, write_project
from tests.faults.conftest import Tell
from tests.faults.scale import SCALE

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(300)]

CAMPAIGN = "control"
DAY, YEAR = 86_400.0, 365 * 86_400.0
BOTH_WAYS = (-DAY, YEAR) if SCALE >= 1 else (-DAY,)

CONTROLLED = '''
"""A step that takes long while a file is there, one whose result ages, one that fails at first."""

import os
import time

import flowkit as fk


@fk.step
def first() -> int:
    return 1


@fk.step
def slow(before: int, file: fk.Untracked[str]) -> int:
    open(file + ".begun", "w").close()
    while os.access(file, os.F_OK):
        time.sleep(0.05)
    return before


@fk.step(max_age="1h")
def ages(before: int) -> int:
    return before


@fk.step(retries=1, retry_delay="2s")
def flaky(file: fk.Untracked[str]) -> int:
    begun = fk.checkpoints() / "begun"
    if not begun.exists():
        begun.touch()
        open(file + ".begun", "w").close()
        raise ValueError("not at the first attempt")
    return 1


@fk.pipeline
def controlled(file: str = "absent") -> None:
    ages(slow(first(), file))


@fk.step
def bulk(number: int, before: int) -> bytes:
    return bytes([number]) * 10_000


@fk.step
def naps(file: fk.Untracked[str]) -> int:
    open(file + ".begun", "w").close()
    time.sleep(4)
    return 1


@fk.pipeline
def napping(file: str) -> None:
    naps(file)


@fk.pipeline
def bulky(number: int, file: str = "absent") -> None:
    bulk(number, slow(number, file))


@fk.pipeline
def retried(file: str = "absent") -> None:
    flaky(file)
'''

CLOCK = '''
"""Moves the clock that Python tells the time of day by, by the seconds that a file holds."""

import os
import posix
import time


def moved(tell, unit):
    def told():
        file = posix.open(os.environ["MOVED_CLOCK"], posix.O_RDONLY)
        try:
            return tell() + type(tell())(float(posix.read(file, 100)) * unit)
        finally:
            posix.close(file)

    return told


if "MOVED_CLOCK" in os.environ:
    time.time, time.time_ns = moved(time.time, 1), moved(time.time_ns, 1_000_000_000)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = (("pipelines/controlled.py", CONTROLLED), ("clocks/sitecustomize.py", CLOCK), ("clock", "0.0      "))
    return write_project(tmp_path / "project", files)


@dataclass(frozen=True)
class Row:
    """A way to end a run from outside, and how often."""

    number: signal.Signals
    times: int = 1
    terminal: bool = False


ROWS = {
    "sigterm": Row(signal.SIGTERM),
    "sigint": Row(signal.SIGINT),
    "sigint twice": Row(signal.SIGINT, times=2),
    "terminal closed": Row(signal.SIGHUP, terminal=True),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_run_that_is_ended_from_outside_goes_on_later(project: Path, tell_figure: Tell, row: Row) -> None:
    """Exit code 130 and the command that goes on; that run reuses what had finished, and the store is sound."""
    (project / "hold").touch()
    ours, theirs = pty.openpty() if row.terminal else (-1, None)
    driver = Driver(project, "run", "controlled", "-p", f"file={project / 'hold'}", terminal=theirs)
    wait_until((project / "hold.begun").exists, "the step never began")

    if row.terminal:
        assert theirs is not None
        os.close(theirs)
        os.close(ours)
    for _ in range(0 if row.terminal else row.times):
        driver.send(row.number, group=True)
        time.sleep(0.1)
    _, said = driver.finish()
    (project / "hold").unlink()
    again = spawn(project, "rerun", "--json")

    assert driver.code == 130, said
    assert row.terminal or "To go on: flowkit rerun 2" in said
    assert driver.left() == []
    assert outcomes_of(again.stdout) == {"first": "reused", "slow": "executed", "ages": "executed"}
    assert statuses(project) == ["cancelled", "succeeded"]
    assert_sound(project)
    tell_figure(CAMPAIGN, rows=1)


def test_the_same_pipeline_twice_at_once(project: Path, tell_figure: Tell) -> None:
    """Both succeed; each result is recorded once."""
    drivers = [Driver(project, "run", "controlled", "--json") for _ in range(2)]
    told = [driver.finish() for driver in drivers]

    assert [driver.code for driver in drivers] == [0, 0], told
    assert statuses(project) == ["succeeded", "succeeded"]
    assert select(project, "SELECT cache_key FROM nodes GROUP BY cache_key HAVING count(DISTINCT entry_key) > 1") == []
    assert_sound(project)
    tell_figure(CAMPAIGN, rows=1)


Command = Callable[..., dict[str, Any]]


@pytest.fixture
def moved(project: Path) -> Command:
    """Return what calls a command with the clock moved by some seconds, and gives its JSON."""

    def call(seconds: float, *arguments: str, code: int = 0) -> dict[str, Any]:
        (project / "clock").write_text(f"{seconds:<15}")
        done = spawn(project, *arguments, "--json", **clock_of(project))
        assert done.returncode == code, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    return call


def clock_of(project: Path) -> dict[str, str]:
    return {"PYTHONPATH": f"{project / 'clocks'}{os.pathsep}{ROOT}", "MOVED_CLOCK": str(project / "clock")}


def test_a_clock_that_goes_back_makes_nothing_again(project: Path, moved: Command, tell_figure: Tell) -> None:
    """By a day: what does not age is reused, and the latest run is the one that was started last."""
    first = moved(0.0, "run", "controlled")
    second = moved(-DAY, "run", "controlled")
    runs = moved(-DAY, "runs")["runs"]
    repeated = moved(-DAY, "rerun", "last")

    assert outcomes(second) == {"first": "reused", "slow": "reused", "ages": "executed"}
    assert reasons(second)["ages"] == ("expired", "its result bears a time that has not come, so its age is not known")
    assert [run["run"] for run in runs] == [second["run"], first["run"]]
    assert outcomes(repeated) == dict.fromkeys(("first", "slow", "ages"), "reused")
    assert all(run["seconds"] >= 0 for run in moved(0.0, "runs")["runs"])
    assert_sound(project)
    tell_figure(CAMPAIGN, rows=1)


def test_a_clock_that_was_ahead_leaves_no_result_for_ever(project: Path, moved: Command, tell_figure: Tell) -> None:
    """By a year, and back: what ages runs with each move, what does not is kept."""
    moved(0.0, "run", "controlled")
    ahead = moved(YEAR, "run", "controlled")
    back = moved(0.0, "run", "controlled")
    settled = moved(0.0, "run", "controlled")

    assert outcomes(ahead) == outcomes(back) == {"first": "reused", "slow": "reused", "ages": "executed"}
    assert reasons(ahead)["ages"] == ("expired", "its result is older than max_age")
    assert reasons(back)["ages"][0] == "expired"
    assert set(outcomes(settled).values()) == {"reused"}
    assert_sound(project)
    tell_figure(CAMPAIGN, rows=1)


def test_a_clock_that_moves_while_a_run_goes_on_delays_nothing(project: Path, tell_figure: Tell) -> None:
    """A retry that is due in two seconds comes then, though the clock goes back by a day meanwhile."""
    driver = Driver(project, "run", "retried", "--json", **clock_of(project))
    wait_until((project / "absent.begun").exists, "the step never failed")
    time.sleep(0.5)
    (project / "clock").write_text(f"{-DAY:<15}")
    out, err = driver.finish(30)

    told = json.loads(out)
    assert driver.code == 0, err
    assert outcomes(told) == {"flaky": "executed"}
    assert told["nodes"][0]["attempts"] == 2
    assert 0 <= told["seconds"] < 60
    tell_figure(CAMPAIGN, rows=1)


@pytest.mark.parametrize("seconds", BOTH_WAYS)
def test_a_moved_clock_takes_no_living_driver_for_dead(
    project: Path, moved: Command, tell_figure: Tell, seconds: float
) -> None:
    """Whether a driver lives is told by its lock: its run stays `running`, and one that was killed is `crashed`."""
    (project / "hold").touch()
    driver = Driver(project, "run", "controlled", "-p", f"file={project / 'hold'}")
    wait_until((project / "hold.begun").exists, "the step never began")

    beside = moved(seconds, "run", "controlled", "-p", "file=absent", "--select", "first")
    alive = statuses(project)
    driver.kill()
    moved(seconds, "run", "controlled", "--select", "first")

    assert outcomes(beside) == {"first": "reused"}
    assert alive == ["running", "succeeded"]
    assert statuses(project) == ["crashed", "succeeded", "succeeded"]
    tell_figure(CAMPAIGN, rows=1)


def test_a_collection_under_a_moved_clock_takes_nothing_that_is_in_use(
    project: Path, moved: Command, tell_figure: Tell
) -> None:
    """The latest runs are the last that began; what bears a time to come stays; a run that goes on keeps its own."""
    moved(YEAR, "run", "bulky", "-p", "number=1")
    moved(0.0, "run", "bulky", "-p", "number=2")
    earlier = moved(-YEAR, "gc", "--keep-for", "1h", "--dry-run")
    latest = moved(YEAR, "gc", "--keep-runs", "1", "--dry-run")
    (project / "hold").touch()
    live = Driver(project, "run", "bulky", "-p", "number=2", "-p", f"file={project / 'hold'}", "--force", "slow")
    wait_until((project / "hold.begun").exists, "the step never began")
    during = moved(2 * YEAR, "gc", "--keep-for", "1h")
    (project / "hold").unlink()
    _, said = live.finish()
    again = moved(0.0, "run", "bulky", "-p", "number=2")

    assert [fate["decision"] for fate in earlier["artifacts"]] == ["keep", "keep"]
    assert sorted(fate["decision"] for fate in latest["artifacts"]) == ["drop", "keep"]
    assert next(fate["reason"] for fate in latest["artifacts"] if fate["decision"] == "drop").startswith("no pipeline")
    assert {fate["decision"] for fate in during["artifacts"]} == {"keep"}
    assert live.code == 0, said
    assert set(outcomes(again).values()) == {"reused"}
    assert_sound(project)
    tell_figure(CAMPAIGN, rows=1)


@pytest.mark.parametrize("seconds", BOTH_WAYS)
def test_a_claim_is_heeded_under_a_moved_clock(project: Path, tell_figure: Tell, seconds: float) -> None:
    """A driver whose clock is another waits for the node that the first one runs, and takes its result."""
    run = ("run", "napping", "-p", f"file={project / 'nap'}", "--json")
    first = Driver(project, *run)
    wait_until((project / "nap.begun").exists, "the step never began")
    (project / "nap.begun").unlink()
    (project / "clock").write_text(f"{seconds:<15}")
    second = Driver(project, *run, **clock_of(project))
    told = [driver.finish() for driver in (first, second)]

    assert [first.code, second.code] == [0, 0], told
    assert not (project / "nap.begun").exists()
    assert [outcomes_of(out) for out, _ in told] == [{"naps": "executed"}, {"naps": "reused"}]
    assert_sound(project)
    tell_figure(CAMPAIGN, rows=1)


@pytest.mark.parametrize("seconds", BOTH_WAYS)
def test_a_backup_under_a_moved_clock_is_whole(
    project: Path, moved: Command, tell_figure: Tell, seconds: float
) -> None:
    """Made and restored while the clock says something else: all of it is reused, and nothing counts as too old."""
    moved(0.0, "run", "controlled")
    moved(seconds, "backup", "made.tar")
    moved(-seconds, "backup", "--restore", "made.tar", "--store", "restored")
    again = moved(0.0, "run", "controlled", "--store", "restored")

    assert set(outcomes(again).values()) == {"reused"}
    assert moved(seconds, "verify", "--store", "restored")["sound"]
    tell_figure(CAMPAIGN, rows=1)


def outcomes(told: dict[str, Any]) -> dict[str, str]:
    return {node["node"]: node["outcome"] for node in told["nodes"]}


def outcomes_of(text: str) -> dict[str, str]:
    return outcomes(json.loads(text))


def reasons(told: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {node["node"]: (node["reason"], node["detail"]) for node in told["nodes"]}


def assert_sound(project: Path) -> None:
    verified = spawn(project, "verify", "--json")
    assert verified.returncode == 0, verified.stdout + verified.stderr
