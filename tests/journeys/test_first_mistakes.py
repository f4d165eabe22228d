"""What a newcomer gets wrong first: views of no table, forgotten collects, empty lists; and what `why` shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

import flowkit as fk
from flowkit.cli.main import run_command
from flowkit.errors import ArgumentError
from flowkit.records import Outcome


@fk.step
def frame(first: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"a": [1]}, index=[first])


@fk.step
def column() -> pd.Series:
    return pd.Series([1])


@fk.step
def number() -> int:
    return 1


@fk.step
def anything() -> Any:
    return 3


@fk.step
def bare() -> list:  # type: ignore[type-arg]
    return ["a"]


@fk.step
def rows(table: pl.DataFrame) -> int:
    return len(table)


@fk.step
def items(values: list[int]) -> int:
    return len(values)


@fk.step
def take(value: Any) -> int:
    return 0


@fk.step
def train(c: float) -> float:
    return c


@fk.step
def best(models: list[float]) -> float:
    return max(models)


@pytest.mark.parametrize(
    ("make", "view", "names"),
    [
        (frame, int, ("pandas.DataFrame", "int")),
        (frame, pd.Series, ("pandas.DataFrame", "pandas.Series")),
        (frame, pl.LazyFrame, ("pandas.DataFrame", "polars.LazyFrame")),
        (number, pd.DataFrame, ("int", "pandas.DataFrame")),
        (column, pd.DataFrame, ("pandas.Series", "pandas.DataFrame")),
        (anything, dict, ("Any", "dict")),
    ],
)
def test_a_view_is_of_a_table_as_a_table(make: Any, view: type, names: tuple[str, str]) -> None:
    """`as_type` between what are not both tables, or both series, is refused while building; both types are named."""

    @fk.pipeline
    def viewed() -> None:
        take(fk.as_type(make(), view))

    with pytest.raises(ArgumentError) as caught:
        viewed.build({})
    assert (dict(caught.value.facts)["given"], dict(caught.value.facts)["wanted"]) == names


@pytest.mark.parametrize(
    ("make", "consumer", "view", "parameter"),
    [
        (lambda: frame(7), rows, pl.DataFrame, "table: polars.DataFrame"),
        (anything, rows, pl.DataFrame, "table: polars.DataFrame"),
        (bare, items, None, "values: list[int]"),
    ],
)
def test_what_cannot_be_handed_over_names_the_parameter(
    make: Any, consumer: Any, view: type | None, parameter: str, tmp_path: Path
) -> None:
    """A value that turns out not to fit fails the step that takes it for its argument, never for its result."""

    @fk.pipeline
    def handed() -> None:
        consumer(make() if view is None else fk.as_type(make(), view))

    with fk.Session(store=tmp_path / "store", inline=True) as session:
        failed = session.run(handed)[consumer.function.__name__]
    assert failed.outcome is Outcome.FAILED
    assert dict(failed.report.error.facts)["parameter"] == parameter
    assert "return" not in failed.report.error.message


@fk.pipeline
def forgotten() -> None:
    best([train(fk.each([1.0, 2.0]))])


@fk.pipeline
def meant() -> None:
    c = fk.each([1.0, 2.0])
    best([train(c), train(c)])
    best(fk.collect(train(c)))


@fk.pipeline
def of_nothing() -> None:
    best(fk.collect(train(fk.each([]))))


@pytest.mark.parametrize(
    ("pipeline", "warnings"),
    [
        (
            forgotten,
            (
                "'best' is mapped because the outputs of the mapped step 'train' stand inside the list given as "
                "'models': pass fk.collect(…) there instead for the list of all.",
            ),
        ),
        (meant, ()),
        (
            of_nothing,
            ("'train' is mapped over nothing: the list given to fk.each(…) is empty, so there is no node of it.",),
        ),
    ],
)
def test_what_is_hardly_meant_is_said_once(pipeline: Any, warnings: tuple[str, ...], tmp_path: Path) -> None:
    """A forgotten `collect` and an empty list are warned of by check, plan and run alike, once a call."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        assert session.check(pipeline, {}).warnings == warnings
        assert session.plan(pipeline, {}).warnings == warnings
        assert session.run(pipeline).report.warnings == warnings


PAIR = """
import flowkit as fk


@fk.step
def load() -> list[int]:
    return {rows}


@fk.step
def halve(rows: list[int]) -> tuple[list[int], list[int]]:
    return rows[:1], rows[1:]


@fk.step
def count(one: list[int], both: list[list[int]]) -> int:
    return len(one)


@fk.pipeline
def halves() -> None:
    first, second = halve(load())
    count(second, [first, second])
"""


def test_why_shows_digests_that_other_commands_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both sides of a changed input stand with their artifacts' digests, which `artifact show` knows."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'pair'\n")
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    for rows in ("[1, 2]", "[1, 3]"):
        (tmp_path / "pipelines" / "halves.py").write_text(PAIR.replace("{rows}", rows))
        assert _in_a_process("run", "halves", "--inline") == 0
    capsys.readouterr()
    assert run_command(["why", "last", "count", "--json"]) == 0
    changes = {change["name"]: change for change in json.loads(capsys.readouterr().out)["changes"]}
    before, after = changes["one"]["before"], changes["one"]["after"]
    assert before.startswith("halve.1 (")
    assert before != after
    for side in (before, after, changes["both"]["after"].rpartition(", ")[2]):
        digest = side.partition("(")[2].partition(")")[0]
        assert run_command(["artifact", "show", digest]) == 0


def _in_a_process(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "flowkit", *arguments], check=False, capture_output=True).returncode
