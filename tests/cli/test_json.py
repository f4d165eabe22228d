"""What `--json` prints, against the schemas in docs/reference/json."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from flowkit.cli.main import SECTIONS, cli
from tests.cli.conftest import Recorded
from tests.commands import ROOT, Tell, spawn

FOLDER = ROOT / "docs" / "reference" / "json"
PAGE = ROOT / "docs" / "reference" / "json.md"

LOOKING_BACK = {
    "runs": (["runs"], ["runs", "--pipeline", "small"]),
    "logs": (["logs", "last"], ["logs", "{good}", "load"], ["logs", "{failed}"]),
    "diff": (
        ["diff", "{good}", "{failed}"],
        ["diff", "{good}", "{refused}"],
        ["diff", "{refused}"],
        ["diff", "{tables}", "{good}"],
    ),
    "lineage": (["lineage", "small:1"], ["lineage", "data.txt"], ["lineage", "{tables}:frame"]),
    "artifact-list": (["artifact", "list"], ["artifact", "list", "--run", "{good}"]),
    "artifact-show": (
        ["artifact", "show", "{tables}:frame"],
        ["artifact", "show", "{tables}:both.1"],
        ["artifact", "show", "data.txt"],
    ),
    "models-list": (["models", "list"],),
    "models-show": (["models", "show", "small"], ["models", "show", "small:2"]),
    "models-card": (["models", "card", "small"], ["models", "card", "small:2"]),
    "audit": (["audit", "list"], ["audit", "export"]),
    "audit-verify": (["audit", "verify"],),
    "verify": (["verify"],),
    "config-show": (["config", "show"],),
    "why": (["why", "{refused}", "load"], ["why", "{failed}", "check"]),
    "error": (
        ["why", "{failed}", "nope"],
        ["logs", "20991231"],
        ["models", "show", "nope"],
        ["artifact", "show"],
        ["artifact", "export", "{tables}:frame", "no/such/folder.csv"],
    ),
}
"""Commands that only read, by the schema of what they print."""

BUILDING = {
    "init": (["init", "fresh"],),
    "check": (["check", "small"],),
    "show": (["show", "small"],),
    "plan": (["plan", "small"],),
    "run": (["run", "small", "--inline"], ["run", "small"], ["run", "small", "-p", "n=20", "--inline"], ["rerun"]),
    "why": (["why", "small", "check"],),
    "verify-rerun": (["verify", "--rerun"], ["verify", "--rerun", "--select", "load"]),
    "accept": (["accept", "small", "check", "--yes"],),
    "artifact-export": (["artifact", "export", "small:1", "m.json"],),
    "artifact-pin": (
        ["artifact", "pin", "small:1"],
        ["artifact", "pin", "small:1"],
        ["artifact", "unpin", "small:1"],
    ),
    "gc": (["gc"], ["gc", "--keep-runs", "1", "--dry-run"], ["gc", "--max-bytes", "1B"]),
    "models-promote": (["models", "promote", "small:1", "--to", "challenger"],),
    "models-retire": (["models", "retire", "small:2"],),
    "models-rollback": (["models", "rollback", "small@champion", "--to", "2"],),
    "backup": (["backup", "store.tar"],),
    "backup-restore": (["backup", "--restore", "store.tar", "--store", "again"],),
    "doctor": (["doctor"], ["doctor", "--env", "nowhere"]),
}
"""Commands that need a store of their own, in this order but for the models'."""


KEEPING = ("backup", "backup-restore", "doctor")


def validate(name: str, content: Any) -> None:
    """Hold an object to a schema, formats included."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator
    validator.check_schema(schema)
    jsonschema.validate(content, schema, validator, format_checker=validator.FORMAT_CHECKER)


@pytest.mark.parametrize("name", LOOKING_BACK)
def test_what_looks_back_prints_what_its_schema_says(ask: Tell, recorded_project: Recorded, name: str) -> None:
    """Each command that reads prints one object that fits its schema exactly, whatever there is to tell."""
    ids = {"good": recorded_project.good, "failed": recorded_project.failed, "refused": recorded_project.refused}
    for words in LOOKING_BACK[name]:
        answer = ask(*(word.format(**ids, tables=recorded_project.tables) for word in words), "--json")
        assert (answer.code != 0) is (name == "error"), answer.err
        validate(name, answer.json())


@pytest.mark.slow
def test_what_builds_and_runs_prints_what_its_schema_says(tell: Tell) -> None:
    """Checks, plans and runs fit their schemas: executed, reused, failed and with a decision that is repeated."""
    for name in (
        "init",
        "check",
        "show",
        "plan",
        "run",
        "verify-rerun",
        "why",
        "accept",
        "artifact-export",
        *KEEPING,
        "artifact-pin",
        "gc",
    ):
        for words in BUILDING[name]:
            answer = tell(*words, "--json")
            assert answer.code in ((0, 2) if name == "doctor" else (0, 1)), answer.out
            validate(name, answer.json())


def test_what_moves_models_prints_what_its_schema_says(ask: Tell, recorded_project: Recorded, tmp_path: Path) -> None:
    """Promotion, retirement and roll-back by hand fit their schemas."""
    store = tmp_path / "store"
    shutil.copytree(recorded_project.root / ".flowkit", store)
    for name, words in (
        ("models-promote", ["models", "promote", "small:2"]),
        ("models-promote", ["models", "promote", "small:2"]),
        ("models-rollback", ["models", "rollback", "small@champion"]),
        ("models-retire", ["models", "retire", "small:2"]),
        ("models-retire", ["models", "retire", "small:2"]),
    ):
        answer = ask(*words, "--store", str(store), "--json")
        assert answer.code == 0, answer.out
        validate(name, answer.json())


def test_every_command_with_json_has_a_schema_and_every_schema_a_line_on_the_page() -> None:
    """The page lists each schema once, and each command that takes --json stands in it."""
    text = PAGE.read_text(encoding="utf-8")
    listed = re.findall(r"\(json/([\w-]+)\.schema\.json\)", text)
    assert sorted(listed) == sorted(path.name.removesuffix(".schema.json") for path in FOLDER.iterdir())
    assert set(listed) == {*LOOKING_BACK, *BUILDING}
    missing = [words for words in _commands_with_json() if f"`{words}`" not in text]
    assert not missing


def _commands_with_json() -> list[str]:
    found = []
    context = cli.make_context("flowkit", ["--version"], resilient_parsing=True)
    for name in (name for section in SECTIONS.values() for name in section):
        command = cli.get_command(context, name)
        assert command is not None
        for words, leaf in [
            (name, command),
            *((f"{name} {sub}", c) for sub, c in getattr(command, "commands", {}).items()),
        ]:
            if any("--json" in parameter.opts for parameter in leaf.params):
                found.append(words)
    return found


def test_a_reused_decision_names_the_run_that_made_it(tell: Tell) -> None:
    """A promotion that is not decided anew says in which run it was, and so do its node and the plan's champion."""
    first = tell("run", "small", "--inline", "--json").json()
    assert first["promotions"][0]["from_run"] is None
    again = tell("run", "small", "--inline", "--json").json()
    assert again["promotions"][0]["from_run"] == first["run"]
    assert [node["from_run"] for node in again["nodes"]] == [first["run"]] * len(again["nodes"])
    assert f"accepted; it is that already, by run {first['run']}" in tell("run", "small", "--inline").out


@pytest.mark.parametrize(
    "words", [["runs", "--json"], ["models", "card", "small"], ["run", "small", "--inline", "--json"]]
)
def test_a_full_disk_under_the_output_is_told(recorded_project: Recorded, tmp_path: Path, words: list[str]) -> None:
    """Where stdout takes nothing, the command says so in words and leaves with code 1; nothing else is printed."""
    store = tmp_path / "store"
    shutil.copytree(recorded_project.root / ".flowkit", store)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flowkit", *words, "--store", str(store)],
            cwd=recorded_project.root,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: The output cannot be written: No space left on device.")
    assert "Traceback" not in done.stderr


def test_an_error_is_json_too_from_outside(recorded_project: Recorded) -> None:
    """A command line that cannot be read is one JSON object on stdout, nothing on stderr."""
    done = spawn(recorded_project.root, "runs", "--json", "--no-such-option")
    assert (done.returncode, done.stderr) == (2, "")
    validate("error", json.loads(done.stdout))
