"""Completion in a real bash, and that it is quick, silent and harmless where something is broken."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from flowkit.cli.main import SECTIONS, run_command
from tests.cli.conftest import TINY
from tests.commands import MAIN, ROOT

PIPELINE = """
import flowkit as fk
import nothing_that_is_there


@fk.step
def load(n: int) -> int:
    return n


@fk.step(tags=("slow", "fitting"))
def train(n: int) -> int:
    return n


@fk.pipeline
def taxi(count: int = 1, csv: str = "x") -> None:
    train(load(count))
"""
HALVES = """
@fk.step
def half(n: int) -> tuple[int, int]:
    return n, n


@fk.pipeline
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a pipeline that cannot be imported, one that is no Python, and one that has run."""
    root = tmp_path_factory.mktemp("completing")
    (root / "pyproject.toml").write_text('[tool.flowkit.env.prod]\nstore = "elsewhere"\n')
    (root / "pipelines").mkdir()
    (root / "pipelines" / "taxi.py").write_text(PIPELINE)
    (root / "pipelines" / "broken.py").write_text("import flowkit as fk\n@fk.pipeline\ndef (")
    mapped = TINY.replace("    fk.promote", "    half(fk.each([1, 2]))\n    fk.promote")
    (root / "pipelines" / "small.py").write_text(mapped.replace("@fk.pipeline\n", HALVES.lstrip()))
    (root / "bin").mkdir()
    program = root / "bin" / "flowkit"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(MAIN)} "$@"\n')
    program.chmod(0o755)
    before = Path.cwd()
    os.chdir(root)
    try:
        assert run_command(["run", "small", "--inline", "-q"]) == 0
    finally:
        os.chdir(before)
    return root


def complete(project: Path, line: str) -> list[str]:
    """Return what a bash offers at the end of a line, by its own completion function; nothing may go to stderr."""
    words = f"COMP_LINE={shlex.quote(line)}; COMP_POINT={len(line)}"
    script = (
        f'eval "$(flowkit completion bash)"; {words}; _flowkit_completion flowkit; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=project,
        env={**os.environ, "PATH": f"{project / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("flowkit pl", ["plan"]),
        ("flowkit models ro", ["rollback"]),
        ("flowkit run --inl", ["--inline"]),
        ("flowkit show --format m", ["mermaid"]),
        ("flowkit run ", ["small", "taxi", "pipelines/small.py", "pipelines/taxi.py"]),
        ("flowkit run pipelines/t", ["pipelines/taxi.py"]),
        ("flowkit run pipelines/taxi.py:", ["taxi"]),
        ("flowkit run taxi -p c", ["count=", "csv="]),
        ("flowkit run taxi --env p", ["prod"]),
        ("flowkit run taxi --select +t", ["+train", "+tag:"]),
        ("flowkit run small --force f", ["fit"]),
        ("flowkit run taxi --select ta", ["tag:"]),
        ("flowkit run taxi --select tag:", ["slow", "fitting"]),
        ("flowkit run taxi --select 1+tag:s", ["slow"]),
        ("flowkit run taxi --select load,tr", ["load,train"]),
        ("flowkit run 'taxi", ["taxi"]),
        ("flowkit why small 'half[", ["half[0]", "half[1]"]),
        ("flowkit artifact show 'last:half[1", ["last:half[1].0", "last:half[1].1"]),
        ("flowkit artifact export last:f", ["fit"]),
        ("flowkit lineage last:half[0].", ["half[0].0", "half[0].1"]),
        ("flowkit artifact show la", ["last:"]),
        ("flowkit why small ha", ["half[0]", "half[1]"]),
        ("flowkit why last sc", ["score"]),
        ("flowkit logs la", ["last"]),
        ("flowkit logs last lo", ["load"]),
        ("flowkit rerun l", ["last"]),
        ("flowkit models show small@", ["champion"]),
        ("flowkit models show small:", ["1"]),
        ("flowkit models list s", ["small"]),
        ("flowkit models rollback sm", ["small@champion"]),
        ("flowkit lineage small@c", ["champion"]),
        ("flowkit completion z", ["zsh"]),
        ("flowkit run nothing_like_it", []),
        ("flowkit logs no_such_run x", []),
    ],
)
def test_bash_completes(project: Path, line: str, wanted: list[str]) -> None:
    """Each kind of word is offered, also where bash itself would cut it at `:`, `@` or `=`."""
    assert complete(project, line) == wanted


@pytest.mark.slow
def test_what_goes_on_is_typed_on(project: Path) -> None:
    """In a shell that a person types into: no blank after a parameter's `=`, and an open quote is closed."""
    told = type_into_bash(project, "flowkit run taxi -p cou\t7\nflowkit why small 'half[1\t\nexit\n")
    assert "<run><taxi><-p><count=7>" in told
    assert "<why><small><half[1]>" in told


def type_into_bash(project: Path, keys: str) -> str:
    """Return the screen of an interactive bash in which `flowkit` prints its arguments and completes as ever."""
    program = project / "echoing" / "flowkit"
    program.parent.mkdir(exist_ok=True)
    real = shlex.quote(str(project / "bin" / "flowkit"))
    program.write_text(f"""#!/bin/sh
[ -n "$_FLOWKIT_COMPLETE" ] && exec {real} "$@"
printf '<%s>' "$@"
""")
    program.chmod(0o755)
    rc = project / "bashrc"
    rc.write_text(f'eval "$({real} completion bash)"\n')
    driver, terminal = pty.openpty()
    path = f"{program.parent}:{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", str(rc), "-i"],
        cwd=project,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "dumb", "INPUTRC": os.devnull},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ):
        os.close(terminal)
        os.write(driver, keys.encode())
        screen = b""
        # The terminal has no other end any more once the shell has left.
        with suppress(OSError):
            while piece := os.read(driver, 4096):
                screen += piece
    os.close(driver)
    return screen.decode()


@pytest.mark.slow
def test_the_commands_are_those_of_the_table(project: Path) -> None:
    """Every command is offered, from the table alone."""
    assert complete(project, "flowkit ") == [name for section in SECTIONS.values() for name in section]


@pytest.mark.parametrize("line", ["flowkit run taxi --select +", "flowkit ", "flowkit models show x"])
def test_completing_imports_nothing_heavy(project: Path, line: str) -> None:
    """No library that a TAB would have to wait for is imported."""
    heavy = "pandas numpy pyarrow pandera pydantic beartype networkx sqlite_utils distributed rich cloudpickle"
    program = (
        "import sys\nfrom flowkit.cli.main import run_command\nrun_command([])\n"
        f"print('HEAVY', *[name for name in {heavy.split()!r} if name in sys.modules])"
    )
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_FLOWKIT_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env={**os.environ, **asked, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1].strip() == "HEAVY"


def test_a_broken_project_completes_nothing(tmp_path: Path) -> None:
    """Settings that are no TOML and a store that is no database end without a word."""
    (tmp_path / "pyproject.toml").write_text("[tool.flowkit")
    (tmp_path / ".flowkit").mkdir()
    (tmp_path / ".flowkit" / "lineage.db").write_text("not a database")
    asked = {"COMP_WORDS": "flowkit logs ", "COMP_CWORD": "2", "_FLOWKIT_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", MAIN],
        cwd=tmp_path,
        env={**os.environ, **asked, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each script asks by the variable that click answers."""
    assert run_command(["completion", shell]) == 0
    assert re.search(rf"_FLOWKIT_COMPLETE[= ]{shell}_complete", capsys.readouterr().out)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The shells that there are scripts for are named."""
    assert run_command(["completion", "csh"]) == 2
    assert "bash" in capsys.readouterr().err
