"""Where Python is installed around the project, the project's files are still the project's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

STEPS = """
import flowkit as fk


@fk.step
def rate() -> float:
    return float(open("rate.txt").read())


@fk.pipeline
def rates() -> None:
    rate()
"""


@pytest.mark.slow
def test_a_file_beside_a_virtual_environment_in_the_projects_root_counts(tmp_path: Path) -> None:
    """`python -m venv .` makes the root the environment: what a step reads there is an input all the same."""
    venv.create(tmp_path, symlinks=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "rates"\nversion = "0"\n')
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "rates.py").write_text(STEPS)

    outcomes = []
    for rate in ("1.5", "2.5", "2.5"):
        (tmp_path / "rate.txt").write_text(rate)
        outcomes.append(outcome_of_run(tmp_path))

    assert outcomes == ["executed", "executed", "reused"]


def outcome_of_run(project: Path) -> str:
    """Run the project with the Python of its own environment, which sees what this one has installed."""
    run = subprocess.run(
        [project / "bin" / "python", "-m", "flowkit", "run", "rates", "--json", "--workers", "1"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return str(json.loads(run.stdout)["nodes"][0]["outcome"])
