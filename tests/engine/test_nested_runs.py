"""A run within a run: a step that holds a session, run in the driver's own process."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FLOW = """
import time
from pathlib import Path

import flowkit as fk


@fk.step
def inner(n: int) -> int:
    Path("began").touch()
    time.sleep(60)
    return n


@fk.pipeline
def within(n: int = 1) -> int:
    return inner(n)


@fk.step
def outer(n: int) -> int:
    with fk.Session(store="within", workers=1) as session:
        session.run(within)
    return n


@fk.step
def after(n: int) -> int:
    Path("went_on").touch()
    return n


@fk.pipeline
def main(n: int = 1) -> int:
    return after(outer(n))
"""


@pytest.mark.slow
def test_one_signal_ends_both_runs(tmp_path: Path) -> None:
    """The inner run is cancelled, and so is the outer one: what would come after it does not run."""
    (tmp_path / "flow.py").write_text(FLOW)
    command = [sys.executable, "-m", "flowkit", "run", "flow.py:main", "--inline"]
    driver = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        while not (tmp_path / "began").exists():
            assert driver.poll() is None
            time.sleep(0.02)
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=60)
    finally:
        driver.kill()

    assert driver.returncode == 130
    assert not (tmp_path / "went_on").exists()
