"""Model cards, the exported audit log, and which node and decision an answer speaks of."""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded
from tests.commands import MAIN, ROOT, Tell, edit


def test_a_model_card_holds_what_is_recorded(ask: Tell, recorded_project: Recorded, tmp_path: Path) -> None:
    """The card names state, alias, metrics, verdicts, parameters, files with digests, steps with code, packages."""
    (card,) = ask("models", "card", "small:1", "--json").json()["models"]
    assert (card["version"], card["aliases"], card["metrics"]) == (1, ["champion"], {"accuracy": 0.6})
    assert card["run"] == recorded_project.good
    assert [row["action"] for row in card["audit"]] == ["promote"]
    (taken,) = card["inputs"]
    assert (taken["node"], taken["parameter"], taken["format"]) == ("load", "file", "file")
    assert card["steps"][0]["node"] == "load"
    assert card["steps"][-1]["node"] == "fit"
    assert card["environment"]["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    text = ask("models", "card", "small").out
    assert text.startswith("# Model card: small, version 1\n")
    assert taken["artifact"] in text
    assert "| accuracy >= 0.5 | 0.6 | passed |" in text
    file = tmp_path / "card.md"
    assert ask("models", "card", "small", "-o", str(file)).out == ""
    assert file.read_text() == text


def test_the_audit_log_is_exported_whole(ask: Tell, tmp_path: Path) -> None:
    """CSV and JSON hold the same rows, every column of the view, to a file or to stdout."""
    rows = ask("audit", "export").json()["audit"]
    file = tmp_path / "audit.csv"
    assert ask("audit", "export", "--format", "csv", "-o", str(file)).code == 0
    with open(file, newline="") as lines:
        written = list(csv.DictReader(lines))
    assert [{**row, "evidence": json.loads(row["evidence"])} for row in written] == [
        {name: value if name == "evidence" else str(value) for name, value in row.items()} for row in rows
    ]
    assert ask("audit", "export", "--format", "csv").out.splitlines() == file.read_text().splitlines()


def test_what_a_spreadsheet_would_run_is_quoted(tell: Tell, tmp_path: Path) -> None:
    """A reason that begins like a formula is text in the CSV; hand promotions are listed with their alias."""
    assert tell("run", "small", "--inline", "-q").code == 0
    assert tell("models", "promote", "small:1", "--to", "challenger", "--why", "=1+1").code == 0
    assert ",'=1+1," in tell("audit", "export", "--format", "csv").out
    last = tell("audit", "list").out.splitlines()[-1]
    assert "promote by hand" in last
    assert "challenger" in last


def test_a_node_is_named_as_asked_where_another_gave_equal_bytes(tell: Tell, project: Path) -> None:
    """`artifact show RUN:NODE` names that node as the maker, whichever made the same content first."""
    edit(project / "pipelines/frames.py", "    both(rows)", "    both(rows)\n    both.named('again')(rows)")
    edit(project / "pipelines/frames.py", "def both(rows: int)", "def both(rows: int, n: int = 1)")
    edit(project / "pipelines/frames.py", "again')(rows)", "again')(rows, n=2)")
    assert tell("run", "frames", "--inline", "-q").code == 0
    for node in ("both", "again"):
        (shown,) = tell("artifact", "show", f"last:{node}.1", "--json").json()["artifacts"]
        assert shown["node"] == node


def test_what_a_failed_or_blocked_node_gave(ask: Tell, recorded_project: Recorded) -> None:
    """A node that is there and gave nothing is not called unknown."""
    for node, outcome in (("check", "failed"), ("fit", "blocked")):
        answer = ask("lineage", f"{recorded_project.failed}:{node}")
        assert answer.code == 2
        assert f"The node '{node}' gave nothing in run" in answer.err
        assert outcome in answer.err


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".pkl", ".npy"])
def test_an_export_does_not_lie_about_its_content(
    ask: Tell, recorded_project: Recorded, tmp_path: Path, suffix: str
) -> None:
    """A payload is not written under an ending that promises another content."""
    answer = ask("artifact", "export", "small:1", str(tmp_path / f"model{suffix}"))
    assert answer.code == 2
    assert "what is stored as json is not" in answer.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_export_to_a_full_disk_leaves_nothing(recorded_project: Recorded, tmp_path: Path, suffix: str) -> None:
    """Where a table does not fit, the command says so with exit code 1, and no part of it stays."""
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "artifact", "export", f"{recorded_project.tables}:frame", f"{tmp_path}/t{suffix}"],
        cwd=recorded_project.root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: Cannot write '{tmp_path}/t{suffix}': ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
