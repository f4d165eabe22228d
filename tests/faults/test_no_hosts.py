"""A machine on which no further process can be started, in the middle of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import spawn
from tests.faults.commands import statuses, write_project

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

STEPS = """
import os
import shutil
import time
from pathlib import Path

import flowkit as fk


@fk.step
def first() -> int:
    return 1


@fk.step
def takes_away(before: int) -> int:
    time.sleep(0.5)
    shutil.rmtree(os.environ["TMPDIR"])
    Path(os.environ["TMPDIR"]).touch()
    os._exit(3)


@fk.step
def lasts(before: int) -> int:
    time.sleep(1.5)
    return 1


@fk.step(cpus=2)
def needs_another(number: int) -> int:
    return number


@fk.pipeline
def taken() -> None:
    before = first()
    takes_away(before)
    needs_another(lasts(before))
"""


def test_a_run_ends_when_no_step_host_can_be_started(tmp_path: Path) -> None:
    """What runs elsewhere is finished and recorded, then the run fails, and says what is missing and what to do."""
    project = write_project(tmp_path / "project", [("pipelines/taken.py", STEPS)])
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    run = spawn(project, "run", "taken", "--workers", "2", "--json", TMPDIR=str(temporary))

    assert run.returncode == 4, run.stderr
    error = json.loads(run.stdout)["error"]
    assert error["message"] == "Workers cannot be started on this machine."
    assert str(temporary) in error["facts"]["reason"]
    assert "TMPDIR" in error["hint"]
    assert statuses(project) == ["failed"]
    again = spawn(project, "run", "taken", "--json")
    nodes = {node["node"]: node["outcome"] for node in json.loads(again.stdout)["nodes"]}
    assert (nodes["first"], nodes["lasts"]) == ("reused", "reused")
