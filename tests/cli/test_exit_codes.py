"""Exit codes: one table of commands, and the code that each gives."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded
from tests.commands import Tell

CASES = [
    (0, ["check", "small"]),
    (0, ["plan", "small"]),
    (0, ["plan", "small", "-p", "n=7"]),
    (0, ["show", "small"]),
    (0, ["why", "small", "fit"]),
    (0, ["runs"]),
    (0, ["logs", "last"]),
    (0, ["diff", "{good}", "{failed}"]),
    (0, ["audit", "verify"]),
    (0, ["verify"]),
    (2, ["verify", "last"]),
    (2, ["verify", "--rerun", "2099"]),
    (2, ["verify", "--rerun", "{good}", "--select", "nope"]),
    (0, ["models", "retire", "small:2"]),
    (0, ["run", "small", "--inline"]),
    (0, ["run", "small", "--inline", "-p", "least=2", "-p", "n=6"]),
    (1, ["run", "small", "--inline", "-p", "n=20"]),
    (1, ["rerun", "{failed}", "--inline"]),
    (1, ["run", "small", "--inline", "-p", "file=no/such.csv"]),
    (2, ["run", "nope"]),
    (2, ["run", "small", "-p", "n=many"]),
    (2, ["run", "small", "--select", "nope"]),
    (2, ["run", "small", "--env", "nope"]),
    (2, ["check", "small", "--no-such-option"]),
    (2, ["plan"]),
    (2, ["why", "small", "nope"]),
    (2, ["nope"]),
    (2, ["logs", "{good}", "nope"]),
    (2, ["diff", "2099", "last"]),
    (2, ["artifact", "show", "nope"]),
    (2, ["models", "card", "nope"]),
    (2, ["models", "rollback", "small@nope"]),
    (3, ["run", "small", "--inline", "--require-promotion", "-p", "least=3", "-p", "n=7"]),
]

NO_STORE = (
    ["runs"],
    ["logs", "last"],
    ["diff", "last"],
    ["audit", "list"],
    ["models", "list"],
    ["artifact", "list"],
    ["verify"],
)


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
def test_each_command_leaves_with_its_code(
    tell: Tell, recorded_project: Recorded, project: Path, as_json: bool
) -> None:
    """Done is 0, a failed step 1, what does not fit 2, a refused promotion 3; with --json as without."""
    shutil.copytree(recorded_project.root, project, dirs_exist_ok=True)
    ids = {"good": recorded_project.good, "failed": recorded_project.failed}
    found = []
    for code, words in CASES:
        answer = tell(*(word.format(**ids) for word in words), *(["--json"] if as_json else []))
        found.append((answer.code, words))
        assert "met a bug of its own" not in answer.err
        if as_json:
            assert isinstance(answer.json(), dict)
        elif code == 2:
            assert "Hint: " in answer.err
    assert found == CASES


@pytest.mark.parametrize("words", NO_STORE, ids=lambda words: words[0])
def test_a_store_that_is_not_there_or_newer_is_4(
    ask: Tell, recorded_project: Recorded, tmp_path: Path, words: list[str]
) -> None:
    """Whatever looks back leaves with 4 where there is no store, and where a later flowkit wrote it."""
    assert ask(*words, "--store", str(tmp_path / "none")).code == 4
    store = tmp_path / "newer"
    shutil.copytree(recorded_project.root / ".flowkit", store)
    with sqlite3.connect(store / "lineage.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    assert ask(*words, "--store", str(store), "--json").code == 4


def test_a_plan_makes_no_store(tell: Tell, project: Path) -> None:
    """`plan` and `why` of a project in which nothing has run leave no trace."""
    assert tell("plan", "small", "--json").json()["nodes"][0]["outcome"] == "run"
    assert tell("why", "small", "load").out.startswith("load  run  new")
    assert not (project / ".flowkit").exists()


def test_an_exception_of_many_lines_has_one_in_the_list_of_nodes(tell: Tell, project: Path) -> None:
    """A node has one line, whatever its exception says; the whole message stands below the run."""
    path = project / "pipelines/small.py"
    path.write_text(path.read_text().replace('f"{len(rows)} rows"', '"first\\nsecond\\nthird"'))
    answer = tell("run", "small", "--inline", "-p", "n=20")
    assert answer.code == 1
    line = next(line for line in answer.out.splitlines() if line.startswith("check  failed"))
    assert "ValueError: first" in line
    assert not any(line.strip() == "second" for line in answer.out.splitlines())
    assert "second" in answer.err
