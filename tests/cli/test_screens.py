"""Screens in a real terminal: tmux draws them, at 80 and at 200 columns."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Recorded
from tests.commands import MAIN, ROOT

NAME = "compute_the_weekly_aggregated_customer_lifetime_value_features"
SOURCE = f"""
import time
import flowkit as fk


@fk.step
def {NAME}(number: int, pause: float) -> int:
    time.sleep(pause)
    return number


@fk.pipeline
def long(pause: float = 0.2) -> None:
    fk.collect({NAME}(fk.each([1, 2, 3, 4, 5, 6]), pause=pause))
"""


class Screen:
    """A terminal of a given size with a shell in it."""

    def __init__(self, folder: Path, columns: int, lines: int) -> None:
        self._base = ["tmux", "-S", str(folder / f"terminal{columns}"), "-f", "/dev/null"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PS1": "ready> ", "HISTFILE": ""}
        environment.pop("NO_COLOR", None)
        size = ["-x", str(columns), "-y", str(lines)]
        self._typed = 0
        self._call("new-session", "-d", *size, "-c", str(folder), "bash --norc --noprofile", env=environment)

    def type(self, *words: str) -> None:
        """Call `flowkit`; a line with the call's number says its exit code when it has ended."""
        self._typed += 1
        command = shlex.join([sys.executable, "-c", MAIN, *words])
        self._call("send-keys", f"clear; {command}; echo call {self._typed} code=$?", "Enter")

    def press(self, key: str) -> None:
        """Press a key such as C-c."""
        self._call("send-keys", key)

    def wait(self, shown: Callable[[str], bool]) -> list[str]:
        """Return the lines of the screen as soon as they show what is waited for."""
        deadline = time.monotonic() + 60
        while not shown(text := self._call("capture-pane", "-p")):
            assert time.monotonic() < deadline, text
            time.sleep(0.05)
        return [line.rstrip() for line in text.splitlines()]

    def wait_for_end(self, code: int = 0) -> list[str]:
        """Return the lines of the screen when the last call has ended with this exit code."""
        return self.wait(lambda text: f"\ncall {self._typed} code={code}" in text)

    def close(self) -> None:
        """End the shell and what runs in it."""
        self._call("kill-server")

    def _call(self, *words: str, env: dict[str, str] | None = None) -> str:
        return subprocess.run([*self._base, *words], env=env, check=True, capture_output=True, text=True).stdout


@pytest.fixture(params=[(80, 40), (200, 50)], ids=["80", "200"])
def screen(project: Path, request: pytest.FixtureRequest) -> Iterator[Screen]:
    """A terminal in a project whose nodes have long names."""
    (project / "pipelines/long.py").write_text(SOURCE)
    opened = Screen(project, *request.param)
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_run_is_drawn_live_and_ends_with_every_name_whole(screen: Screen) -> None:
    """While it runs there is a bar and what runs now; at the end each node's name stands whole, on one line."""
    screen.type("run", "long", "--workers", "1")
    live = screen.wait(lambda text: "running" in text)
    assert any("━" in line for line in live)
    done = screen.wait_for_end()
    assert not any("running" in line for line in done)
    for number in range(6):
        assert sum(line.startswith(f"{NAME}[{number}]") for line in done) == 1
    assert any(line.startswith("succeeded in ") for line in done)
    screen.type("plan", "long")
    plan = screen.wait_for_end()
    assert sum(line.startswith(NAME) for line in plan) == 6
    assert "long: 6 reuse" in plan


@pytest.mark.slow
@pytest.mark.cluster
def test_ctrl_c_gives_the_screen_back(screen: Screen) -> None:
    """Ctrl-C takes the live view away, says how to go on, and leaves with 130."""
    screen.type("run", "long", "-p", "pause=50", "--workers", "1")
    screen.wait(lambda text: "running" in text)
    screen.press("C-c")
    lines = screen.wait_for_end(130)
    assert not any("━" in line for line in lines)
    assert any(line.startswith("To go on: flowkit rerun ") for line in lines)


@pytest.mark.slow
def test_a_runs_id_is_never_broken(recorded_project: Recorded, tmp_path: Path) -> None:
    """What a person copies from a table stands in one piece at 80 columns."""
    opened = Screen(recorded_project.root, 80, 50)
    try:
        for words in (["lineage", "small:1"], ["models", "list"], ["artifact", "list", "--run", recorded_project.good]):
            opened.type(*words)
            lines = opened.wait_for_end()
            if words[0] != "artifact":
                assert any(recorded_project.good in line for line in lines), lines
            assert any("fit" in line.split() for line in lines) or words[0] == "models"
    finally:
        opened.close()
