"""What must be noticed: what a step reads without declaring it counts, and exactly the steps that read it run again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.observed_tables import APPEARANCES, READS, VARIABLES, Read
from tests.conformance.project_folder import Project
from tests.journeys.observed_data import write_all
from tests.journeys.project import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

ALL = [*READS, *APPEARANCES, *VARIABLES]

PIPELINE = '''"""All steps that read something undeclared, and one that reads nothing."""

import flowkit as fk
{imports}
from steps.shared import imports_late, keeps_one, keeps_two


@fk.step
def beside() -> int:
    return 1


@fk.pipeline
def observed() -> None:
    beside()
    keeps_one()
    keeps_two()
    imports_late()
{calls}
'''

SHARED = '''"""Two steps that share what a function keeps."""

import functools
from pathlib import Path

import flowkit as fk


@functools.lru_cache
def cached() -> str:
    return Path("data_shared/x.txt").read_text()


@fk.step
def keeps_one() -> str:
    return cached()


@fk.step
def keeps_two() -> str:
    return cached() * 2


@fk.step
def imports_late() -> str:
    import late

    return late.__name__
'''

LATE = '''"""Reads when it is imported, which a step does."""

import decimal
from pathlib import Path

decimal.DefaultContext.prec = int(Path("data_shared/x.txt").read_text())
'''

SHARING = {
    "case 107: the first of two steps that share an lru_cache": "keeps_one",
    "case 107: the second of two steps that share an lru_cache": "keeps_two",
    "case 108: read when a module is imported that the step imports": "imports_late",
}


@dataclass(frozen=True)
class Runs:
    """What five runs did: the first, one on the same, one after all changes, on a worker, one on the same again, and
    one after all content became what it had been.
    """

    project: Project
    first: Outcome
    same: Outcome
    changed: Outcome
    settled: Outcome
    back: Outcome


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Make the project and run it."""
    place = tmp_path_factory.mktemp("observed")
    project = Project.make(place / "project")
    for value in (1, 7):
        write_all(place / f"with {value}", value)
    for case in ALL:
        project.write(f"steps/{case.step}.py", case.text)
    project.write("steps/shared.py", SHARED)
    project.write("late.py", LATE)
    imports = "\n".join(f"from steps.{case.step} import {case.step}" for case in ALL)
    calls = "\n".join(f"    {case.step}()" for case in ALL)
    project.write("pipelines/observed.py", PIPELINE.format(imports=imports, calls=calls))

    folders = [project.root / folder for folder in ("data_shared", *(case.folder for case in READS))]
    for folder in (*folders, *(project.root / case.folder for case in APPEARANCES)):
        shutil.copytree(place / "with 1" / "data", folder)
    first, same = project.run("observed"), project.run("observed")
    for folder in folders:
        shutil.copytree(place / "with 7" / "data", folder, dirs_exist_ok=True)
    for case in APPEARANCES:
        assert case.happen is not None
        case.happen(project.root / case.folder)
    changed = project.run("observed", "--workers", "1", MODE="canary-one")
    settled = project.run("observed", MODE="canary-one")
    for folder in folders:
        shutil.copytree(place / "with 1" / "data", folder, dirs_exist_ok=True)
    return Runs(project, first, same, changed, settled, project.run("observed"))


@pytest.mark.parametrize("case", ALL, ids=[case.label for case in ALL])
def test_a_read_counts_however_it_is_done(runs: Runs, case: Read) -> None:
    """Nothing changed: reused. What it read changed: the step runs, for `observed`, and what changed is named."""
    assert runs.same.nodes[case.step]["outcome"] == "reused"
    changed = runs.changed.nodes[case.step]
    assert (changed["outcome"], changed["reason"]) == ("executed", case.reason)
    assert case.reason != "observed" or ", which it read undeclared, " in changed["detail"]
    assert runs.settled.nodes[case.step]["outcome"] == "reused"


BACK = [case for case in ALL if case.happen is None]


@pytest.mark.parametrize("case", BACK, ids=[f"{case.label}, and back" for case in BACK])
def test_what_is_as_it_was_gives_the_first_result(runs: Runs, case: Read) -> None:
    """Changed back, the earlier result is reused."""
    node = runs.back.nodes[case.step]
    assert (node["outcome"], node["from_run"]) == ("reused", runs.first.json["run"])


@pytest.mark.parametrize("step", SHARING.values(), ids=SHARING)
def test_what_is_read_once_counts_for_each_step_that_reaches_it(runs: Runs, step: str) -> None:
    """A file is read once by a function that keeps its result, or by a module: it counts for all who reach these."""
    assert runs.same.nodes[step]["outcome"] == "reused"
    assert runs.changed.nodes[step]["reason"] == "observed"
    assert runs.back.nodes[step]["from_run"] == runs.first.json["run"]


def test_only_what_reads_runs(runs: Runs) -> None:
    """The step that reads nothing runs once; nothing runs where nothing changed."""
    assert runs.same.named("executed") == runs.settled.named("executed") == runs.back.named("executed") == []
    assert set(runs.changed.nodes) - set(runs.changed.named("executed")) == {"beside"}


def test_values_of_variables_are_nowhere(runs: Runs) -> None:
    """case 105: the store holds the names of variables and digests, and never what they said."""
    with closing(sqlite3.connect(runs.project.root / ".flowkit" / "lineage.db")) as database:
        rows = set(database.execute("SELECT name, digest FROM observed_inputs WHERE kind = 'variable'"))
    assert {name for name, _ in rows} == {"MODE", "FLAG"}
    assert not any("canary" in digest for _, digest in rows)


DRAWING = '''"""A step that gives something else each time, twice under one key, and what takes it."""

import random

import flowkit as fk


@fk.step
def start() -> int:
    return 1


@fk.step
def draw(number: int) -> float:
    return random.random()


@fk.step
def shown(number: float) -> str:
    return str(number)


@fk.pipeline
def drawing() -> None:
    number = start()
    shown(draw(number))
    shown.named("other")(draw.named("again")(number))
'''


@pytest.mark.parametrize("how", [["--inline"]], ids=["case 106: the same entry key giving a different digest"])
def test_the_first_of_two_results_under_one_key_stands(tmp_path: Path, how: list[str]) -> None:
    """The step is named in one warning; the first result stands, and every later run has that and no other."""
    project = Project.make(tmp_path / "project")
    project.write("pipelines/drawing.py", DRAWING)

    first = project.run("drawing", *how)
    second = project.run("drawing", *how)

    (warning,) = first.json["warnings"]
    assert "'draw' is not deterministic" in warning
    assert second.json["warnings"] == []
    assert not {"draw", "again"} & set(second.named("executed"))
    drawn = [second.nodes[name]["outputs"] for name in ("draw", "again")]
    assert drawn[0] == drawn[1] == first.nodes["draw"]["outputs"]
