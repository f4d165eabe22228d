"""Steps behind filtering contracts: given their columns alone, and not run again when others change."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Annotated

import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import polars as pl
import pyarrow
import pytest
from pandera.typing import DataFrame

import flowkit as fk
from flowkit.records import Outcome


class Fares(pa.DataFrameModel):
    """Two columns of many."""

    fare: int = pa.Field(ge=0)
    tips: int

    class Config:
        strict = "filter"


class Scaled(Fares):
    """The same, scaled by what only the whole table has."""

    @pa.dataframe_parser
    def scale(cls, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(fare=frame.fare * frame.others.sum())


class Rides(pp.DataFrameModel):
    """The same for polars."""

    fare: int
    tips: int

    class Config:
        strict = "filter"


FARES = pa.DataFrameSchema({"fare": pa.Column(int), "tips": pa.Column(int)}, strict="filter")


@fk.step
def make(fare: int, others: int, extra: bool = False) -> pd.DataFrame:
    table = pd.DataFrame({"others": [others, others], "fare": [fare, fare + 1], "tips": [1, 2]})
    return table.assign(extra=1) if extra else table


@fk.step
def by_model(rows: Annotated[pd.DataFrame, Fares]) -> list[str]:
    return [*rows.columns, str(rows.fare.sum())]


@fk.step
def by_schema(rows: Annotated[pd.DataFrame, FARES]) -> list[str]:
    return [*rows.columns, str(rows.fare.sum())]


@fk.step
def by_generic(rows: DataFrame[Fares]) -> list[str]:
    return [*rows.columns, str(rows.fare.sum())]


@fk.step
def by_optional(rows: Annotated[pd.DataFrame, Fares] | None) -> list[str]:
    return [] if rows is None else [*rows.columns, str(rows.fare.sum())]


@fk.step
def by_polars(rows: Annotated[pl.DataFrame, Rides]) -> list[str]:
    return [*rows.columns, str(rows["fare"].sum())]


@fk.step
def by_arrow(rows: Annotated[pyarrow.Table, Fares]) -> list[str]:
    return [*rows.column_names, str(sum(rows["fare"].to_pylist()))]


@fk.step
def by_list(tables: list[Annotated[pd.DataFrame, Fares]]) -> list[str]:
    return [*tables[0].columns, str(sum(table.fare.sum() for table in tables))]


@fk.step
def whole(rows: pd.DataFrame) -> list[str]:
    return [*rows.columns, str(rows.fare.sum())]


@fk.step
def in_dict(tables: dict[str, Annotated[pd.DataFrame, Fares]]) -> list[str]:
    return [*tables["a"].columns, str(tables["a"].fare.sum())]


@fk.step
def parsed(rows: Annotated[pd.DataFrame, Scaled]) -> list[str]:
    return [*rows.columns, str(rows.fare.sum())]


@fk.step
def several(fare: int, others: int) -> list[pd.DataFrame]:
    return [pd.DataFrame({"others": [others], "fare": [fare], "tips": [number + 5]}) for number in range(2)]


@fk.pipeline
def everything(fare: int = 1, others: int = 1, extra: bool = False) -> None:
    rows = make(fare, others, extra)
    by_model(rows)
    by_schema(rows)
    by_generic(rows)
    by_optional(rows)
    by_polars(fk.as_type(rows, pl.DataFrame))
    by_arrow(fk.as_type(rows, pyarrow.Table))
    by_list([rows])
    by_list.named("collected")(fk.collect(make.named("mapped")(fare, others, fk.each([False, extra]))))
    by_model.named("of_list")(fk.each(several(fare, others)))
    constant = pd.DataFrame({"fare": [fare], "others": [others], "tips": [9]})
    by_model.named("constant")(constant)
    whole(rows)
    in_dict({"a": rows})
    parsed(rows)


SELECTING = {
    "by_model",
    "by_schema",
    "by_generic",
    "by_optional",
    "by_polars",
    "by_arrow",
    "by_list",
    "collected",
    "of_list[0]",
    "of_list[1]",
    "constant",
}
SEEING_ALL = {"whole", "in_dict", "parsed"}


@pytest.fixture
def session(tmp_path: Path):
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        yield session


def consumers(run: fk.Run, outcome: Outcome) -> set[str]:
    found = {node.node for node in run.report.nodes if node.outcome is outcome}
    return found & (SELECTING | SEEING_ALL)


def test_only_what_sees_a_changed_column_runs(session: fk.Session) -> None:
    """Another column changes, comes or goes: only steps that see it run. Their own column: all of them do."""
    first = session.run(everything)
    assert consumers(first, Outcome.EXECUTED) == SELECTING | SEEING_ALL, first.report

    for change in ({"others": 5}, {"extra": True}):
        changed = session.run(everything, **change)
        assert consumers(changed, Outcome.EXECUTED) <= SEEING_ALL
        assert consumers(changed, Outcome.REUSED) >= SELECTING

    own = session.run(everything, fare=3)
    assert consumers(own, Outcome.EXECUTED) == SELECTING | SEEING_ALL
    assert consumers(session.run(everything, fare=3), Outcome.EXECUTED) == set()


def test_a_step_is_given_what_its_contract_keeps(session: fk.Session) -> None:
    """The value is what the contract makes of the whole table, in the table's order, whatever lies beside it."""
    for change in ({}, {"others": 5, "extra": True}):
        run = session.run(everything, **change)
        for name in SELECTING - {"by_list", "collected", "of_list[0]", "of_list[1]", "constant"}:
            assert run[name].value() == ["fare", "tips", "3"], name
        assert run["collected"].value() == ["fare", "tips", "6"]
        assert run["whole"].value()[0] == "others"
        assert run["in_dict"].value() == ["fare", "tips", "3"]
    assert run["parsed"].value() == ["fare", "tips", "30"]


@fk.step
def wide() -> pd.DataFrame:
    return pd.DataFrame({"fare": [1, 2], "tips": [1, 2], "a": [0, 0]})


@fk.step
def other_wide() -> pd.DataFrame:
    return pd.DataFrame({"b": ["x", "y"], "fare": [1, 2], "c": ["x", "y"], "tips": [1, 2]})


@fk.pipeline
def two_makers(second: bool = False) -> None:
    by_model(other_wide() if second else wide())


def test_who_made_the_columns_does_not_matter(session: fk.Session) -> None:
    """Tables of two steps that agree on the columns are one input."""
    session.run(two_makers)
    again = session.run(two_makers, second=True)
    assert again["by_model"].outcome == "reused"


@fk.step
def broken(fare: bool, others: int) -> pd.DataFrame:
    table = pd.DataFrame({"others": [others], "fare": [-1], "tips": [1]})
    return table if fare else table.drop(columns="fare")


@fk.pipeline
def breaking(fare: bool = True, others: int = 1) -> None:
    by_model(broken(fare, others))


def test_a_contract_is_still_judged_at_the_hand_over(session: fk.Session) -> None:
    """A missing column and a failing check are told with step, parameter and column as for a whole table."""
    failed = session.run(breaking)["by_model"].report.error
    assert "breaks the contract Fares of 'rows'" in failed.message
    assert [label for label, _ in failed.facts] == ["fare"]

    missing = session.run(breaking, fare=False)["by_model"].report.error
    assert ("fare", "missing") in [tuple(fact) for fact in missing.facts]


def test_lineage_names_the_whole_table(session: fk.Session, tmp_path: Path) -> None:
    """What a node took is recorded as the artifact that its producer gave; its argument tells the columns."""
    run = session.run(two_makers)
    with sqlite3.connect(tmp_path / "store" / "lineage.db") as database:
        taken = database.execute("SELECT artifact FROM node_inputs WHERE node = 'by_model'").fetchall()
    assert taken == [(run["wide"].report.outputs[0].artifact.digest,)]


def test_a_damaged_table_is_made_again(session: fk.Session, tmp_path: Path) -> None:
    """Where the table of a reused step is gone, it is made again, and its consumer is found by its columns."""
    run = session.run(two_makers)
    for file in run["wide"].report.outputs[0].artifact.files:
        (tmp_path / "store" / "blobs" / file.name).unlink()

    again = session.run(two_makers)

    assert again["wide"].report.reason.value == "lost"
    assert again["by_model"].outcome == "reused"


@fk.step(cache=False)
def remove(folder: str) -> str:
    for file in Path(folder).glob("*/*.table"):
        file.unlink()
    return "removed"


@fk.step
def after(rows: Annotated[pd.DataFrame, Fares], done: str) -> int:
    return int(rows.fare.sum())


@fk.pipeline
def removing(folder: str) -> None:
    after(wide(), remove(folder))


def test_a_table_that_is_lost_while_the_run_goes_on_is_made_again(session: fk.Session, tmp_path: Path) -> None:
    """A key that cannot be read from its table fails no node: once the table is made again, the key is known."""
    (tmp_path / "none").mkdir()
    session.run(removing, folder=str(tmp_path / "none"))

    run = session.run(removing, folder=str(tmp_path / "store" / "blobs"))
    assert run.status.value == "succeeded"
    assert [node.outcome.value for node in run.report.nodes] == ["executed", "executed", "reused"]
    assert "'after' needs is gone" in run.report.warnings[0]
    assert run["after"].value() == 3

    again = session.run(removing, folder=str(tmp_path / "none"))
    assert again["after"].outcome == "reused"
