"""The command itself: its table, its help, and how failures are told."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from flowkit.cli.failures import report_bug
from flowkit.cli.lazy import SuggestingGroup
from flowkit.cli.main import SECTIONS, cli, refuse_unsupported, run_command
from flowkit.errors import UsageError
from tests.commands import ROOT, spawn

ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


def _commands() -> list[list[str]]:
    found: list[list[str]] = []
    context = click.Context(cli, info_name="flowkit")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        found.append([name])
        if isinstance(command, SuggestingGroup):
            found.extend([name, sub] for sub in command.list_commands(context))
    return found


def _time(*code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    return time.perf_counter() - began


def test_help_loads_no_command() -> None:
    """`flowkit --help` lists every command without importing one, or anything beyond click."""
    code = (
        "import sys; from flowkit.cli.main import run_command; run_command(['--help']);"
        "loaded = [m for m in sys.modules if m.startswith('flowkit.')];"
        "light = ('flowkit.cli', 'flowkit.errors', 'flowkit.garbage', 'flowkit.lazy', 'flowkit.signals');"
        "assert not [m for m in loaded if not m.startswith(light)], loaded;"
        "assert not {'rich', 'sqlite3', 'blake3', 'msgspec', 'pydantic', 'asyncio'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    for name, entry in ENTRIES.items():
        assert f"{name} " in done.stdout
        assert entry.summary in done.stdout


def test_help_takes_less_than_twice_the_import_of_click() -> None:
    """`flowkit --help`, the whole process, against a process that only imports click."""
    pairs = [
        (_time("-c", "from flowkit.cli.main import run_command; run_command(['--help'])"), _time("-c", "import click"))
        for _ in range(7)
    ]
    assert min(ours for ours, _ in pairs) < 2 * statistics.median(theirs for _, theirs in pairs)


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_each_help_says_what_it_does_and_shows_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command's help starts with what it does, explains every option, and ends with an example."""
    assert run_command([*words, "--help"]) == 0
    text = capsys.readouterr().out
    usage, summary = text.split("\n\n")[:2]
    assert usage.startswith(f"Usage: flowkit {' '.join(words)}")
    assert " ".join(summary.split()).split(". ")[0].rstrip(".") != ""
    assert text.rstrip().splitlines()[-1].strip().startswith(f"flowkit {words[0]}")
    if len(words) == 1:
        assert " ".join(text.split("\n\n")[1].split()) == ENTRIES[words[0]].summary
    command: click.Command = cli
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or (isinstance(parameter, click.Option) and parameter.help)


def test_no_command_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`flowkit` and `flowkit models` alone print their help and are no error."""
    assert run_command([]) == 0
    assert capsys.readouterr().out.startswith("Usage: flowkit")
    assert run_command(["models"]) == 0
    assert "rollback" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the version alone."""
    assert run_command(["--version"]) == 0
    assert capsys.readouterr().out == "flowkit 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["rnu", "x"], "There is no command `flowkit rnu`.", "did you mean 'run'?"),
        (["models", "lst"], "There is no command `flowkit models lst`.", "did you mean 'list'?"),
        (["run"], "Missing argument 'TARGET'.", "see what it takes with `flowkit run --help`."),
        (["run", "x", "--workers", "0"], "--workers", "see what it takes with `flowkit run --help`."),
        (["show", "x", "--format", "png"], "--format", "see what it takes with `flowkit show --help`."),
        (["--nope"], "No such option", "see what it takes with `flowkit --help`."),
    ],
)
def test_a_wrong_command_line_is_told_in_three_parts(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the parser refuses goes to stderr with a hint, and exit code 2."""
    assert run_command(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert captured.err.rstrip().endswith(f"Hint: {hint}")


def test_an_error_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json an error is one object on stdout, in the documented form, and the exit code stays."""
    monkeypatch.chdir(tmp_path)
    assert run_command(["run", "gone.py", "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "format": 1,
        "error": {
            "type": "TargetError",
            "message": "There is no file 'gone.py'.",
            "facts": {"target": "gone.py"},
            "hint": "give a file with a @fk.pipeline in it.",
        },
    }
    assert captured.err == ""


def test_a_bug_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception that is no FlowkitError is printed with its traceback and as flowkit's own fault."""
    assert report_bug(KeyError("inner"), as_json=True) == 1
    captured = capsys.readouterr()
    assert "a bug of its own: KeyError: 'inner'" in captured.err
    assert json.loads(captured.out)["error"]["type"] == "InternalError"


def test_windows_is_refused() -> None:
    """Windows gets a clear message, not a stack of import errors."""
    refuse_unsupported("posix")
    with pytest.raises(UsageError, match="does not run on Windows"):
        refuse_unsupported("nt")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`flowkit --help | head -1` ends quietly."""
    command = f"{sys.executable} -c 'from flowkit.cli.main import main; main()' --help | head -1"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.startswith("Usage:")


def test_no_store_is_exit_code_4(tmp_path: Path) -> None:
    """Looking back where nothing was ever run says so."""
    done = spawn(tmp_path, "runs")
    assert done.returncode == 4
    assert "There is no store" in done.stderr
