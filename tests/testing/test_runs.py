"""The pytest plugin: runs with a store of the test's own, given results, what was executed and what reused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PIPELINE = """
from typing import Annotated
import pandas as pd
import pandera.pandas as pa
import flowkit as fk

FACTOR = 2.0


class Row(pa.DataFrameModel):
    x: float = pa.Field(ge=0)


Rows = Annotated[pd.DataFrame, Row]


@fk.step
def fetch(n: int) -> list[float]:
    return [float(i) for i in range(n)]


@fk.step
def load(values: list[float]) -> Rows:
    return pd.DataFrame({"x": values})


@fk.step
def fit(rows: Rows, power: int = 1) -> dict[str, float]:
    return {"mean": float((rows["x"] ** power).mean()) * FACTOR}


@fk.step
def evaluate(model: dict[str, float]) -> fk.Metrics:
    return fk.Metrics(score=model["mean"])


@fk.pipeline
def small(n: int = 5, power: int = 1) -> None:
    model = fit(load(fetch(n)), power)
    champion = fk.champion("small", dict[str, float])
    fk.promote(
        model, to="small@champion", metrics=evaluate(model), baseline=evaluate(champion),
        gates=[fk.at_least("score", 1.0), fk.no_worse_than("score")],
    )
"""

TESTS = """
import pandas as pd
import pytest
import flowkit as fk
from flowkit.testing import PipelineRunner, assert_deterministic, assert_round_trip
from pipelines import small as module
from pipelines.small import small


def test_everything_runs_once(flowkit_run):
    first = flowkit_run(small)
    assert first.executed == ["fetch", "load", "fit", "evaluate", "promote"]
    assert first.skipped == ["champion", "evaluate#2"]
    assert first["promote"].value().accepted
    again = flowkit_run(small)
    assert again.executed == [] and "fit" in again.reused


def test_a_store_of_a_test_is_a_store_like_any_other(tmp_path):
    with PipelineRunner(tmp_path / "store") as runner:
        assert "fetch" in runner(small).executed
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        assert session.run(small)["fit"].outcome == "reused"


def test_stores_are_not_shared(flowkit_run):
    assert "fetch" in flowkit_run(small).executed


def test_a_parameter_reruns_what_takes_it(flowkit_run):
    flowkit_run(small)
    again = flowkit_run(small, power=2)
    assert again.reused[:2] == ["fetch", "load"] and again.executed[0] == "fit"


def test_an_edit_reruns_what_reaches_it(flowkit_run, monkeypatch):
    flowkit_run(small)
    monkeypatch.setattr(module, "FACTOR", 3.0)
    again = flowkit_run(small)
    assert "fit" in again.executed and "load" in again.reused


def test_a_given_result_takes_the_place_of_the_step(flowkit_run):
    run = flowkit_run(small, given={"load": pd.DataFrame({"x": [4.0]})})
    assert run.status == "succeeded" and run.given == ("load",)
    assert run.executed == ["fit", "evaluate", "promote"]
    assert run["fit"].value() == {"mean": 8.0}
    assert "load" in flowkit_run(small).executed, "what a test gave is never reused"


def test_a_given_result_keeps_the_contract(flowkit_run):
    run = flowkit_run(small, given={"load": pd.DataFrame({"x": [-1.0]})})
    assert run.status == "failed" and run.failed == ["load"] and "fit" in run.blocked
    with pytest.raises(fk.FlowkitError, match="breaks the contract Row"):
        run["load"].value()


def test_a_gate_refuses(flowkit_run):
    run = flowkit_run(small, given={"evaluate": fk.Metrics(score=0.5)})
    assert run.status == "succeeded" and not run["promote"].value().accepted


def test_a_worse_model_does_not_replace_the_champion(flowkit_run):
    run = flowkit_run(small, given={"champion": {"mean": 100.0}})
    assert run["evaluate#2"].value()["score"] == 100.0
    assert not run["promote"].value().accepted


def test_an_exception_is_raised_in_the_place_of_the_step(flowkit_run):
    assert flowkit_run(small, given={"load": fk.Skip("no rows")}).skipped[:2] == ["load", "fit"]
    assert flowkit_run(small, given={"load": ValueError("gone")}).failed == ["load"]


def test_names_are_checked(flowkit_run):
    with pytest.raises(fk.FlowkitError, match="did you mean 'load'"):
        flowkit_run(small, given={"laod": 1})
    with pytest.raises(fk.FlowkitError, match="give the metrics instead"):
        flowkit_run(small, given={"promote": True})
    with pytest.raises(fk.FlowkitError, match="pwoer"):
        flowkit_run(small, pwoer=2)


def test_checks(tmp_path):
    assert_deterministic(module.fit, pd.DataFrame({"x": [1.0]}), power=2)
    assert assert_round_trip((1, 2.5), tuple[int, float]) == (1, 2.5)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one pipeline and its tests."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "small.py").write_text(PIPELINE)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\n[tool.flowkit]\nremote = "/nowhere/at/all"\n'
    )
    (tmp_path / "test_small.py").write_text(TESTS)
    return tmp_path


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with the plugin, as a pipeline's author does."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "flowkit.testing.plugin", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
def test_the_fixture_runs_gives_and_refuses_as_documented(project: Path) -> None:
    """Each rule of `flowkit_run` holds in a project's own tests; the project's store and remote stay untouched."""
    done = pytest_in(project)
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout
    assert not (project / ".flowkit").exists()


def test_the_plugin_imports_nothing_heavy() -> None:
    """Tests that know nothing of flowkit pay for no more than four small modules and the package itself."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, pytest; before = set(sys.modules); import flowkit.testing.plugin;"
            "print(*sorted(set(sys.modules) - before))",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=True,
    )
    small = ["flowkit.garbage", "flowkit.lazy", "flowkit.testing", "flowkit.testing.plugin"]
    assert told.stdout.split() == ["flowkit", *small]
