"""The start of the process that computes for steps, broken off before it has come up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowkit.errors import WorkerError
from flowkit.execution.dask_compute import LocalCompute
from flowkit.execution.process_tree import children_of
from tests.execution.workshop import Workshop

pytestmark = pytest.mark.cluster

Open = Callable[..., Workshop]


def compute_process() -> int:
    """Wait until the process has been started, and return it: as long as it is a copy of this one, this one waits."""
    end = time.monotonic() + 20
    while True:
        for child in children_of(os.getpid()):
            if b"compute_cluster" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        assert time.monotonic() < end, "nothing was started"
        time.sleep(0.001)


def test_closing_does_not_wait_for_a_start(open_workshop: Open) -> None:
    """One that never comes up is ended at once; who waits for its address is told, and nothing is left of it."""
    settings = open_workshop("").settings(bundle=False)
    compute = LocalCompute(1)
    refused: list[str] = []

    def ask() -> None:
        with pytest.raises(WorkerError, match="cannot be started") as told:
            compute.open(settings)
        refused.append(dict(told.value.facts)["reason"])

    opened = len(os.listdir("/proc/self/fd"))
    asking = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
    for thread in asking:
        thread.start()
    child = compute_process()
    os.kill(child, signal.SIGSTOP)
    closing = threading.Thread(target=compute.close, daemon=True)

    closing.start()
    for thread in (closing, *asking):
        thread.join(10)

    assert not any(thread.is_alive() for thread in (closing, *asking))
    assert len(refused) == 2
    assert not Path(f"/proc/{child}").exists()
    assert len(os.listdir("/proc/self/fd")) == opened
