"""The local cluster for the Dask computations of steps, and what steps that are gone leave in it."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest

from flowkit.execution.base import HostSettings
from flowkit.execution.dask_compute import LocalCompute

pytestmark = pytest.mark.slow


def note(file: str) -> None:
    with open(file, "a") as opened:
        opened.write(f"{os.getpid()}\n")


def wait_for(began: str, file: str) -> int:
    note(began)
    while not os.path.exists(file):
        time.sleep(0.02)
    return os.getpid()


def hang(began: str) -> None:
    note(began)
    time.sleep(10_000)


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[functools.partial[distributed.Client]]:
    """A local cluster of two threads, which imports this module; what makes clients of it."""
    local = LocalCompute(2)
    root = Path(__file__).parents[2]
    place = local.open(HostSettings(str(tmp_path), str(root), (), None))
    yield functools.partial(distributed.Client, place.address, set_as_default=False)
    local.close()


def begun(file: Path, times: int) -> None:
    end = time.monotonic() + 60
    while not file.exists() or len(file.read_text().splitlines()) < times:
        assert time.monotonic() < end, f"{file.name} began less than {times} times"
        time.sleep(0.02)


def forgotten(client: distributed.Client) -> None:
    """Wait until the scheduler wants no task any more."""
    end = time.monotonic() + 60
    while any(client.processing().values()):
        assert time.monotonic() < end, "what was left is still wanted"
        time.sleep(0.02)


def test_what_a_killed_step_left_running_gives_the_worker_back_and_nobody_is_blamed(
    compute: functools.partial[distributed.Client], tmp_path: Path
) -> None:
    """As often as a client leaves tasks that do not end, the worker is replaced; another's task outlives them all."""
    bystander, go, hung = tmp_path / "bystander", tmp_path / "go", tmp_path / "hung"
    with compute() as other:
        waiting = other.submit(wait_for, str(bystander), str(go))
        for number in range(3):
            begun(bystander, number + 1)
            with compute() as killed:
                futures = [killed.submit(hang, str(hung), pure=False) for _ in range(2)]
                begun(hung, number + 1)
            del futures

        begun(bystander, 4)
        go.touch()

        pids = [int(line) for line in bystander.read_text().splitlines()]
        assert waiting.result(60) == pids[-1]
        assert len({*pids}) == 4
    assert not [pid for pid in {*pids} if os.path.exists(f"/proc/{pid}") and pid != pids[-1]]


def test_what_ends_by_itself_costs_nobody_anything(
    compute: functools.partial[distributed.Client], tmp_path: Path
) -> None:
    """A client that leaves tasks which end in a moment, or that have not begun, leaves the worker as it is."""
    began, go = tmp_path / "began", tmp_path / "go"
    with compute() as other:
        before = other.submit(os.getpid, pure=False).result(60)
        with compute() as leaving:
            futures = [leaving.submit(wait_for, str(began), str(go), pure=False) for _ in range(6)]
            begun(began, 2)
        del futures
        forgotten(other)
        go.touch()
        # Longer than what was left has to end.
        time.sleep(1.5)
        assert other.submit(os.getpid, pure=False).result(60) == before
    assert len(began.read_text().splitlines()) == 2
