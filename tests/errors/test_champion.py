"""A champion that today's code cannot score."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.errors.golden import Case, ask, call, compare

CASE = Case(
    "champion-of-other-columns",
    """

@fk.step
def train(columns: list[str]) -> dict[str, int]:
    return {column: 1 for column in columns}


@fk.step
def evaluate(model: dict[str, int], columns: list[str]) -> fk.Metrics:
    return fk.Metrics(accuracy=sum(model[column] for column in columns) / len(columns))


@fk.pipeline
def shop(columns: list[str]) -> None:
    model = train(columns)
    fk.promote(
        model,
        to="shop@champion",
        metrics=evaluate(model, columns),
        baseline=evaluate(fk.champion("shop", dict[str, int]), columns),
        gates=[fk.no_worse_than("accuracy")],
    )
""",
    'run pipelines/shop.py --inline -p columns=["fare","miles"]',
    1,
)


def test_a_champion_that_knows_other_columns_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failed evaluation of an old champion says which model it was given, and what to edit."""
    CASE.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert ask(capsys, 'run pipelines/shop.py --inline -p columns=["fare"]')[0] == 0
    compare(CASE, *call(CASE, tmp_path, capsys))
