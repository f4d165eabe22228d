"""What a type checker in an editor and what `flowkit check` find: the same mistakes, before anything runs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.cli.main import run_command
from tests.docs.blocks import blocks_of
from tests.docs.test_documents import README, RUN

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MISTAKES = HERE / "mistakes.py"

TABLE: dict[str, tuple[str | None, str | None, str | None]] = {
    "constant": ("arg-type", "reportArgumentType", "The step 'number' cannot take this value for 'n'"),
    "unknown": ("call-arg", "reportCallIssue", "The step 'text' has no parameter 'tmies'"),
    "missing": ("call-arg", "reportCallIssue", "The step 'text' needs 's'"),
    "handle": ("arg-type", "reportArgumentType", "Step 'text' cannot take what 'number' gives"),
    "named": ("arg-type", "reportArgumentType", "Step 'other' cannot take what 'number' gives"),
    "unpacked": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'two' gives"),
    "too_many": ("misc", "reportAssignmentType", "not enough values to unpack"),
    "of_named_tuple": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'pair' gives"),
    "of_dataclass": ("arg-type", "reportArgumentType", "Step 'number' cannot take what 'both' gives"),
    "no_field": ("attr-defined", "reportAttributeAccessIssue", "nmae"),
    "mapped": ("arg-type", "reportArgumentType", "cannot take this value for 'n'"),
    "uncollected": ("arg-type", "reportArgumentType", "Step 'total[0]' cannot take what 'number[0]' gives"),
    "collected": ("arg-type", "reportArgumentType", "Step 'total' cannot take what 'text' gives"),
    "contained": ("list-item", "reportArgumentType", "Step 'total' cannot take what 'text' gives"),
    "viewed": ("arg-type", "reportArgumentType", "Step 'text' cannot take what 'number' gives"),
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


def start(*command: str, folder: Path = ROOT) -> str:
    """Run a type checker and return what it printed."""
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=300, check=False)
    return done.stdout + done.stderr


def strictly(*files: str, folder: Path = ROOT) -> str:
    """Return what mypy says under the settings of a new project."""
    return start(sys.executable, "-m", "mypy", "--config-file", str(HERE / "mypy.ini"), *files, folder=folder)


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
def test_mypy_finds_what_can_be_seen() -> None:
    """mypy --strict reports each mistake by its code, in its line, and nothing else."""
    lines = re.findall(r"mistakes\.py:(\d+): error: .*\[([\w-]+)\]", strictly(str(MISTAKES)))
    found = by_pipeline([(int(line), code) for line, code in lines])
    assert found == {name: {row[0]} for name, row in TABLE.items() if row[0] is not None}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_pyright_finds_what_can_be_seen() -> None:
    """Pyright reports each mistake by its rule, in its line, and nothing else."""
    told = json.loads(start("pyright", "--pythonpath", sys.executable, "--outputjson", str(MISTAKES)))
    found = [(item["range"]["start"]["line"] + 1, item["rule"]) for item in told["generalDiagnostics"]]
    assert by_pipeline(found) == {name: {row[1]} for name, row in TABLE.items() if row[1] is not None}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_right_passes() -> None:
    """Right programs, and the pipelines of this repository, pass mypy --strict; and the former pyright as well."""
    assert strictly(str(HERE / "correct.py")).startswith("Success")
    assert strictly("-p", "pipelines").startswith("Success")
    assert "0 errors" in start("pyright", "--pythonpath", sys.executable, str(HERE / "correct.py"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", RUN, ids=lambda path: path.stem)
def test_the_files_of_the_documents_pass(document: Path, tmp_path: Path, mypy_cache: str) -> None:
    """What a reader copies from README and the guides passes mypy --strict, and README's pipeline pyright."""
    files = {block.path: block.text for block in blocks_of(document) if block.path and block.path.endswith(".py")}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    if files:
        found = strictly("--explicit-package-bases", "--cache-dir", mypy_cache, ".", folder=tmp_path)
        assert found.startswith("Success"), found
    if document == README:
        told = start("pyright", "--pythonpath", sys.executable, ".", folder=tmp_path)
        assert "0 errors" in told, told


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Let each run of mypy know what the one before found of the libraries."""
    return str(tmp_path_factory.mktemp("mypy"))
