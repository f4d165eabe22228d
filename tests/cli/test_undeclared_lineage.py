"""What steps read undeclared, in what explains an artifact or a model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.commands import Tell, caller

RATES = """
import json
from pathlib import Path

import flowkit as fk


@fk.step
def train(n: int) -> list[float]:
    return [n * json.loads(Path("conf/fx.json").read_text())]


@fk.step
def score(model: list[float]) -> fk.Metrics:
    return fk.Metrics(s=model[0])


@fk.pipeline
def rates(n: int = 3) -> None:
    model = train(n)
    fk.promote(model, to="rates@champion", metrics=score(model), gates=[fk.at_least("s", 0.0)])
"""


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """The command, in a project whose model was trained on a file that is not declared."""
    for name, text in (
        ("pyproject.toml", "[project]\nname = 'rates'\n"),
        ("pipelines/rates.py", RATES),
        ("conf/fx.json", "2"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "pipelines.rates", raising=False)
    monkeypatch.delitem(sys.modules, "pipelines", raising=False)
    call = caller(capsys)
    assert call("run", "rates", "--inline").code == 0
    return call


def test_what_explains_a_model_tells_what_was_read_undeclared(tell: Tell) -> None:
    """`lineage` of the champion and its card name the file; the file leads to what was made from it."""
    assert "read undeclared: file conf/fx.json" in tell("lineage", "rates@champion").out
    (row,) = tell("lineage", "rates@champion", "--direction", "up", "--json").json()["nodes"]
    assert [(item["kind"], item["name"]) for item in row["observed"]] == [("file", "conf/fx.json")]
    assert "| file conf/fx.json | train |" in tell("models", "card", "rates@champion").out
    (card,) = tell("models", "card", "rates@champion", "--json").json()["models"]
    assert [(item["node"], item["name"]) for item in card["observed"]] == [("train", "conf/fx.json")]
    down = tell("lineage", "conf/fx.json", "--json").json()["nodes"]
    assert [(item["direction"], item["node"]) for item in down] == [("downstream", "train"), ("downstream", "score")]
    Path("conf/fx.json").write_text("3")
    assert "has not been an input or output" in tell("lineage", "conf/fx.json").err
