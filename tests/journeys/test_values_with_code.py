"""Values that bring code along: an edit of what a stored value names reaches whoever takes the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.project import OrdersProject, Outcome

pytestmark = pytest.mark.slow

FILE = "pipelines/orders.py"

SHAPES = """
from __future__ import annotations


def twice(number: float) -> float:
    return number * 2


class Square:
    def __init__(self, side: float) -> None:
        self.side = side

    def area(self) -> float:
        return self.side**2


class Triangle(Square):
    def area(self) -> float:
        return twice(self.side)
"""

PIPELINE = """
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import shapes
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

import flowkit as fk


def clip(rows: np.ndarray) -> np.ndarray:
    return np.minimum(rows, 3)


class Scaler(BaseEstimator, TransformerMixin):
    def fit(self, rows: np.ndarray, y: Any = None) -> Any:
        self.fitted_ = 1
        return self

    def transform(self, rows: np.ndarray) -> np.ndarray:
        return rows * 1.0


@functools.lru_cache
def remembered(number: float) -> float:
    return number + 1


@dataclass
class Row:
    number: int


@dataclass
class Marked(Row):
    def shown(self) -> str:
        return f"<{self.number}>"


@fk.step
def train(number: int) -> Pipeline:
    return make_pipeline(FunctionTransformer(clip), Scaler()).fit(np.zeros((number, 1)))


@fk.step
def apply(model: Pipeline) -> float:
    return float(model.transform(np.array([[10.0]]))[0, 0])


@fk.step
def draw() -> shapes.Square:
    return shapes.Triangle(3.0)


@fk.step
def measure(shape: shapes.Square) -> float:
    return shape.area()


@fk.step
def measure_all(drawn: list[Any]) -> float:
    return sum(shape.area() for shape in drawn)


@fk.step
def pick() -> Any:
    return remembered


@fk.step
def call(function: Any) -> float:
    return function(1.0)


@fk.step
def mark() -> Marked:
    return Marked(7)


@fk.step
def show(row: Row) -> str:
    return row.shown()


@fk.step
def mark_all() -> list[Marked]:
    return [Marked(8)]


@fk.step
def show_rows(rows: list[Row]) -> str:
    return rows[0].shown()


@fk.step
def tabulate() -> pd.DataFrame:
    return pd.DataFrame({"shape": [shapes.Triangle(2.0)]})


@fk.step
def add(table: pd.DataFrame) -> float:
    return sum(shape.area() for shape in table["shape"])


@fk.step
def closure() -> Any:
    def inner(number: float) -> float:
        from shapes import twice

        return twice(number)

    return inner


@fk.pipeline
def orders() -> None:
    apply(train(2))
    drawn = draw()
    measure(drawn)
    measure_all([drawn])
    call(pick())
    show(mark())
    show.named("show_constant")(Marked(9))
    show_rows(mark_all())
    add(tabulate())
    call.named("call_closure")(closure())
"""

EDITS = [
    ("a function in a scikit-learn pipeline", FILE, "minimum(rows, 3)", "minimum(rows, 4)", ["apply"]),
    ("a transformer's method", FILE, "rows * 1.0", "rows * 2.0", ["apply"]),
    ("a subclass where its base is annotated", "shapes.py", "twice(self.side)", "-self.side", ["measure", "add"]),
    ("what that subclass calls", "shapes.py", "number * 2", "number * 3", ["measure", "measure_all", "call_closure"]),
    ("a cached function that a step returned", FILE, "number + 1", "number + 2", ["call"]),
    (
        "a dataclass below the annotated one",
        FILE,
        '"<{self.number}>"',
        '"[{self.number}]"',
        ["show", "show_constant", "show_rows"],
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> OrdersProject:
    project = OrdersProject.make(tmp_path_factory.mktemp("values") / "orders")
    (project.root / "shapes.py").write_text(SHAPES)
    (project.root / FILE).write_text(PIPELINE)
    _check(project.run())
    assert project.run().named("executed") == []
    return project


def _check(run: Outcome) -> Outcome:
    assert run.code == 0, run.err + run.out
    return run


@pytest.mark.parametrize(("what", "file", "old", "new", "expected"), EDITS, ids=[edit[0] for edit in EDITS])
def test_code_that_a_value_names_counts_for_its_consumers(
    made: OrdersProject, what: str, file: str, old: str, new: str, expected: list[str]
) -> None:
    """The value's bytes are the same as before, and what it does is not: whoever takes it runs again."""
    made.edit(file, old, new)
    try:
        run = _check(made.run())
    finally:
        made.edit(file, new, old)

    assert set(expected) <= set(run.named("executed"))


def test_unrelated_code_beside_it_does_not_count(made: OrdersProject) -> None:
    """Only what the value reaches counts, not the module around it."""
    made.edit("shapes.py", "self.side**2", "self.side * self.side")
    try:
        run = _check(made.run())
    finally:
        made.edit("shapes.py", "self.side * self.side", "self.side**2")

    assert {"apply", "call", "show"}.isdisjoint(run.named("executed"))


@pytest.mark.cluster
@pytest.mark.long
def test_workers_give_the_same_keys(made: OrdersProject) -> None:
    """A consumer that rides behind its producer in a packet is keyed by the code in the value as the driver does it."""
    made.edit(FILE, "rows * 1.0", "rows * 5.0")
    made.edit(FILE, "return shapes.Triangle(3.0)", "return shapes.Triangle(float(3))")
    try:
        run = _check(made.flowkit("run", FILE, "--json", "--workers", "1"))
        again = _check(made.run())
        shown = made.flowkit("artifact", "show", "last:apply")
    finally:
        made.edit(FILE, "rows * 5.0", "rows * 1.0")
        made.edit(FILE, "return shapes.Triangle(float(3))", "return shapes.Triangle(3.0)")

    assert {"train", "apply", "draw"} <= set(run.named("executed"))
    assert {"measure", "measure_all"} <= set(run.named("reused"))
    assert again.named("executed") == []
    assert "15.0" in shown.out


CHAMPION = """
from typing import Any

from sklearn.base import BaseEstimator

import flowkit as fk


class Model(BaseEstimator):
    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight


class Better(Model):
    def score(self) -> float:
        return self.weight * 0.5


@fk.step
def train(weight: float) -> Model:
    return Better(weight)


@fk.step
def evaluate(model: Any) -> fk.Metrics:
    return fk.Metrics(accuracy=model.score())


@fk.step
def rate(model: Any) -> fk.Metrics:
    return fk.Metrics(accuracy=model.score())


@fk.pipeline
def orders(weight: float = 1.0) -> None:
    model = train(weight)
    champion = rate(fk.champion("orders", Model))
    fk.promote(
        model, to="orders@champion", metrics=evaluate(model), baseline=champion, gates=[fk.at_least("accuracy", 0.1)]
    )
"""


@pytest.mark.long
def test_a_champion_brings_its_code_along(tmp_path: Path) -> None:
    """The registry's model is years old, its method is today's: whoever takes it runs again after an edit."""
    project = OrdersProject.make(tmp_path / "orders")
    (project.root / FILE).write_text(CHAMPION)
    _check(project.run())
    assert _check(project.run()).named("executed") == ["rate"]
    assert _check(project.run()).named("executed") == []

    project.edit(FILE, "self.weight * 0.5", "self.weight * 0.4")

    assert {"evaluate", "rate"} <= set(_check(project.run()).named("executed"))
