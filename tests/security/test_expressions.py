"""Texts of a configuration and of a command line are read, never evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import SOURCE
from tests.commands import Tell, caller
from tests.security.hostile import EXPRESSIONS
from tests.security.projects import make_project

KEYS = ["store", "remote", "scheduler", "workers", "undeclared", "pickle", "promotions", "trust_remote"]

TYPED = """
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path

import flowkit as fk


class Size(Enum):
    SMALL = "small"


@dataclass
class Point:
    x: int


@fk.step
def text(given: str) -> str:
    return given


@fk.pipeline
def typed(
    whole: int = 0,
    real: float = 0.0,
    exact: Decimal = Decimal(0),
    switch: bool = False,
    day: date = date(2026, 1, 1),
    size: Size = Size.SMALL,
    point: Point = Point(1),
    points: list[Point] = [],
    table: dict[str, int] = {},
    either: int | None = None,
    interval: fk.Interval | None = None,
    secret: fk.Secret[str] | None = None,
) -> None:
    text(str(whole))


@fk.pipeline
def free(given: str = "") -> None:
    text(given)
"""

PARAMETERS = [
    "whole",
    "real",
    "exact",
    "switch",
    "day",
    "size",
    "point",
    "points",
    "table",
    "either",
    "interval",
    "secret",
]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    make_project(tmp_path, small=SOURCE, typed=TYPED)
    (tmp_path / "data.txt").write_text("some data\n")
    monkeypatch.chdir(tmp_path)
    return caller(capsys)


def assert_nothing_ran(folder: Path) -> None:
    assert not list(folder.rglob("owned*"))


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_parameters_text_is_read_by_its_annotation(call: Tell, tmp_path: Path, parameter: str) -> None:
    """An expression is no number, no date, no member and no list: each is refused with the parameter's name."""
    for text in EXPRESSIONS:
        answer = call("check", "pipelines/typed.py:typed", "-p", f"{parameter}={text}")
        assert answer.code == 2, f"{text}: {answer.out}"
        assert parameter in answer.err
    assert_nothing_ran(tmp_path)


@pytest.mark.slow
def test_a_parameter_of_text_is_that_text(call: Tell, tmp_path: Path) -> None:
    """What is declared as text is passed on as it is."""
    for text in EXPRESSIONS:
        if text.startswith("@"):
            continue  # the documented way to name a file
        answer = call("run", "pipelines/typed.py:free", "--inline", "--json", "-p", f"given={text}")
        assert answer.code == 0, answer.err
        assert answer.json()["parameters"] == {"given": text}
    assert_nothing_ran(tmp_path)


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_is_a_plain_value(call: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """In the file or a variable, an expression is that text: refused, or a name of something that is not there."""
    for text in EXPRESSIONS:
        (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'x'\n[tool.flowkit]\n{key} = '''{text}'''\n")
        told = call("config", "show")
        (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
        with monkeypatch.context() as variables:
            variables.setenv(f"FLOWKIT_{key.upper()}", text)
            told_too = call("config", "show")
        for answer in (told, told_too):
            assert answer.code in (0, 2), answer.err
            assert answer.code == 2 or key in ("store", "remote", "scheduler")
            assert "bug of its own" not in answer.err
    assert_nothing_ran(tmp_path)


@pytest.mark.slow
def test_schedules_and_selectors_are_words(call: Tell, tmp_path: Path) -> None:
    """A cron line, a zone, a tag, a selection: none is evaluated, each that is none is refused."""
    for text in EXPRESSIONS:
        for option in ("schedule", "timezone", "catchup", "overlap"):
            (tmp_path / "pipelines" / "timed.py").write_text(
                "import flowkit as fk\n\n@fk.step\ndef one() -> int:\n    return 1\n\n"
                f"@fk.pipeline({option}={text!r})\ndef timed() -> None:\n    one()\n"
            )
            assert call("check", "pipelines/timed.py").code == 2, (option, text)
        for option in ("--select", "--force"):
            assert call("plan", "small", option, text).code == 2, (option, text)
    assert_nothing_ran(tmp_path)
