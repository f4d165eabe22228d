"""Processes at work on one store are killed at random moments, and none of them spoils anything for the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import Tell
from tests.faults.scale import shares

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("seed", "kills"), shares(1000, 250))
def test_a_killed_process_leaves_nothing_half_and_takes_nothing_back(
    seed: int, kills: int, tmp_path: Path, tell_figure: Tell
) -> None:
    """SIGKILL at any moment of put, commit, promotion or roll-back: the store is sound and every promise is kept."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.store_kills", str(tmp_path), str(seed), str(kills)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    tell_figure("2 kills at store level", **answer["counts"], violations=len(answer["violations"]))

    assert answer["violations"] == []
    assert answer["counts"]["promises"] > kills // 4, done.stderr
