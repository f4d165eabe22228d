"""Results whose stored values name code that has moved: they are made again, as nobody could load them."""

from __future__ import annotations

import pytest

from tests.accepting.conftest import Shop

STEPS = "pipelines/made.py"

MADE = """
from functools import partial
from typing import Any

from shapes import times
import flowkit as fk


@fk.step
def train(n: int) -> Any:
    return partial(times, n)


@fk.step
def score(model: Any) -> fk.Metrics:
    return fk.Metrics(s=model(2))


@fk.pipeline
def made(n: int = 3) -> None:
    model, before = train(n), fk.champion("made", Any)
    fk.promote(
        model, to="made@champion", metrics=score(model), baseline=score(before), gates=[fk.at_least("s", 0.0)]
    )
"""

SHAPES = """
def times(n: int, x: int) -> int:
    return n * x
"""


@pytest.fixture
def made(shop: Shop) -> Shop:
    """A pipeline whose model is a function of the project's; it has run, and its module has moved."""
    (shop.root / STEPS).write_text(MADE)
    (shop.root / "shapes.py").write_text(SHAPES)
    assert shop.tell("run", "made", "--inline").code == 0
    (shop.root / "shapes.py").rename(shop.root / "forms.py")
    shop.edit(STEPS, "shapes", "forms")
    return shop


def test_a_result_that_names_moved_code_is_made_again(made: Shop) -> None:
    """Its step has the same key and yet runs, saying what the stored value names; it is not called unsteady for it."""
    made.edit(STEPS, ", baseline=score(before)", "")
    planned = {node["node"]: node for node in made.tell("plan", "made", "--json").json()["nodes"]}
    assert (planned["train"]["outcome"], planned["train"]["reason"]) == ("run", "lost")
    assert planned["train"]["detail"] == "its stored result names code that is no longer there: shapes:times"
    answer = made.tell("run", "made", "--inline", "--json")
    assert (answer.code, answer.json()["warnings"]) == (0, [])
    nodes = {node["node"]: node["outcome"] for node in made.tell("run", "made", "--inline", "--json").json()["nodes"]}
    assert (nodes["train"], nodes["score"]) == ("reused", "reused")


def test_a_champion_whose_code_has_moved_has_a_way_out(made: Shop) -> None:
    """No step makes a champion again: its failure says what is missing, and keeping the old name helps."""
    failed = made.tell("run", "made", "--inline")
    assert failed.code == 1
    assert "made@champion was trained with code that is no longer there: shapes:times" in failed.err
    assert "a module shapes that imports times from where it is now" in failed.err
    (made.root / "shapes.py").write_text("from forms import times\n")
    assert made.tell("run", "made", "--inline").code == 0
