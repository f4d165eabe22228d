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
