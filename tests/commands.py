"""The `flowkit` command, in a process of its own and in this one, and the edits that come between two calls of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowkit.cli.main import run_command

ROOT = Path(__file__).parents[1]
MAIN = "import sys; from flowkit.__main__ import main; sys.argv[0] = 'flowkit'; main()"


def spawn(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `flowkit` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def edit(path: Path, before: str, after: str) -> None:
    """Replace a piece of a file's text that must be there."""
    text = path.read_text()
    assert before in text, f"{before!r} is not in {path.name}"
    path.write_text(text.replace(before, after))


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return stdout, which must be exactly one JSON object."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


Tell = Callable[..., Answer]


def caller(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Return a function that runs a command in this process."""

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run_command(list(arguments))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call
