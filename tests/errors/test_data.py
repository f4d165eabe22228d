"""Data that is not what a step needs fails its node alone, is told with its place, and is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.errors.cases_data import ARGUMENTS, DATA
from tests.errors.golden import Case, ask, call, compare

_MISSING = DATA[0]


@pytest.mark.slow
@pytest.mark.parametrize("case", DATA, ids=lambda case: case.name)
def test_a_data_error_reads_as_its_golden_file(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole text is the golden file's, and the branch beside the failed node has finished."""
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, text = call(case, tmp_path, capsys)
    compare(case, code, text)
    assert "other  executed" in text
    assert "count  blocked" in text


@pytest.mark.parametrize("case", ARGUMENTS, ids=lambda case: case.name)
def test_an_argument_that_cannot_be_recorded_reads_as_its_golden_file(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A live thing given to a step fails its node alone, and the call is named."""
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, text = call(case, tmp_path, capsys)
    compare(case, code, text)
    assert "other  executed" in text


@pytest.mark.slow
def test_workers_tell_the_same_as_a_run_in_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step host on a Dask worker, with a process for the command, gives the failure that `--inline` gives."""
    case = next(case for case in DATA if case.name == "data-ragged-csv")
    case.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    inline = json.loads(ask(capsys, f"{case.command} --json")[1])
    done = subprocess.run(
        [sys.executable, "-m", "flowkit", "run", "pipelines/shop.py", "--json"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=100,
    )
    errors = [
        next(node["error"] for node in run["nodes"] if node["node"] == "load")
        for run in (inline, json.loads(done.stdout))
    ]
    assert done.returncode == 1
    assert errors[0] == errors[1]


@pytest.mark.slow
def test_a_row_of_100_megabytes_is_cut_wherever_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message that quotes a row of 100 MB is some lines long on the screen, in JSON and in the database."""
    case = next(case for case in DATA if case.name == "data-long-row")
    case.write(tmp_path)
    (tmp_path / "data/trips.csv").write_bytes(b"x" * 100_000_000)
    monkeypatch.chdir(tmp_path)
    code, text = call(case, tmp_path, capsys)
    assert code == 1
    assert len(text) < 5_000
    assert len(ask(capsys, f"{case.command} --json")[1]) < 10_000
    assert (tmp_path / ".flowkit/lineage.db").stat().st_size < 1_000_000


def test_a_failure_is_recorded_and_a_mended_input_runs_only_what_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run --json` holds the three parts, `runs` and `why` tell of it later, and the finished branch is reused."""
    _MISSING.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out = ask(capsys, "run pipelines/shop.py --inline --json")
    nodes = {node["node"]: node for node in json.loads(out)["nodes"]}
    assert code == 1
    assert {name: node["outcome"] for name, node in nodes.items()} == {
        "load": "failed",
        "count": "blocked",
        "other": "executed",
    }
    error = nodes["load"]["error"]
    assert "data/trips.csv" in error["message"]
    assert error["hint"]

    assert json.loads(ask(capsys, "runs --json")[1])["runs"][0]["status"] == "failed"
    assert error["message"] in ask(capsys, "why last load")[1]

    (tmp_path / "data").mkdir()
    (tmp_path / "data/trips.csv").write_text("fare,taxi\n1.5,a\n")
    code, out = ask(capsys, "run pipelines/shop.py --inline --json")
    assert code == 0
    assert {node["node"]: node["outcome"] for node in json.loads(out)["nodes"]} == {
        "load": "executed",
        "count": "executed",
        "other": "reused",
    }
