"""What the end of a failed run says, where several nodes fail alike, and other refusals of commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowkit.cli.main import run_command

SOURCE = """
from pathlib import Path
import decimal
import pandas as pd
import flowkit as fk


@fk.step
def train(rows: int) -> int:
    raise ValueError("no rows")


@fk.step
def head(file: Path) -> str:
    return file.read_text()


@fk.step
def tail(file: Path) -> str:
    return file.read_text()


@fk.step
def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, None, "x", {2}]})


@fk.step
def number() -> list:
    return ["a"]


@fk.step
def count(rows: list[int]) -> int:
    return 0


@fk.pipeline
def mapped() -> None:
    train(fk.each([1, 1, 2]))


@fk.pipeline
def twice(file: Path = Path("none.txt")) -> None:
    head(file)
    tail(file)


@fk.pipeline
def pickled() -> None:
    frame()


@fk.pipeline
def loose() -> None:
    count(number())
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "shop.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("pipeline", "nodes"), [("mapped", ["train[0]", "train[1]", "train[2]"]), ("twice", ["head", "tail"])]
)
def test_every_failure_names_its_node(
    failing: Path, capsys: pytest.CaptureFixture[str], pipeline: str, nodes: list[str]
) -> None:
    """Elements that fail alike, and steps that miss one file, have a block each that says whose it is."""
    assert run_command(["run", f"shop:{pipeline}", "--inline"]) == 1
    blocks = capsys.readouterr().err.split("\n\n")
    told = [block for block in blocks if "Hint:" in block]
    assert len(told) == len(nodes)
    assert len(set(told)) == len(nodes)
    for node, block in zip(nodes, told, strict=True):
        assert node in block


def test_a_table_with_pickled_cells_is_refused_as_other_exports_are(
    failing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, the columns, and nothing written."""
    assert run_command(["run", "shop:pickled", "--inline"]) == 0
    capsys.readouterr()
    assert run_command(["artifact", "export", "last:frame", "a.csv"]) == 2
    assert "pickled" in capsys.readouterr().err
    assert not (failing / "a.csv").exists()


def test_check_lists_what_is_judged_on_values(failing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check -v` names each edge that the annotations leave open, and says so in its help."""
    assert run_command(["check", "shop:loose", "-v"]) == 0
    assert "checked on the value: count.rows: list does not say what it holds\n" in capsys.readouterr().out
    run_command(["check", "--help"])
    checking = " ".join(capsys.readouterr().out.split())
    run_command(["plan", "--help"])
    planning = " ".join(capsys.readouterr().out.split())
    assert "judged on the values" in checking
    assert "where its log is" not in checking + planning
