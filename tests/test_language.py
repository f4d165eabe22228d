"""What a pipeline's author may write, through whole runs in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import pandera.pandas as pa
import polars as pl
import pyarrow
import pytest
from pandera.typing import DataFrame

import flowkit as fk
from flowkit.errors import DefinitionError
from tests.journeys.project import OrdersProject


class Fare(pa.DataFrameModel):
    """The contract of the tables here."""

    fare: float = pa.Field(ge=0)


class Sides(NamedTuple):
    """Two outputs by name."""

    low: int
    high: int


@dataclass
class Bounds:
    """Two outputs by name, as a dataclass."""

    low: int
    high: int


@fk.step
def as_tuple(low: int, high: int) -> tuple[int, int]:
    """Give two outputs by place."""
    return low, high


@fk.step
def as_named_tuple(low: int, high: int) -> Sides:
    """Give two outputs of a named tuple."""
    return Sides(low, high)


@fk.step
def as_dataclass(low: int, high: int) -> Bounds:
    """Give two outputs of a dataclass."""
    return Bounds(low, high)


@fk.step
def add(number: int, more: int = 1) -> int:
    """Add two numbers."""
    return number + more


@fk.step
def total(groups: dict[str, tuple[int, list[int]]]) -> int:
    """Add up what stands in containers of containers."""
    return sum(first + sum(others) for first, others in groups.values())


@fk.pipeline
def parted(shape: str = "tuple", low: int = 1, high: int = 9) -> None:
    """Feed each of two outputs to a step of its own."""
    if shape == "tuple":
        first, second = as_tuple(low, high)
    else:
        made = as_named_tuple(low, high) if shape == "named tuple" else as_dataclass(low, high)
        first, second = made.low, made.high
    add.named("of_low")(first)
    add.named("of_high")(second)


@fk.pipeline
def contained() -> None:
    """Hand over handles that stand in containers, between plain values."""
    total({"a": (add(1), [add.named("other")(2), 10]), "b": (100, [])})


@fk.step
def write_folder(pages: dict[str, Path], notes: list[Path]) -> Path:
    """Write a folder from files that stand in containers."""
    folder = fk.scratch() / "book"
    (folder / "pages").mkdir(parents=True)
    for name, page in pages.items():
        (folder / "pages" / name).write_text(page.read_text())
    (folder / "notes").write_text("".join(note.read_text() for note in notes))
    return folder


@fk.step
def read_folder(folder: Path) -> dict[str, str]:
    """Read all files of a folder."""
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@fk.pipeline
def book(page: Path, note: Path) -> None:
    """Bind a page and a note."""
    read_folder(write_folder({"one": page}, [note]))


@fk.step
def fares() -> Annotated[pd.DataFrame, Fare]:
    """Give a table under a contract."""
    return pd.DataFrame({"fare": [1.0, 2.0]})


@fk.step
def mean_of_pandas(rows: DataFrame[Fare]) -> float:
    """Take the contract as pandera writes it."""
    return float(rows["fare"].mean())


@fk.step
def mean_of_polars(rows: pl.DataFrame) -> float:
    """Take a polars table."""
    return float(rows["fare"].sum()) / rows.height


@fk.step
def mean_of_arrow(rows: pyarrow.Table) -> float:
    """Take a pyarrow table."""
    return float(sum(rows["fare"].to_pylist())) / rows.num_rows


@fk.pipeline
def viewed() -> None:
    """See one table through three libraries."""
    rows = fares()
    mean_of_pandas(rows)
    mean_of_polars(fk.as_type(rows, pl.DataFrame))
    mean_of_arrow(fk.as_type(rows, pyarrow.Table))


@fk.pipeline
def constant(fare: float = 1.0) -> None:
    """Pass a table that no step has made."""
    mean_of_pandas(pd.DataFrame({"fare": [fare]}))


@fk.step(env=("LANGUAGE_TEST",))
def variable(jobs: fk.Untracked[int] = 1) -> str:
    """Read a declared variable, with a parameter that does not count."""
    return os.environ.get("LANGUAGE_TEST", "") * min(jobs, 1)


@fk.pipeline
def surroundings(jobs: int = 1) -> None:
    """Depend on a variable."""
    variable(jobs)


@fk.step
def judge() -> fk.Metrics:
    """Give numbers by name."""
    return fk.Metrics(accuracy=0.9, loss=1)


@fk.step
def names(metrics: Mapping[str, float]) -> list[str]:
    """Take metrics as the mapping that they are."""
    return sorted(metrics)


@fk.pipeline
def judged() -> None:
    """Hand metrics over."""
    names(judge())


@fk.step
def name(interval: fk.Interval) -> str:
    """Name a span of time."""
    return str(interval.day)


@fk.pipeline
def daily(interval: fk.Interval) -> None:
    """Work for one interval."""
    name(interval)


@fk.pipeline
def inner(number: int) -> int:
    """Be called in another pipeline."""
    return add(number)


@fk.pipeline
def outer(deep: bool = True) -> None:
    """Call a pipeline, and shape the graph with a real value."""
    for number in range(2 if deep else 1):
        add.named(f"more{number}")(inner(number), 10)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[fk.Session]:
    """A session in a store of the test's own."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        yield session


def executed(run: fk.Run) -> list[str]:
    """Return the nodes that ran."""
    return [node.node for node in run.report.nodes if node.outcome == "executed"]


@pytest.mark.parametrize("shape", ["tuple", "named tuple", "dataclass"])
def test_a_change_in_one_output_spares_the_consumers_of_the_others(session: fk.Session, shape: str) -> None:
    """Each of several outputs is an artifact of its own, whatever declares them."""
    first = session.run(parted, shape=shape)
    run = session.run(parted, shape=shape, high=10)

    assert executed(first)[1:] == ["of_low", "of_high"]
    assert executed(run)[1:] == ["of_high"]
    assert (run["of_low"].value(), run["of_high"].value()) == (2, 11)


def test_handles_in_containers_become_values(session: fk.Session) -> None:
    """A step gets the container as it was written, with values in the places of handles."""
    run = session.run(contained)

    assert executed(run) == ["add", "other", "total"]
    assert run["total"].value() == 2 + 3 + 10 + 100


def test_files_in_containers_and_folders_count_by_content(session: fk.Session, tmp_path: Path) -> None:
    """Equal files elsewhere change nothing, other bytes do; a returned folder is its tree."""
    given = {}
    for place, text in (("here", "a"), ("there", "a"), ("else", "b")):
        (tmp_path / place).mkdir()
        for file in ("page", "note"):
            (tmp_path / place / file).write_text(text)
        given[place] = {"page": tmp_path / place / "page", "note": tmp_path / place / "note"}

    runs = {place: session.run(book, **paths) for place, paths in given.items()}

    assert [executed(run) for run in runs.values()] == [["write_folder", "read_folder"], [], executed(runs["here"])]
    assert runs["here"]["read_folder"].value() == {"pages/one": "a", "notes": "a"}


def test_one_table_is_seen_through_each_library(session: fk.Session) -> None:
    """`as_type` adds no node; the consumer gets the library that it asked for."""
    run = session.run(viewed)

    assert executed(run) == ["fares", "mean_of_pandas", "mean_of_polars", "mean_of_arrow"]
    assert {run[node].value() for node in executed(run)[1:]} == {1.5}


def test_a_table_may_be_an_argument(session: fk.Session) -> None:
    """A constant table counts by its content and is held to the contract like any other."""
    assert executed(session.run(constant)) == ["mean_of_pandas"]
    assert executed(session.run(constant)) == []
    assert executed(session.run(constant, fare=2.0)) == ["mean_of_pandas"]

    broken = session.run(constant, fare=-1.0)

    assert broken.status == "failed"
    assert "fare" in str(broken["mean_of_pandas"].report.error)


def test_an_untracked_parameter_does_not_count(session: fk.Session) -> None:
    """Another value of it reuses the result."""
    session.run(surroundings)

    assert executed(session.run(surroundings, jobs=4)) == []


def test_a_declared_variable_counts(session: fk.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another value runs the step again, with the environment as reason; the first one is found again."""
    monkeypatch.setenv("LANGUAGE_TEST", "one")
    session.run(surroundings)
    monkeypatch.setenv("LANGUAGE_TEST", "two")
    run = session.run(surroundings)

    assert executed(run) == ["variable"]
    assert [(node.reason, node.detail) for node in run.report.nodes] == [
        ("environment", "variable LANGUAGE_TEST changed")
    ]
    assert run["variable"].value() == "two"
    monkeypatch.delenv("LANGUAGE_TEST")
    assert [node.detail for node in session.run(surroundings).report.nodes] == ["variable LANGUAGE_TEST is gone"]
    monkeypatch.setenv("LANGUAGE_TEST", "one")
    assert executed(session.run(surroundings)) == []


@pytest.mark.slow
def test_another_version_forgets_results(tmp_path: Path) -> None:
    """`version="2"` runs the step again, and without it the earlier result counts again."""
    project = OrdersProject.make(tmp_path / "orders")
    assert project.run().code == 0

    project.edit("pipelines/orders.py", "@fk.step\ndef total", '@fk.step(version="2")\ndef total')
    assert project.run().named("executed") == ["total"]

    project.edit("pipelines/orders.py", '(version="2")', "")
    assert project.run().named("executed") == []


def test_metrics_are_a_mapping(session: fk.Session) -> None:
    """They hold floats by name, in a run and in a plain call."""
    run = session.run(judged)

    assert run["names"].value() == ["accuracy", "loss"]
    assert dict(run["judge"].value()) == dict(judge()) == {"accuracy": 0.9, "loss": 1.0}


def test_an_interval_is_an_ordinary_parameter(session: fk.Session) -> None:
    """It counts by its value."""
    day = fk.Interval.parse("2026-03-01")

    assert session.run(daily, interval=day)["name"].value() == "2026-03-01"
    assert executed(session.run(daily, interval=day)) == []
    assert executed(session.run(daily, interval=fk.Interval.parse("2026-03-02"))) == ["name"]


def test_a_pipeline_in_a_pipeline_runs_as_one(session: fk.Session) -> None:
    """Its nodes are the outer one's, and what it returns is a handle there; alone it names `fk.run`."""
    run = session.run(outer)

    assert executed(run) == ["add", "more0", "add#2", "more1"]
    assert run["more1"].value() == 12
    assert executed(session.run(outer, deep=False)) == []
    with pytest.raises(DefinitionError, match=r"fk\.run"):
        inner(1)
