"""Figure 3: whole runs whose driver, step host, Dask worker or nanny is killed, and the run that comes next.

Each step notes its beginning and its end in a file outside of the store. What had succeeded is read from the database
by plain SQL between the kill and the next run; that run must execute the rest, and nothing else.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import pytest

from flowkit.execution.process_tree import children_of, descendants_of
from tests.commands import spawn
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.faults.commands import (
    MARK,
    Driver,
    is_step_host,
    marked_processes,
    select,
    statuses,
    wait_until,
    write_project,
)
from tests.faults.conftest import Tell
from tests.faults.scale import SEED, shares

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(600)]

LOCAL, CLUSTER = 160, 40
AT_ONCE = 2
MOST_MISSES = 10

MARKS = '''
"""Notes, outside of the store, that a step begins and ends."""

import os
import time
from contextlib import contextmanager


@contextmanager
def marked(log, name, seconds=0.0):
    note(log, "begin " + name)
    time.sleep(seconds)
    yield
    note(log, "end " + name)


def note(log, text):
    file = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.write(file, (text + "\\n").encode())
    os.close(file)
'''

CAMPAIGN = '''
"""Twenty nodes: chains of small ones, mapped ones, long ones, one that fails at first, one never kept, a promotion."""

import flowkit as fk
from campaign.marks import marked

Log = fk.Untracked[str]


@fk.step
def source(log: Log) -> list[int]:
    with marked(log, "source"):
        return [1, 2, 3]


@fk.step
def part(log: Log, number: int) -> int:
    with marked(log, f"part[{number}]", 0.03):
        return number * 10


@fk.step
def grow(log: Log, number: int) -> int:
    with marked(log, f"grow[{number - 1}]", 0.03):
        return number * 100


@fk.step
def link(log: Log, name: str, number: int) -> int:
    with marked(log, name):
        return number + 1


@fk.step
def long(log: Log, name: str, seconds: float, number: int) -> list[int]:
    with marked(log, name, seconds):
        return list(range(number * 1000))


@fk.step(retries=2)
def flaky(log: Log, number: int) -> int:
    with marked(log, "flaky"):
        begun = fk.checkpoints() / "begun"
        if not begun.exists():
            begun.touch()
            raise ValueError("not at the first attempt")
        return number


@fk.step(cache=False)
def watermark(log: Log) -> int:
    with marked(log, "watermark"):
        return 1


@fk.step
def fit(log: Log, parts: list[int], grown: list[int], rows: list[int], others: list[int]) -> dict[str, float]:
    with marked(log, "fit", 0.05):
        return {"slope": float(sum(parts) + sum(grown) + len(rows) + len(others))}


@fk.step
def evaluate(log: Log, model: dict[str, float], number: int) -> fk.Metrics:
    with marked(log, "evaluate"):
        return fk.Metrics(accuracy=0.9)


@fk.pipeline
def campaign(log: str) -> None:
    numbers = source(log)
    parts = fk.collect(part(log, fk.each([0, 1, 2, 3, 4])))
    grown = fk.collect(grow(log, fk.each(numbers)))
    number = 1
    for index in range(4):
        number = link.named(f"link{index}")(log, f"link{index}", number)
    rows = long.named("rows")(log, "rows", 0.25, number)
    others = long.named("others")(log, "others", 0.15, flaky(log, 2))
    watermark(log)
    model = fit(log, parts, grown, rows, others)
    fk.promote(
        model,
        to="campaign@champion",
        metrics=evaluate(log, model, number),
        gates=[fk.at_least("accuracy", 0.5)],
    )
'''

FILES = (
    ("campaign/__init__.py", ""),
    ("campaign/marks.py", MARKS),
    ("pipelines/campaign.py", CAMPAIGN),
)
LINKS = {f"link{index}" for index in range(4)}
NODES = {
    *("source", "rows", "others", "flaky", "watermark", "fit", "evaluate"),
    *(f"part[{index}]" for index in range(5)),
    *(f"grow[{index}]" for index in range(3)),
    *LINKS,
}
NEVER_KEPT = {"watermark"}

SUCCEEDED = "SELECT DISTINCT node FROM nodes WHERE outcome IN ('executed', 'reused')"


@dataclass
class Trial:
    """One kill and the run that comes next.

    Attributes:
        base: A folder of its own.
        find_victims: Gives the processes that may be killed, for the driver that runs.
        scheduler: Arguments that name the cluster, if there is one.
        verified: Whether all that is stored is gone through in the end; that takes as long as a run.
        mend: Puts back what was killed and does not come back by itself.
    """

    base: Path
    chance: random.Random
    find_victims: Callable[[Driver], list[int]]
    scheduler: tuple[str, ...] = ()
    verified: bool = True
    mend: Callable[[], None] = lambda: None
    folder: Path = field(init=False)

    def start(self, log: str) -> Driver:
        """Start a run with a log of its own: on a cluster the steps of a killed driver go on for a moment."""
        file = self.folder / log
        file.touch()
        return Driver(self.folder, "run", "campaign", "-p", f"log={file}", "--json", "--workers", "2", *self.scheduler)

    def succeeded(self) -> set[str]:
        """Return the steps that have succeeded, as the database says."""
        return {str(node) for (node,) in select(self.folder, SUCCEEDED)} & NODES

    def make(self) -> None:
        """Kill, run again, and judge; a run that was over before it could be killed is judged and tried anew."""
        for attempt in range(MOST_MISSES):
            self.folder = self.base / f"{attempt}"
            write_project(self.folder, FILES)
            driver = self.start("killed.log")
            hit = self._kill_in_time(driver)
            out, err = driver.finish()
            self.mend()
            self._judge_killed(driver, out, err)
            self._go_on(driver)
            if hit:
                return
        raise AssertionError("every run was over before it could be killed")

    def _go_on(self, killed: Driver) -> None:
        """Run again, and judge what that does."""
        committed, known = self.succeeded(), statuses(self.folder)
        again = self.start("next.log")
        out, err = again.finish()
        assert again.code == 0, f"{err}\n{out}"
        self._judge_executed(json.loads(out), committed, (self.folder / "next.log").read_text().splitlines())
        self._judge_store(known)
        assert killed.left() == [], "processes of the killed run are left"

    def _kill_in_time(self, driver: Driver) -> bool:
        """Kill at a random moment, half of the times after the first commit; say whether that hit something."""
        if self.chance.random() < 0.5:
            wait_until(lambda: driver.code is not None or bool(self.succeeded()), "nothing is ever committed")
            self._sleep(driver, 0.8)
        else:
            self._sleep(driver, 1.5)
        victims: list[int] = []
        wait_until(lambda: driver.code is not None or victims.extend(self.find_victims(driver)) or bool(victims), "")
        if driver.code is not None:
            return False
        try:
            os.kill(self.chance.choice(victims), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _sleep(self, driver: Driver, most: float) -> None:
        end = time.monotonic() + self.chance.uniform(0, most)
        while time.monotonic() < end and driver.code is None:
            time.sleep(0.02)

    def _judge_killed(self, driver: Driver, out: str, err: str) -> None:
        """A run whose driver lives ends by itself, and each node that failed says by whose death."""
        if driver.code == -signal.SIGKILL:
            return
        assert driver.code in (0, 1), err
        for node in json.loads(out)["nodes"]:
            assert node["outcome"] in ("executed", "failed", "blocked"), node
            if node["outcome"] == "failed":
                said = node["error"]["message"]
                assert "SIGKILL" in said or "worker" in said, said

    def _judge_executed(self, told: dict[str, object], committed: set[str], marks: list[str]) -> None:
        """The next run executes what was not committed: none twice, none missing."""
        due = NODES - committed | NEVER_KEPT
        ended = Counter(mark.removeprefix("end ") for mark in marks if mark.startswith("end "))
        begun = Counter(mark.removeprefix("begin ") for mark in marks if mark.startswith("begin "))
        assert ended == Counter(dict.fromkeys(due, 1))
        assert set(begun) == due
        assert {node for node, count in begun.items() if count > 1} <= {"flaky"}
        nodes = {node["node"]: node["outcome"] for node in told["nodes"]}  # type: ignore[attr-defined]
        assert {node for node, outcome in nodes.items() if outcome == "executed"} - {"promote"} == due
        assert set(nodes.values()) <= {"executed", "reused"}

    def _judge_store(self, known: list[str]) -> None:
        """The killed run is a crashed one, the model is promoted once, and all that is stored is sound."""
        now = statuses(self.folder)
        assert now == [*("crashed" if status == "running" else status for status in known), "succeeded"]
        assert select(self.folder, "SELECT count(*) FROM models") == [(1,)]
        assert select(self.folder, "SELECT alias, version FROM aliases") == [("champion", 1)]
        assert select(self.folder, "PRAGMA integrity_check") == [("ok",)]
        if self.verified:
            verified = spawn(self.folder, "verify", "--json")
            assert verified.returncode == 0, verified.stdout + verified.stderr


def driver_of(driver: Driver) -> list[int]:
    return [driver.pid]


def make_trials(trials: list[Trial], tell: Tell, campaign: str, at_once: int) -> None:
    """Make all trials, some at once, and tell what came of them before any of them is complained of."""
    with ThreadPoolExecutor(at_once) as pool:
        waiting = [pool.submit(trial.make) for trial in trials]
    failures = [failure for made in waiting if (failure := made.exception()) is not None]
    tell(campaign, kills=len(trials), violations=len(failures))
    if failures:
        raise BaseExceptionGroup(campaign, failures)


@pytest.mark.parametrize(("seed", "count"), shares(LOCAL, 20))
def test_the_next_run_executes_what_was_not_committed(tmp_path: Path, tell_figure: Tell, seed: int, count: int) -> None:
    """After SIGKILL of the driver or of a step host, the next run succeeds by running exactly the rest."""
    trials = []
    for index in range(count):
        chance = random.Random(1000 * SEED + seed + index)
        find = driver_of if index % 2 else Driver.hosts
        trials.append(Trial(tmp_path / f"{index}", chance, find, verified=index % 4 == 0))

    make_trials(trials, tell_figure, "kills in whole runs", AT_ONCE)


class Nannies:
    """Two nannies of a cluster, with their workers and step hosts; one that was killed is replaced."""

    def __init__(self, cluster: DaskCluster) -> None:
        self.mark = uuid4().hex
        self._cluster = cluster
        self._nannies = [self._add() for _ in range(2)]

    def nannies(self, driver: Driver) -> list[int]:
        return [nanny.pid for nanny in self._nannies if nanny.poll() is None]

    def workers(self, driver: Driver) -> list[int]:
        hosts = self.hosts(driver)
        return [pid for pid in self._below(driver) if any(host in children_of(pid) for host in hosts)]

    def hosts(self, driver: Driver) -> list[int]:
        return [pid for pid in self._below(driver) if is_step_host(pid)]

    def replace_killed(self) -> None:
        self._nannies = [nanny if nanny.poll() is None else self._add() for nanny in self._nannies]

    def _below(self, driver: Driver) -> list[int]:
        return [pid for nanny in self.nannies(driver) for pid in descendants_of(nanny)]

    def _add(self) -> subprocess.Popen[bytes]:
        return self._cluster.add_nanny(**{MARK: self.mark})


@pytest.mark.parametrize(("seed", "count"), shares(CLUSTER, 10))
def test_the_next_run_on_a_cluster_executes_what_was_not_committed(
    tmp_path: Path, tell_figure: Tell, seed: int, count: int
) -> None:
    """The same on an external cluster, where a worker or its nanny may be killed as well; no step host outlives it."""
    with dask_cluster(tmp_path / "cluster") as cluster:
        nannies = Nannies(cluster)
        victims = (nannies.workers, nannies.nannies, nannies.hosts, driver_of)
        for index, find in zip(range(count), cycle(victims), strict=False):
            chance = random.Random(1000 * SEED + LOCAL + seed + index)
            scheduler = ("--scheduler", cluster.address)
            trial = Trial(tmp_path / f"{index}", chance, find, scheduler, True, nannies.replace_killed)
            make_trials([trial], tell_figure, "kills in whole runs", 1)

    wait_until(lambda: marked_processes(nannies.mark) == [], "processes of the cluster are left")
