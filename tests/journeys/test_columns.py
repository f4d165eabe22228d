"""A file is edited in one column: fresh processes, step hosts, and another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.project import OrdersProject, Outcome

pytestmark = pytest.mark.slow

PIPELINE = '''
"""Two steps that take columns of one wide table."""

from pathlib import Path
from typing import Annotated

import pandas as pd
import pandera.pandas as pa

import flowkit as fk


class Fares(pa.DataFrameModel):
    fare: float
    tips: float

    class Config:
        strict = "filter"


class Drivers(pa.DataFrameModel):
    driver: str

    class Config:
        strict = "filter"


@fk.step
def load(csv: Path) -> pd.DataFrame:
    return pd.read_csv(csv)


@fk.step
def share(rows: Annotated[pd.DataFrame, Fares]) -> float:
    return float((rows.tips / rows.fare).mean())


@fk.step
def drivers(rows: Annotated[pd.DataFrame, Drivers]) -> list[str]:
    return sorted(rows.driver)


@fk.step
def count(names: list[str]) -> int:
    return len(names)


@fk.pipeline
def trips(csv: Path = Path("trips.csv")) -> None:
    rows = load(csv)
    share(rows)
    count(drivers(rows))
'''


class Trips(OrdersProject):
    """A checkout of the project."""

    @classmethod
    def make(cls, root: Path, settings: str = "") -> Trips:
        (root / "pipelines").mkdir(parents=True)
        (root / "pyproject.toml").write_text(f'[project]\nname = "trips"\nversion = "0"\n[tool.flowkit]\n{settings}\n')
        (root / "pipelines" / "trips.py").write_text(PIPELINE)
        (root / "trips.csv").write_text("fare,tips,driver\n10.5,1.5,ann\n20.5,4.5,bo\n")
        return cls(root)

    def run(self, *arguments: str) -> Outcome:
        return self.flowkit("run", "trips", "--json", *arguments)


def test_an_edit_of_one_column_runs_who_takes_it(tmp_path: Path) -> None:
    """On step hosts, packets included: a consumer runs again when its own column is edited, and only then."""
    project = Trips.make(tmp_path / "trips")
    assert project.run().named("executed") == ["load", "share", "drivers", "count"]

    project.edit("trips.csv", "bo", "cy")
    other = project.run()
    assert other.named("executed") == ["load", "drivers", "count"]
    assert other.named("reused") == ["share"]

    project.edit("trips.csv", "20.5,4.5", "20.5,5.5")
    own = project.run()
    assert own.named("executed") == ["load", "share"]
    assert own.named("reused") == ["drivers", "count"]
    assert own.nodes["share"]["reason"] == "input"

    plan = project.flowkit("plan", "trips", "--json").json["nodes"]
    assert {node["outcome"] for node in plan} == {"reuse"}
    assert {node["node"]: node["cache_key"] for node in plan} == {
        node["node"]: node["cache_key"] for node in own.json["nodes"]
    }


@pytest.mark.long
def test_a_plan_does_not_guess_at_a_table_of_the_remote(tmp_path: Path) -> None:
    """A plan fetches nothing, so it cannot tell what takes columns of a table that is not here; a run reuses it."""
    remote = f'remote = "{tmp_path / "remote"}"'
    Trips.make(tmp_path / "one", remote).run("--inline")
    machine = Trips.make(tmp_path / "two", remote)

    plan = {node["node"]: node for node in machine.flowkit("plan", "trips", "--json").json["nodes"]}
    assert (plan["load"]["outcome"], plan["share"]["outcome"]) == ("reuse", "unknown")
    assert "not in this store yet" in plan["share"]["detail"]

    assert len(machine.run("--inline").named("reused")) == 4
