"""Digests are the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("determinism_program.py")


def start(seed: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT)}
    command = [sys.executable, str(PROGRAM), seed]
    return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_processes_agree_on_every_digest(tmp_path: Path) -> None:
    """Hash seed, order of insertion, process and working directory do not count: in JSON, files or estimators."""
    started = [start(seed, folder) for seed, folder in (("1", tmp_path), ("4242", PROJECT))]
    first, second = (process.communicate(timeout=100)[0].splitlines() for process in started)
    assert [process.returncode for process in started] == [0, 0]
    assert len(first) == len(set(first)) == 16
    assert first == second
