"""What a type checker in an editor and what `flowkit check` find: the same mistakes, before anything runs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from flowkit.cli.main import run_command
from tests.typing.programs import HERE, gather_programs

MISTAKES = HERE / "mistakes.py"
DELIBERATE = "cases/mistakes.py"

TABLE: dict[str, tuple[str | None, str | None, str | None]] = {
    "constant": ("arg-type", "reportArgumentType", "The step 'number' cannot take this value for 'n'"),
    "unknown": ("call-arg", "reportCallIssue", "The step 'text' has no parameter 'tmies'"),
    "missing": ("call-arg", "reportCallIssue", "The step 'text' needs 's'"),
    "handle": ("arg-type", "reportArgumentType", "Step 'text' cannot take what 'number' gives"),
    "named": ("arg-type", "reportArgumentType", "Step 'other' cannot take what 'number' gives"),
    "unpacked": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'two.1' gives"),
    "too_many": ("misc", "reportAssignmentType", "not enough values to unpack"),
    "of_named_tuple": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'pair.right' gives"),
    "of_dataclass": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'both.name' gives"),
    "no_field": ("attr-defined", "reportAttributeAccessIssue", "nmae"),
    "mapped": ("arg-type", "reportArgumentType", "cannot take this value for 'n'"),
    "uncollected": (
        "arg-type",
        "reportArgumentType",
        "Step 'total' wants a list, but is mapped over what 'number' gives",
    ),
    "collected": ("arg-type", "reportArgumentType", "Step 'total' cannot take what 'collect(text)' gives"),
    "contained": ("list-item", "reportArgumentType", "Step 'total' cannot take what 'text' gives"),
    "viewed": ("arg-type", "reportArgumentType", "as_type() cannot view the output of step 'number' as int"),
    "of_champion": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'champion' gives"),
    "promoted_with_a_number": ("arg-type", "reportArgumentType", "Step 'promote' cannot take what 'number#2' gives"),
    "gate_of_text": ("list-item", "reportArgumentType", "gate"),
    "gate_value": ("arg-type", "reportArgumentType", "finite number as value"),
    "gate_direction": ("arg-type", "reportArgumentType", "which direction is better"),
    "untracked_type": ("arg-type", "reportArgumentType", "The step 'untracked' cannot take this value for 'jobs'"),
    "path_for_text": ("arg-type", "reportArgumentType", "The step 'text' cannot take this value for 's'"),
    # What a type checker sees is an int, so only the handle itself can say that there is no value yet.
    "compared": (None, None, "compared"),
    "added": (None, None, "computed with"),
}
"""By pipeline: mypy's code, pyright's rule, and what flowkit says."""


@dataclass(frozen=True)
class Found:
    """One finding of a type checker: the file below the folder of all programs, its line, and the rule."""

    file: str
    line: int
    rule: str
    message: str


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all programs: the mistakes, and what is right."""
    folder = tmp_path_factory.mktemp("programs")
    gather_programs(folder)
    return folder


@pytest.fixture(scope="module")
def found_by_mypy(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, ...]:
    """What mypy says of all programs."""
    return ask_mypy(programs, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def found_by_pyright(programs: Path) -> tuple[Found, ...]:
    """What pyright says of all programs."""
    return ask_pyright(programs)


def start(*command: str, folder: Path) -> str:
    """Run a type checker and return what it printed; it ends with 0 or with 1, for findings."""
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=280, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def ask_mypy(folder: Path, cache: Path) -> tuple[Found, ...]:
    """Return what mypy finds under the settings of a new project."""
    settings = ("--config-file", str(HERE / "mypy.ini"), "--explicit-package-bases", "--cache-dir", str(cache))
    told = start(sys.executable, "-m", "mypy", *settings, "--hide-error-context", "--no-pretty", ".", folder=folder)
    assert re.search(r"checked \d\d+ source files", told), told
    found = re.findall(r"^(.+?):(\d+): error: (.*?)\s+\[([\w-]+)\]$", told, re.MULTILINE)
    assert len(found) == told.count(": error: "), told
    return tuple(Found(file, int(line), rule, message) for file, line, message, rule in found)


def ask_pyright(folder: Path) -> tuple[Found, ...]:
    """Return what pyright finds."""
    told = json.loads(
        start(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", ".", folder=folder)
    )
    assert told["summary"]["filesAnalyzed"] > 10, told["summary"]
    return tuple(
        Found(
            str(Path(item["file"]).resolve().relative_to(folder.resolve())),
            item["range"]["start"]["line"] + 1,
            item.get("rule", ""),
            item["message"],
        )
        for item in told["generalDiagnostics"]
        if item["severity"] == "error"
    )


def by_pipeline(found: list[tuple[int, str]]) -> dict[str, set[str]]:
    """Return the codes that were found in each function of the mistakes."""
    functions = [item for item in ast.parse(MISTAKES.read_text()).body if isinstance(item, ast.FunctionDef)]
    placed: dict[str, set[str]] = {}
    for line, code in found:
        owner = next(item.name for item in functions if item.lineno <= line <= (item.end_lineno or 0))
        placed.setdefault(owner, set()).add(code)
    return placed


@pytest.mark.parametrize("pipeline", TABLE)
def test_check_finds_the_mistake(
    pipeline: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`flowkit check` refuses each with exit code 2 and a message that names it."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "mistakes.py").write_text(MISTAKES.read_text())
    monkeypatch.chdir(tmp_path)
    code = run_command(["check", f"mistakes.py:{pipeline}", "--json"])
    sys.modules.pop("mistakes", None)
    told = capsys.readouterr().out
    assert code == 2, told
    error = json.loads(told)["error"]
    assert TABLE[pipeline][2] is not None
    assert str(TABLE[pipeline][2]) in error["message"] + json.dumps(error["facts"], ensure_ascii=False)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mypy_finds_what_can_be_seen(found_by_mypy: tuple[Found, ...]) -> None:
    """mypy --strict reports each mistake by its code, in its line, and nothing else."""
    found = by_pipeline([(item.line, item.rule) for item in found_by_mypy if item.file == DELIBERATE])
    assert found == {name: {row[0]} for name, row in TABLE.items() if row[0] is not None}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mypy_passes_what_is_right(found_by_mypy: tuple[Found, ...]) -> None:
    """Right programs, this repository's pipelines and every file of the documents pass mypy --strict."""
    assert [item for item in found_by_mypy if item.file != DELIBERATE] == []


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(300)
def test_pyright_finds_what_can_be_seen(found_by_pyright: tuple[Found, ...]) -> None:
    """Pyright reports each mistake by its rule, in its line, and nothing else."""
    found = by_pipeline([(item.line, item.rule) for item in found_by_pyright if item.file == DELIBERATE])
    assert found == {name: {row[1]} for name, row in TABLE.items() if row[1] is not None}


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(300)
def test_pyright_passes_what_is_right(found_by_pyright: tuple[Found, ...]) -> None:
    """The same programs pass pyright."""
    assert [item for item in found_by_pyright if item.file != DELIBERATE] == []
