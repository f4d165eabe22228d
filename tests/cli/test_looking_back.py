"""Commands that look back: at runs, nodes, artifacts, lineage, models and the audit log."""

from __future__ import annotations

import json
import pickle
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.cli.conftest import Recorded
from tests.commands import Answer, spawn

Ask = Callable[..., Answer]


def test_runs_lists_the_latest_first(ask: Ask, recorded_project: Recorded) -> None:
    """`runs` shows every run with its status; `--json` is one object whose rows have the view's columns."""
    listed = ask("runs", "--json").json()
    assert listed["format"] == 1
    rows = listed["runs"]
    expected = [recorded_project.tables, recorded_project.failed, recorded_project.refused, recorded_project.good]
    assert [row["run"] for row in rows] == expected
    assert [row["status"] for row in rows] == ["succeeded", "failed", "succeeded", "succeeded"]
    with sqlite3.connect(recorded_project.root / ".flowkit/lineage.db") as connection:
        columns = [column[0] for column in connection.execute("SELECT * FROM runs").description]
    assert list(rows[0]) == columns
    text = ask("runs", "--pipeline", "small", "-n", "1")
    assert text.out.splitlines()[1].startswith(recorded_project.failed)
    assert len(text.out.splitlines()) == 2


def test_a_run_whose_driver_died_is_shown_as_crashed(ask: Ask, recorded_project: Recorded, tmp_path: Path) -> None:
    """A run that is recorded as running and that nobody drives any more is crashed."""
    shutil.copytree(recorded_project.root / ".flowkit", tmp_path / "store")
    with sqlite3.connect(tmp_path / "store/lineage.db") as connection:
        connection.execute(
            "UPDATE run SET status = (SELECT id FROM word WHERE text = 'running'), ended = NULL WHERE run = ?",
            (recorded_project.good,),
        )
    rows = ask("runs", "--json", "--store", str(tmp_path / "store")).json()["runs"]
    assert {row["run"]: row["status"] for row in rows}[recorded_project.good] == "crashed"


def test_logs(ask: Ask, recorded_project: Recorded) -> None:
    """`logs RUN NODE` prints what the node printed, and only that; of a reused node what its maker printed."""
    assert ask("logs", recorded_project.good, "load").out == "loading 5\n"
    assert ask("logs", recorded_project.failed, "check").out == "too many\n"
    rows = ask("logs", recorded_project.failed, "--json").json()["nodes"]
    assert {row["node"]: row["outcome"] for row in rows}["check"] == "failed"
    assert next(row for row in rows if row["node"] == "check")["log"]


def test_a_store_whose_content_was_removed_still_tells_its_runs(
    ask: Ask, recorded_project: Recorded, tmp_path: Path
) -> None:
    """Runs, logs and what the database knows of artifacts are there without the folder of their content."""
    store = tmp_path / "store"
    shutil.copytree(recorded_project.root / ".flowkit", store, ignore=shutil.ignore_patterns("blobs"))
    here = ("--store", str(store))
    assert len(ask("runs", "--json", *here).json()["runs"]) == 4
    assert ask("logs", recorded_project.good, "load", *here).out == "loading 5\n"
    assert ask("verify", "--json", *here).json()["findings"]
    assert ask("gc", "--dry-run", *here).code == 0
    assert not (store / "blobs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["logs", "last", "nope"], "There is no node 'nope'"),
        (["logs", "20991231", "load"], "No run is called '20991231'"),
        (["why", "last", "nope"], "There is no node 'nope'"),
        (["artifact", "show", "zzz"], "'zzz' is not an artifact"),
        (["artifact", "show", "ffffffff"], "No artifact has a digest"),
        (["artifact", "show", "last:both"], "gave 2 outputs, and none is named"),
        (["artifact", "show", "last:both.7"], "gave no output '7'"),
        (["artifact", "show", "last:nope"], "There is no node 'nope'"),
        (["lineage", "pyproject.toml"], "has not been an input or output of any run"),
        (["models", "show", "smal"], "No model is called 'smal'"),
        (["models", "show", "small:9"], "The model 'small' has no version 9"),
        (["models", "show", "small@challenger"], "The model 'small' has no 'challenger'"),
        (["models", "promote", "small"], "is not a version of a model"),
        (["models", "rollback", "small:1"], "is not an alias"),
        (["rerun", "20991231"], "No run is called '20991231'"),
    ],
)
def test_what_is_not_recorded_is_told(ask: Ask, arguments: list[str], message: str) -> None:
    """A run, node, artifact or model that there is not gives exit code 2, its name and a hint."""
    answer = ask(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert "Hint: " in answer.err


def test_lineage_both_ways(ask: Ask, recorded_project: Recorded) -> None:
    """`lineage` of a model names the code, parameters and inputs behind it; of a file, what used it."""
    made = ask("lineage", "small:1", "--direction", "up", "--json").json()
    nodes = {row["node"]: row for row in made["nodes"]}
    assert next(iter(nodes)) == "fit"
    assert set(nodes) == {"fit", "scale[0]", "scale[1]", "scale[2]", "check", "load"}
    assert nodes["load"]["parameters"]["n"] == "5"
    assert nodes["load"]["inputs"][0]["parameter"] == "file"
    assert all(row["direction"] == "upstream" and len(row["code"]) == 64 for row in made["nodes"])

    by_file = ask("lineage", "data.txt")
    assert "came in from outside" in by_file.out
    assert "load" in by_file.out
    assert "fit" in by_file.out
    by_node = ask("lineage", f"{recorded_project.good}:load")
    by_digest = ask("lineage", nodes["load"]["outputs"][0]["artifact"][:12])
    assert by_node.out.splitlines()[1:] == by_digest.out.splitlines()[1:]


def test_artifact_list(ask: Ask, recorded_project: Recorded) -> None:
    """`artifact list` shows the newest first, or what one run gave."""
    newest = ask("artifact", "list", "--json", "-n", "3").json()["artifacts"]
    assert list(newest[0]) == ["artifact", "format", "bytes", "created", "pinned", "dropped"]
    assert len(newest) == 3
    of_run = ask("artifact", "list", "--run", recorded_project.tables, "--json").json()["artifacts"]
    assert [(row["node"], row["name"], row["format"]) for row in of_run] == [
        ("frame", "return", "table"),
        ("both", "0", "json"),
        ("both", "1", "str"),
    ]


def test_artifact_show(ask: Ask, recorded_project: Recorded) -> None:
    """`artifact show` tells a table's columns with dtypes, and a small value itself."""
    run = recorded_project.tables
    (table,) = ask("artifact", "show", f"{run}:frame", "--json").json()["artifacts"]
    assert table["rows"] == 3
    assert table["columns"] == [{"name": "a", "dtype": "int64"}, {"name": "name", "dtype": "str"}]
    assert (table["run"], table["node"]) == (run, "frame")
    assert "3 rows, 2 columns" in ask("artifact", "show", f"{run}:frame").out
    assert ask("artifact", "show", f"{run}:both.1").out.splitlines()[-1] == "text of both"
    assert ask("artifact", "show", "small:1", "--json").json()["artifacts"][0]["format"] == "json"
    assert "came in as a path" in ask("artifact", "show", "data.txt").out


def test_artifact_export(ask: Ask, recorded_project: Recorded, tmp_path: Path) -> None:
    """Tables become Parquet or CSV, other artifacts are copied as they are; nothing is overwritten unasked."""
    table = f"{recorded_project.tables}:frame"
    expected = pd.DataFrame({"a": range(3), "name": ["x"] * 3})
    for name, read in (("t.parquet", pd.read_parquet), ("t.csv", pd.read_csv)):
        assert ask("artifact", "export", table, str(tmp_path / name)).code == 0
        pd.testing.assert_frame_equal(read(tmp_path / name), expected)
    assert ask("artifact", "export", "small:1", str(tmp_path / "m.json")).code == 0
    assert json.loads((tmp_path / "m.json").read_text())
    before = (tmp_path / "m.json").read_bytes()
    again = ask("artifact", "export", f"{table}", str(tmp_path / "t.csv"))
    assert (again.code, "it is there already" in again.err) == (2, True)
    assert ask("artifact", "export", "small:1", str(tmp_path / "m.json"), "--overwrite").code == 0
    assert (tmp_path / "m.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.json", "t.csv", "t.parquet"]


@pytest.mark.parametrize(
    ("what", "file", "message"),
    [
        ("last:frame", "t.xlsx", "a table cannot be written as .xlsx file"),
        ("last:frame", "t", "a table cannot be written as no file"),
        ("data.txt", "d.txt", "it came in as a path"),
        ("small:1", ".", "it is a folder"),
        ("small:1", "no/such/m.json", "there is no folder"),
    ],
)
def test_what_cannot_be_exported(ask: Ask, tmp_path: Path, what: str, file: str, message: str) -> None:
    """An export that cannot be is refused before anything is written."""
    answer = ask("artifact", "export", what, str(tmp_path / file))
    assert answer.code == 2
    assert message in answer.err
    assert list(tmp_path.iterdir()) == []


def test_models_and_audit(ask: Ask, recorded_project: Recorded, tmp_path: Path) -> None:
    """Versions are listed, shown with their gates, moved by hand, and every move is in a log that verifies."""
    store = tmp_path / "store"
    shutil.copytree(recorded_project.root / ".flowkit", store)

    def tell(*arguments: str) -> Answer:
        return ask(*arguments, "--store", str(store))

    rows = tell("models", "list", "--json").json()["models"]
    assert [(row["version"], row["state"], row["aliases"]) for row in rows] == [
        (1, "registered", ["champion"]),
        (2, "refused", []),
    ]
    (shown,) = tell("models", "show", "small:2", "--json").json()["models"]
    assert shown["decisions"][0]["accepted"] is False
    assert shown["decisions"][0]["gates"][0]["gate"] == "accuracy >= 2.0"
    assert "passed" in tell("models", "show", "small").out
    assert tell("models", "promote", "small:2", "--to", "champion", "--why", "a test").code == 0
    assert tell("models", "retire", "small:2").code == 2
    assert tell("models", "rollback", "small@champion").out.startswith("small@champion points to version 1 again")
    assert tell("models", "retire", "small:2", "--json").json()["models"][0]["changed"] is True
    audit = tell("audit", "list", "--json").json()["audit"]
    assert [row["action"] for row in audit] == ["promote", "refuse", "promote by hand", "rollback", "retire"]
    assert audit[2]["detail"] == "a test"
    assert tell("audit", "verify").code == 0
    with sqlite3.connect(store / "lineage.db") as connection:
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("UPDATE audit_record SET who = 'nobody' WHERE sequence = 2")
    broken = tell("audit", "verify", "--json")
    assert broken.code == 4
    assert "row 2 is changed" in broken.json()["error"]["message"]


def test_a_pickle_is_copied_and_never_loaded(tmp_path: Path, recorded_project: Recorded) -> None:
    """Showing and exporting an opaque artifact runs none of its code."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "pipelines/trap.py").write_text(
        "import os, pathlib\nimport flowkit as fk\n"
        "class Plain:\n    def __init__(self): self.x = 1\n    def __setstate__(self, state):\n"
        "        self.__dict__.update(state)\n"
        "        pathlib.Path(os.environ['MARK']).write_text('loaded')\n"
        "@fk.step\ndef make() -> Plain:\n    return Plain()\n@fk.pipeline\ndef trap() -> None:\n    make()\n"
    )
    mark = tmp_path / "mark"
    done = spawn(tmp_path, "run", "trap", "--inline", MARK=str(mark))
    assert done.returncode == 0, done.stderr
    mark.unlink(missing_ok=True)
    shown = spawn(tmp_path, "artifact", "show", "last:make", MARK=str(mark))
    exported = spawn(tmp_path, "artifact", "export", "last:make", "x.pkl", MARK=str(mark))
    assert (shown.returncode, exported.returncode) == (0, 0), shown.stderr + exported.stderr
    assert "not loaded here" in shown.stdout
    assert not mark.exists()
    assert (tmp_path / "x.pkl").read_bytes()[:1] == pickle.PROTO


def test_config_show(ask: Ask, recorded_project: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config show` tells each setting's value and where it came from."""
    monkeypatch.setenv("FLOWKIT_WORKERS", "3")
    rows = ask("config", "show", "--store", "elsewhere", "--json").json()["settings"]
    found = {row["key"]: (row["value"], row["origin"]) for row in rows}
    assert found["workers"] == (3, "FLOWKIT_WORKERS")
    assert found["store"] == (str(recorded_project.root / "elsewhere"), "--store")
    assert found["pickle"] == ("allow", "default")
    assert "FLOWKIT_WORKERS" in ask("config", "show").out


def test_a_table_with_pickled_cells_is_not_exported(tmp_path: Path) -> None:
    """The message says that export never loads pickles, whatever the project's setting, and what to do."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "pipelines/cells.py").write_text(
        "import pandas as pd\nimport flowkit as fk\n"
        "@fk.step\ndef frame() -> pd.DataFrame:\n    return pd.DataFrame({'when': [{1, 2}]})\n"
        "@fk.pipeline\ndef cells() -> None:\n    frame()\n"
    )

    made = spawn(tmp_path, "run", "pipelines/cells.py", "--inline")
    exported = spawn(tmp_path, "artifact", "export", "last:frame", "out.parquet")

    assert made.returncode == 0, made.stderr
    assert exported.returncode != 0
    assert "export never loads pickles" in exported.stderr
    assert "convert those columns" in exported.stderr
    assert "this project denies" not in exported.stderr
    assert not (tmp_path / "out.parquet").exists()
