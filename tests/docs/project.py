"""A temporary project in which a document's blocks are run, as its reader would."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.commands import MAIN

from .blocks import ROOT, Block, Command
from .shown import missing_lines

NOT_RUN = frozenset({".", "make", "pip", "venv", "dask", "datasette"})
"""Programs that set up an environment, go on for ever, or are not there: their commands are not run."""

_PROGRAMS = {
    "python": (),
    "flowkit": ("-c", MAIN),
    "pytest": ("-m", "pytest", "-p", "flowkit.testing.plugin", "-p", "no:cacheprovider"),
}
"""What the programs that a document calls are to Python."""

_ASSIGNMENT = re.compile(r"\w+=\S*\Z")
_DEADLINE = 100
_TOLD = 10


class Project:
    """A folder that stands for the reader's home, and the shell's current folder in it.

    Args:
        home: An empty folder, or a copy of one in which another document was run.
        folder: The current folder at the start, relative to it.
        variables: Environment variables that the reader has set.
        python: The command that starts Python.
    """

    def __init__(
        self,
        home: Path,
        folder: str = "",
        variables: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        self.home = home
        self._variables = dict(variables or {})
        self._python = tuple(python)
        self.folder = home / folder
        self.folder.mkdir(exist_ok=True)
        self._programs = home / ".programs"
        self._programs.mkdir(exist_ok=True)
        for name, arguments in _PROGRAMS.items():
            # pytest warns of modules that were imported before it could rewrite them.
            python = (sys.executable,) if name == "pytest" else self._python
            command = shlex.join([*python, *arguments])
            (self._programs / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            (self._programs / name).chmod(0o755)

    def perform(self, blocks: list[Block]) -> list[str]:
        """Run a document's blocks in order and return what was not as it says."""
        problems = []
        asked = ""
        for block in blocks:
            if block.reason is not None:
                continue
            found: list[str] = []
            if block.path is not None:
                self._write(block.path, block.text)
            elif block.language == "python":
                found = self._execute(block.text)
            elif block.language == "console":
                found = [problem for command in block.commands for problem in self._run(command)]
            elif block.language == "sql":
                asked, found = self._ask(block.text)
            elif block.language == "text" and block.after == "sql":
                found = missing_lines(block.text.splitlines(), asked, self.home)
            problems += [f"{block}: {problem}" for problem in found]
        return problems

    def _write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _execute(self, text: str) -> list[str]:
        code, output = self._start([*self._python, "-c", text])
        return [] if code == 0 else [f"exit code {code}\n{output}"]

    def _run(self, command: Command) -> list[str]:
        if _program(command.text) in NOT_RUN:
            return []
        # The current folder goes on from command to command, as in a terminal.
        place = self.home / ".folder"
        script = f"{command.text}\ncode=$?\npwd > {shlex.quote(str(place))}\nexit $code\n"
        code, output = self._start(["bash", "-c", script])
        self.folder = Path(place.read_text().strip())
        problems = missing_lines(command.shown, output, self.home)[:_TOLD]
        if code != command.exit_code:
            problems.insert(0, f"exit code {code} instead of {command.exit_code}")
        return [f"$ {command.text}\n" + "\n".join([*problems, "it printed:", output])] if problems else []

    def _ask(self, query: str) -> tuple[str, list[str]]:
        """Return the answer of the project's store as lines of cells, and what is wrong with it."""
        database = self.folder / ".flowkit" / "lineage.db"
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
        rule = ["--"] * len(names)
        table = [" ".join("" if cell is None else str(cell) for cell in row) for row in [names, rule, *rows]]
        return "\n".join(table), ([] if rows else [f"no row answers\n{query}"])

    def _start(self, command: list[str]) -> tuple[int, str]:
        path = os.pathsep.join([str(self._programs), str(Path(sys.executable).parent), os.environ["PATH"]])
        variables = {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(self.home), "LOGNAME": "you", "TZ": "UTC"}
        # Each step host imports the reader's libraries: one is enough, and halves what a run costs here.
        variables["FLOWKIT_WORKERS"] = "1"
        # Settings of whoever runs the tests are not the reader's.
        outer = {name: value for name, value in os.environ.items() if not name.startswith("FLOWKIT_")}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**outer, **variables, **self._variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout


def _program(command: str) -> str:
    """Return the program that a command starts, without variables set before it and without `python -m`."""
    words = [word for word in command.split() if not _ASSIGNMENT.match(word)]
    if words[1:2] == ["-m"]:
        words = words[2:]
    return words[0].rpartition("/")[2] if words else ""
