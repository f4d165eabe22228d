"""What contracts, codecs and unpickling read for a step counts as well, before it is called and after it returned."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.journeys.project import OrdersProject, Outcome

PIPELINE = """
import json
import os
from typing import Annotated

import flowkit as fk
import pandas as pd
import pandera.pandas as pa


def factor(name: str) -> float:
    with open(f"data/{name}.json") as file:
        return json.load(file)


class Takes(pa.DataFrameModel):
    x: float

    @pa.dataframe_parser
    def scale(cls, table):
        return table.assign(x=table.x * factor("takes"))


class Gives(pa.DataFrameModel):
    x: float

    @pa.dataframe_parser
    def scale(cls, table):
        return table.assign(x=table.x * float(os.environ.get("SCALE", "1")))


class Model:
    def __getstate__(self):
        return {"factor": factor("dumped")}

    def __setstate__(self, state):
        self.factor = state["factor"] * factor("loaded")


@fk.step
def table(n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": [float(n)]})


@fk.step
def takes(rows: Annotated[pd.DataFrame, Takes]) -> float:
    return float(rows.x.iloc[0])


@fk.step
def gives(n: int) -> Annotated[pd.DataFrame, Gives]:
    return pd.DataFrame({"x": [float(n)]})


@fk.step
def fitted(n: int) -> Model:
    return Model()


@fk.step
def scored(model: Model) -> float:
    return model.factor


@fk.pipeline
def watched() -> None:
    takes(table(1))
    gives(1)
    scored(fitted(1))
"""


class Bordered(OrdersProject):
    """A project whose contracts and pickled classes read, and whose steps do not."""

    @classmethod
    def make_bordered(cls, root: Path, settings: str = "") -> Bordered:
        (root / "pipelines").mkdir(parents=True)
        (root / "data").mkdir()
        (root / "pyproject.toml").write_text(f'[project]\nname = "w"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
        (root / "pipelines" / "watched.py").write_text(PIPELINE)
        project = cls(root)
        for name in ("takes", "dumped", "loaded"):
            project.say(name, 2)
        return project

    def say(self, name: str, value: float) -> None:
        (self.root / "data" / f"{name}.json").write_text(str(value))

    def run(self, *arguments: str, **environment: str) -> Outcome:
        return self.flowkit("run", "pipelines/watched.py", "--json", "--inline", *arguments, **environment)


@pytest.mark.long
@pytest.mark.slow
def test_what_is_read_around_a_step_counts(tmp_path: Path) -> None:
    """Reads on the side of the inputs and of the outputs belong to the node they are made for, and to no other.

    Nobody counts the store's own files, which are read and written around each step.
    """
    project = Bordered.make_bordered(tmp_path / "p")
    assert project.run().code == 0
    assert project.run().named("executed") == []

    project.say("takes", 3)
    assert project.run().named("executed") == ["takes"]
    project.say("loaded", 3)
    # What is stored as a pickle is loaded once to prove that it can be.
    assert project.run().named("executed") == ["fitted", "scored"]
    project.say("dumped", 3)
    assert project.run().named("executed") == ["fitted", "scored"]
    assert project.run(SCALE="3").named("executed") == ["gives"]
    # Switched off, contracts neither coerce nor parse.
    assert project.run(PANDERA_VALIDATION_ENABLED="False").named("executed") == ["takes", "gives"]
    with closing(sqlite3.connect(project.root / ".flowkit" / "lineage.db")) as database:
        names = [name for (name,) in database.execute("SELECT DISTINCT name FROM observed_inputs ORDER BY name")]
    assert names == ["SCALE", "data/dumped.json", "data/loaded.json", "data/takes.json"]


@pytest.mark.slow
def test_nothing_undeclared_may_be_read_around_a_step_either(tmp_path: Path) -> None:
    """Where the project does not allow it, each such node fails, and names what was read for it."""
    project = Bordered.make_bordered(tmp_path / "p", settings='undeclared = "error"')

    run = project.run()

    assert run.nodes["table"]["outcome"] == "executed"
    for step, name in {"takes": "data/takes.json", "gives": "SCALE", "fitted": "data/dumped.json"}.items():
        assert run.nodes[step]["outcome"] == "failed", step
        assert name in str(run.nodes[step]), step
