"""Trips of taxis: every command on one pipeline, and each of its gates made to refuse."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.commands import Tell, caller
from tests.journeys.project import OrdersProject, Outcome

pytestmark = pytest.mark.slow

TAXI = """
# pipelines/taxi.py
from pathlib import Path
from typing import Annotated

import pandas as pd
import pandera.pandas as pa
from sklearn.linear_model import LogisticRegression

import flowkit as fk


FEATURES = ["fare", "trip_miles", "card"]


class Trip(pa.DataFrameModel):
    fare: float = pa.Field(ge=0)
    trip_miles: float = pa.Field(ge=0)
    tips: float = pa.Field(ge=0)
    payment_type: str


class Example(Trip):
    card: int = pa.Field(isin=[0, 1])
    big_tip: int = pa.Field(isin=[0, 1])


Trips = Annotated[pd.DataFrame, Trip]
Examples = Annotated[pd.DataFrame, Example]


@fk.step
def load(csv: Path) -> Trips:
    return pd.read_csv(csv).dropna(subset=["fare", "trip_miles", "tips"]).astype({"fare": float, "tips": float})


@fk.step
def features(trips: Trips) -> Examples:
    paid_by_card = trips.payment_type == "Credit Card"
    return trips.assign(card=paid_by_card.astype(int), big_tip=(trips.tips > 0.2 * trips.fare).astype(int))


@fk.step
def split(rows: Examples, seed: int = 0) -> tuple[Examples, Examples]:
    train = rows.sample(frac=0.8, random_state=seed)
    return train, rows.drop(train.index)


@fk.step(retries=2, timeout="10m")
def train(rows: Examples, C: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=1000).fit(rows[FEATURES], rows["big_tip"])


@fk.step
def evaluate(model: LogisticRegression, rows: Examples) -> fk.Metrics:
    return fk.Metrics(accuracy=model.score(rows[FEATURES], rows["big_tip"]), baseline=1 - rows["big_tip"].mean())


@fk.pipeline
def taxi(csv: Path = Path("data/taxi.csv"), C: float = 1.0, min_accuracy: float = 0.85) -> None:
    train_rows, test_rows = split(features(load(csv)))
    model = train(train_rows, C=C)
    champion = fk.champion("taxi", LogisticRegression)
    fk.promote(
        model,
        to="taxi@champion",
        metrics=evaluate(model, test_rows),
        baseline=evaluate(champion, test_rows),
        gates=[fk.at_least("accuracy", min_accuracy), fk.no_worse_than("accuracy", tolerance=0.01)],
    )
"""


def write_trips(path: Path, count: int = 600) -> None:
    """Write trips in which card payers tip well and others hardly ever: something to learn."""
    chance = random.Random(7)
    lines = ["fare,trip_miles,payment_type,tips"]
    for _ in range(count):
        card = chance.random() < 0.45
        fare = round(chance.uniform(4, 40), 2)
        generous = chance.random() < (0.92 if card else 0.03)
        tips = round(fare * (0.25 if generous else 0.1 * chance.random()), 2)
        lines.append(f"{fare},{round(fare / 3, 1)},{'Credit Card' if card else 'Cash'},{tips}")
    lines.append(",1.0,Cash,0.0")
    path.write_text("\n".join(lines) + "\n")


class Taxi(OrdersProject):
    """The taxi project, run in this process's Python."""

    def taxi(self, *arguments: str) -> Outcome:
        return self.flowkit("run", "pipelines/taxi.py", "--inline", "--json", *arguments)


@pytest.fixture(scope="module")
def taxi(tmp_path_factory: pytest.TempPathFactory) -> Taxi:
    root = tmp_path_factory.mktemp("taxi")
    (root / "pipelines").mkdir()
    (root / "data").mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "taxi"\nversion = "0"\n')
    (root / "pipelines" / "taxi.py").write_text(TAXI)
    write_trips(root / "data" / "taxi.csv")
    project = Taxi(root)
    first = project.taxi()
    assert first.code == 0, first.err
    assert first.json["promotions"][0]["accepted"]
    return project


def test_the_model_beats_the_majority(taxi: Taxi) -> None:
    """The accuracy that was promoted lies well above that of always saying no."""
    (champion,) = taxi.flowkit("models", "show", "taxi:1", "--json").json["models"]

    assert champion["metrics"]["accuracy"] > champion["metrics"]["baseline"] + 0.1


def test_the_absolute_gate_refuses_a_model_that_is_not_good_enough(taxi: Taxi) -> None:
    """The alias stays, the run succeeds, and with --require-promotion the exit code is 3."""
    refused = taxi.taxi("-p", "min_accuracy=0.999", "-p", "C=0.3", "--require-promotion")

    assert refused.code == 3, refused.err
    (promotion,) = refused.json["promotions"]
    assert not promotion["accepted"]
    assert [gate["passed"] for gate in promotion["gates"]] == [False, True]
    assert refused.json["status"] == "succeeded"


def test_the_comparing_gate_refuses_a_model_worse_than_the_champion(taxi: Taxi) -> None:
    """A model that is regularised to death passes a low absolute gate and fails against the champion."""
    refused = taxi.taxi("-p", "C=1e-9", "-p", "min_accuracy=0.1", "--require-promotion")

    assert refused.code == 3, refused.err
    (promotion,) = refused.json["promotions"]
    assert [gate["passed"] for gate in promotion["gates"]] == [True, False]
    aliases = taxi.flowkit("models", "list", "--json").json["models"]
    assert promotion["version"] in [row["version"] for row in aliases if row["state"] == "refused"]


@pytest.mark.long
def test_docstrings_rerun_nothing(taxi: Taxi) -> None:
    """The docstring of a step and of a contract that it reaches count as little as a comment."""
    taxi.edit(
        "pipelines/taxi.py", "class Trip(pa.DataFrameModel):\n", 'class Trip(pa.DataFrameModel):\n    """A trip."""\n\n'
    )
    before = taxi.taxi()
    taxi.edit("pipelines/taxi.py", '"""A trip."""', '"""A trip of a taxi."""')
    taxi.edit("pipelines/taxi.py", "-> Examples:\n    paid", '-> Examples:\n    """Add features."""\n    paid')

    after = taxi.taxi()

    assert before.named("executed") == after.named("executed") == []


COMMANDS = [
    ("check", "pipelines/taxi.py"),
    ("plan", "pipelines/taxi.py"),
    ("run", "pipelines/taxi.py", "--inline"),
    ("rerun", "last", "--inline"),
    ("why", "pipelines/taxi.py", "train"),
    ("why", "last", "train"),
    ("show", "pipelines/taxi.py"),
    ("runs",),
    ("logs", "last", "train"),
    ("lineage", "taxi@champion"),
    ("lineage", "data/taxi.csv"),
    ("artifact", "list"),
    ("artifact", "show", "last:features"),
    ("artifact", "export", "last:features", "features.parquet"),
    ("models", "list"),
    ("models", "show", "taxi:1"),
    ("models", "promote", "taxi:1", "--to", "challenger"),
    ("audit", "list"),
    ("audit", "verify"),
    ("config", "show"),
]


@pytest.fixture
def tell(taxi: Taxi, no_pipelines: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Call a command in this process, which has the libraries of the pipeline at hand already."""
    monkeypatch.chdir(taxi.root)
    return caller(capsys)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_json(tell: Tell, command: tuple[str, ...]) -> None:
    """`--help` says what it does with an example; `--json` prints one object that tells its format and nothing else."""
    words = command[:2] if command[0] in ("artifact", "models", "audit", "config") else command[:1]
    helped = tell(*words, "--help")
    done = tell(*command, "--json")

    assert helped.code == 0
    assert "Example" in helped.out
    assert done.code == 0, done.err
    assert done.json()["format"] == 1


def test_a_rollback_moves_the_alias_back(taxi: Taxi) -> None:
    """A better candidate becomes champion, and `models rollback` gives the alias to the version before."""
    better = taxi.taxi("-p", "C=10")
    version = better.json["promotions"][0]["version"]
    back = taxi.flowkit("models", "rollback", "taxi@champion", "--json")

    assert better.json["promotions"][0]["accepted"], better.out
    assert back.code == 0, back.err
    (champion,) = taxi.flowkit("models", "show", "taxi@champion", "--json").json["models"]
    assert champion["version"] < version
    again = taxi.taxi("-p", "C=10")
    assert not again.json["promotions"][0]["accepted"]
    assert "rolled back" in again.json["promotions"][0]["reason"]
