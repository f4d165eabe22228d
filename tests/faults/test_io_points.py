"""Every call that changes a file of the store fails once, finds the disk full, or is the last one of its process.

For each point of each operation: after the fault the database is sound, no row names a blob that is missing, no blob is
torn, there is one champion and the audit chain is whole; done again, it ends as if nothing had happened. The same holds
for what a power cut leaves, at any point, of what was not synced.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests.faults.conftest import Tell
from tests.faults.io_operations import OPERATIONS
from tests.faults.scale import SCALE
from tests.faults.shim import compile_shim, preloading

ROOT = Path(__file__).parents[2]
PROCESSES = 2
NAMES = [operation.name for operation in OPERATIONS if operation.in_gate or SCALE == 1]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Have two processes try all operations that are asked for, and hand each test what was found of its own."""
    wanted = {item.callspec.params["name"] for item in request.session.items if item.path == request.path}
    folder = tmp_path_factory.mktemp("points")
    environment = {**preloading(compile_shim(folder)), "PYTHONPATH": str(ROOT)}
    servers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.io_trials", str(folder / f"work-{number}")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    for server in servers:
        idle.put(server)

    def ask(name: str) -> Any:
        server = idle.get()
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(f"{name}\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        idle.put(server)
        return answer

    with ThreadPoolExecutor(PROCESSES) as pool:
        yield {name: pool.submit(ask, name) for name in NAMES if name in wanted}
    for server in servers:
        server.communicate()


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_at_any_point_tears_nothing_and_loses_nothing(
    name: str, answers: dict[str, Any], tell_figure: Tell
) -> None:
    """Whichever call is struck, and however: the same zeros, and the operation can be done again to its end."""
    answer = answers[name].result()
    tell_figure("1 I/O points", **answer["counts"], violations=len(answer["violations"]))

    assert answer["violations"] == []
    assert answer["counts"]["points"] > 0
