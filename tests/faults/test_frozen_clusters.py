"""A cluster that stands still, neither dead nor alive: whoever interrupts the run does not wait for it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkit.execution.process_tree import descendants_of
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.faults.commands import Driver, select, statuses, wait_until, write_project

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

FIRST, SECOND = 5.0, 1.0

STEPS = """
import time

import flowkit as fk


@fk.step
def quick() -> int:
    return 1


@fk.step
def lasts(ready: fk.Untracked[str], before: int) -> int:
    open(ready, "w").close()
    time.sleep(600)
    return 1


@fk.pipeline
def frozen(ready: str) -> None:
    lasts(ready, quick())
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[DaskCluster, subprocess.Popen[bytes]]]:
    """Give a scheduler with one worker."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made, made.add_worker()


@pytest.mark.parametrize("who", ["scheduler", "worker"])
@pytest.mark.parametrize("signals", [1, 2])
def test_an_interrupted_run_does_not_wait_for_what_stands_still(
    cluster: tuple[DaskCluster, subprocess.Popen[bytes]], tmp_path: Path, who: str, signals: int
) -> None:
    """Within five seconds the run is recorded as cancelled, and within one after a second Ctrl-C."""
    started, worker = cluster
    process = started.scheduler if who == "scheduler" else worker
    limit = FIRST if signals == 1 else SECOND
    for turn in range(2):
        project = write_project(tmp_path / f"project{turn}", [("pipelines/frozen.py", STEPS)])
        driver, err, seconds = interrupt(project, started.address, process.pid, signals)

        assert driver.code == 130, err
        assert "Traceback" not in err
        assert statuses(project) == ["cancelled"]
        assert nodes(project) == [("lasts", "cancelled"), ("quick", "executed")]
        what = "what ran on the worker was not ended when it went on"
        wait_until(lambda: not list(descendants_of(worker.pid)), what)
        if seconds < limit:
            break
    # Once more where a busy machine made it late.
    assert seconds < limit


def interrupt(project: Path, scheduler: str, frozen: int, signals: int) -> tuple[Driver, str, float]:
    """Freeze a process while a step runs, interrupt the run, and say how long after the last signal it ended."""
    ready = project / "ready"
    driver = Driver(project, "run", "frozen", "-p", f"ready={ready}", "--scheduler", scheduler)
    wait_until(ready.exists, "the step never began")
    wait_until(lambda: ("quick", "executed") in nodes(project), "the first node is never recorded")
    os.kill(frozen, signal.SIGSTOP)
    try:
        time.sleep(0.3)
        for turn in range(signals):
            time.sleep(0.5 * turn)
            began = time.monotonic()
            driver.send(signal.SIGINT, group=True)
        _, err = driver.finish(15)
        return driver, err, time.monotonic() - began
    finally:
        os.kill(frozen, signal.SIGCONT)


def nodes(project: Path) -> list[tuple[object, ...]]:
    return select(project, "SELECT node, outcome FROM nodes ORDER BY node")
