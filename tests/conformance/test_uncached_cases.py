"""What must not be reused, and must say so: a step that has no key runs every time, and the culprit is named."""

from __future__ import annotations

import pytest

from tests.conformance.project_folder import Project
from tests.conformance.uncached_tables import UNCACHED, Uncached
from tests.journeys.project import Outcome

pytestmark = pytest.mark.slow

PIPELINE = '''"""All steps that run every time, and one that does not."""

from pathlib import Path

import flowkit as fk
{imports}


@fk.step
def plain() -> int:
    return 1


@fk.pipeline
def uncached() -> None:
    plain()
{calls}
'''


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Outcome]:
    """Return what two runs did between which nothing happened."""
    project = Project.make(tmp_path_factory.mktemp("uncached") / "project")
    project.write("data/in.txt", "in")
    project.write("data/folder/x", "x")
    project.write("data/beside.txt", "beside")
    project.write("broken.py", 'raise ImportError("not for this machine")\n')
    for case in UNCACHED:
        project.write(f"steps/{case.step}.py", case.text)
    imports = "\n".join(f"from steps.{case.step} import {case.step}" for case in UNCACHED)
    calls = "\n".join(f"    {case.step}{case.arguments}" for case in UNCACHED)
    project.write("pipelines/uncached.py", PIPELINE.format(imports=imports, calls=calls))
    return project.run("uncached"), project.run("uncached")


@pytest.mark.parametrize("case", UNCACHED, ids=[case.label for case in UNCACHED])
def test_what_has_no_key_runs_every_time(twice: tuple[Outcome, Outcome], case: Uncached) -> None:
    """It runs, for `uncached`, and the detail names what keeps it from being reused; one step beside it is reused."""
    first, second = (done.nodes[case.step] for done in twice)
    assert (first["outcome"], second["outcome"]) == ("executed", "executed")
    assert second["reason"] == "uncached"
    assert case.culprit in second["detail"]
    assert twice[1].nodes["plain"]["outcome"] == "reused"


LIVE = '''"""Live things as parameters and as outputs."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import flowkit as fk


@fk.step
def keep(value: Any) -> str:
    return "kept"


@fk.step
def give_lock() -> Any:
    return {"inside": [threading.Lock()]}


@fk.step
def give_file() -> Any:
    return open(os.devnull)


@fk.step
def give_connection() -> Any:
    return sqlite3.connect(":memory:")


@fk.step
def give_generator() -> Any:
    return (n for n in range(3))


@fk.pipeline
def live() -> None:
    give_lock()
    give_file()
    give_connection()
    give_generator()
    keep.named("generator")((n for n in range(3)))
    keep.named("lock")(threading.Lock())
    keep.named("file")([{"log": open(os.devnull)}])
'''


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return what the second run of live things did."""
    project = Project.make(tmp_path_factory.mktemp("live") / "project")
    project.write("pipelines/live.py", LIVE)
    arguments = ("run", "pipelines/live.py", "--inline", "--json")
    assert project.flowkit(*arguments).code == 1
    return project.flowkit(*arguments)


ARGUMENTS = {
    "case 100: a generator as a parameter": ("generator", "'value'"),
    "case 102: a lock as a parameter": ("lock", "A lock cannot be stored."),
    "case 102: an open file inside a parameter": ("file", "An open file cannot be stored."),
}


@pytest.mark.parametrize(("node", "said"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_parameter_without_encoding_is_an_error(refused: Outcome, node: str, said: str) -> None:
    """A live thing as an argument fails its node, which is not called; the parameter and the place are named."""
    found = refused.nodes[node]
    error = found["error"]
    assert found["outcome"] == "failed"
    assert said in error["message"]
    assert "argument 'value'" in error["message"] or error["facts"]["parameter"] == "value"
    assert "pipelines/live.py" in error["facts"]["called"]


GIVEN = {
    "case 102: a lock as an output": ("give_lock", "A lock cannot be stored."),
    "case 102: an open file as an output": ("give_file", "An open file cannot be stored."),
    "case 102: a connection as an output": ("give_connection", "A database cursor or connection cannot be stored."),
    "case 102: a generator as an output": ("give_generator", "A generator cannot be stored."),
}


@pytest.mark.parametrize(("node", "said"), GIVEN.values(), ids=GIVEN)
def test_a_live_output_is_refused(refused: Outcome, node: str, said: str) -> None:
    """A step that gives a live thing fails every time; what it gave and what to do instead are named."""
    found = refused.nodes[node]
    assert (found["outcome"], found["reason"]) == ("failed", "failed")
    assert found["error"]["message"] == said
    assert found["error"]["hint"]
