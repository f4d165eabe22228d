"""A worker that dies when it has done its task, and before it has given the result to anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.dask_cluster import dask_cluster
from tests.faults.commands import Driver, wait_until, write_project

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

DIES_WHEN_ASKED = '''
"""A worker's preload: it is killed where it is first asked for a result."""

import os
import signal


def dask_setup(worker):
    worker.handlers["get_data"] = lambda *given, **named: os.kill(os.getpid(), signal.SIGKILL)
'''

STEPS = """
import time

import flowkit as fk


@fk.step(retries=2)
def part(number: int) -> int:
    time.sleep(0.2)
    return number


@fk.step(retries=2)
def total(numbers: list[int]) -> int:
    return sum(numbers)


@fk.pipeline
def lost() -> None:
    total(fk.collect(part(fk.each(list(range(6))))))
"""


def test_a_result_that_dies_with_its_worker_holds_up_nothing(tmp_path: Path) -> None:
    """What the dead worker ran is run again by the other one, whose results arrive meanwhile."""
    project = write_project(tmp_path / "project", [("pipelines/lost.py", STEPS)])
    preload = tmp_path / "dies.py"
    preload.write_text(DIES_WHEN_ASKED)
    with dask_cluster(tmp_path / "cluster") as cluster:
        dying = cluster.add_worker("--preload", str(preload))
        cluster.add_worker()
        driver = Driver(project, "run", "lost", "--json", "--scheduler", cluster.address)
        wait_until(lambda: dying.poll() is not None or driver.code is not None, "it was never asked for a result")

        out, err = driver.finish(40)

    assert dying.poll() is not None
    assert driver.code == 0, err + out
    nodes = {node["node"]: node["outcome"] for node in json.loads(out)["nodes"]}
    assert set(nodes.values()) == {"executed"}
    assert len(nodes) == 7
