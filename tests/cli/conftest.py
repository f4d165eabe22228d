"""A project with recorded runs, and ways to call the command line on it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands import Tell, caller, spawn

SOURCE = """
from pathlib import Path
import flowkit as fk


@fk.step(tags=("io",))
def load(n: int, file: Path) -> list[int]:
    print("loading", n)
    return list(range(n))


@fk.step
def scale(rows: list[int], by: float) -> float:
    return sum(rows) * by


@fk.step
def check(rows: list[int]) -> int:
    if len(rows) > 10:
        print("too many")
        raise ValueError(f"{len(rows)} rows")
    return len(rows)


@fk.step
def fit(parts: list[float], count: int) -> dict[str, float]:
    return {"slope": sum(parts), "count": float(count)}


@fk.step
def evaluate(model: dict[str, float]) -> fk.Metrics:
    return fk.Metrics(accuracy=model["slope"] / 100)


@fk.pipeline
def small(n: int = 5, file: Path = Path("data.txt"), least: float = 0.5) -> None:
    rows = load(n, file)
    parts = fk.collect(scale(rows, by=fk.each([1.0, 2.0, 3.0])))
    model = fit(parts, check(rows))
    fk.promote(model, to="small@champion", metrics=evaluate(model), gates=[fk.at_least("accuracy", least)])
"""

FRAMES = """
import pandas as pd
import flowkit as fk


@fk.step
def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"a": range(rows), "name": ["x"] * rows})


@fk.step
def both(rows: int) -> tuple[int, str]:
    return rows, "text of both"


@fk.pipeline
def frames(rows: int = 3) -> None:
    frame(rows)
    both(rows)
"""

TINY = """
import flowkit as fk


@fk.step(tags=("heavy",))
def load(count: int) -> int:
    return count


@fk.step
def fit(n: int) -> dict[str, int]:
    return {"n": n}


@fk.step
def score(model: dict[str, int]) -> fk.Metrics:
    return fk.Metrics(accuracy=1)


@fk.pipeline
def small(count: int = 5) -> None:
    model = fit(load(count))
    fk.promote(model, to="small@champion", metrics=score(model), gates=[fk.at_least("accuracy", 0.5)])
"""
"""The smallest pipeline that promotes."""


def make_project(folder: Path) -> Path:
    """Write the project into `folder`."""
    (folder / "pipelines").mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (folder / "data.txt").write_text("some data\n")
    (folder / "pipelines/small.py").write_text(SOURCE)
    (folder / "pipelines/frames.py").write_text(FRAMES)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in which nothing has run."""
    return make_project(tmp_path)


@dataclass(frozen=True)
class Recorded:
    """A project with runs: a good one, one whose model was refused, one that failed, and one with tables."""

    root: Path
    good: str
    refused: str
    failed: str
    tables: str


@pytest.fixture(scope="session")
def recorded_project(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Four recorded runs, made once; tests only read them."""
    root = make_project(tmp_path_factory.mktemp("recorded"))
    runs = [
        spawn(root, "run", *arguments, "--inline", "--json")
        for arguments in (
            ["small"],
            ["small", "-p", "least=2", "-p", "n=6"],
            ["small", "-p", "n=20"],
            ["frames"],
        )
    ]
    assert [done.returncode for done in runs] == [0, 0, 1, 0], [done.stderr for done in runs]
    good, refused, failed, tables = (json.loads(done.stdout)["run"] for done in runs)
    return Recorded(root, good, refused, failed, tables)


@pytest.fixture
def ask(recorded_project: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Call a command that looks back, in this process, in the recorded project."""
    monkeypatch.chdir(recorded_project.root)
    return caller(capsys)


@pytest.fixture
def tell(
    no_pipelines: None, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Tell:
    """Call any command in this process, in a new project."""
    monkeypatch.chdir(project)
    return caller(capsys)
