"""Several sessions in one process: the end of one does not let Dask speak of the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

FLOW = """
import time
import flowkit as fk

@fk.step
def wait(seconds: float) -> float:
    time.sleep(seconds)
    return seconds

@fk.pipeline
def waiting(seconds: float = 0.0) -> float:
    return wait(seconds)
"""

PROGRAM = """
import threading
import flowkit as fk
from waits import waiting

def run(seconds):
    with fk.Session() as session:
        print(session.run(waiting, seconds=seconds).status)

if __name__ == "__main__":
    threads = [threading.Thread(target=run, args=(number / 2,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_sessions_that_end_one_after_another_print_nothing(tmp_path: Path) -> None:
    """Neither what Dask notes as it closes nor that its folders are gone already reaches the terminal."""
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "waits.py").write_text(FLOW)
    (tmp_path / "program.py").write_text(PROGRAM)

    ended = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("succeeded") == 3
    assert "distributed" not in ended.stderr
