"""A small project on disk, edited and run as its user would: a fresh process for every command."""

from __future__ import annotations

import json
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from flowkit.cli.main import run_command
from tests.commands import edit, spawn

PYPROJECT = '[project]\nname = "orders"\nversion = "0"\n'

CLEANING = '''
"""Cleaning of amounts."""

RATE = 2


def strip_currency(text: str) -> float:
    return float(text.lstrip("$"))


def unrelated(text: str) -> str:
    return text.upper()
'''

ORDERS = '''
"""Orders: read, add up, report."""

from pathlib import Path

import flowkit as fk
from cleaning import RATE, strip_currency


@fk.step
def read(source: Path) -> list[str]:
    return source.read_text().split()


@fk.step
def amounts(texts: list[str], scale: float = 1.0) -> list[float]:
    return [strip_currency(text) * scale for text in texts]


@fk.step
def total(numbers: list[float]) -> float:
    return sum(numbers)


@fk.step
def count(texts: list[str]) -> int:
    return len(texts) * RATE


@fk.pipeline
def orders(source: Path = Path("data/orders.txt"), scale: float = 1.0) -> None:
    texts = read(source)
    total(amounts(texts, scale=scale))
    count(texts)
'''


@dataclass
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["node"]: node for node in self.json["nodes"]}

    def named(self, outcome: str) -> list[str]:
        return [name for name, node in self.nodes.items() if node["outcome"] == outcome]


@dataclass
class OrdersProject:
    """The project's folder."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> OrdersProject:
        (root / "pipelines").mkdir(parents=True)
        (root / "data").mkdir()
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "cleaning.py").write_text(CLEANING)
        (root / "pipelines" / "orders.py").write_text(ORDERS)
        (root / "data" / "orders.txt").write_text("$1 $2 $3")
        return cls(root)

    def edit(self, file: str, old: str, new: str) -> None:
        edit(self.root / file, old, new)

    def flowkit(self, *arguments: str, cwd: Path | None = None, **environment: str) -> Outcome:
        done = spawn(cwd or self.root, *arguments, **{"NO_COLOR": "1", **environment})
        return Outcome(done.returncode, done.stdout, done.stderr)

    def ask(self, *arguments: str) -> Outcome:
        """Call a command that runs no step, in this process."""
        out, err = StringIO(), StringIO()
        with chdir(self.root), redirect_stdout(out), redirect_stderr(err):
            code = run_command(list(arguments))
        return Outcome(code, out.getvalue(), err.getvalue())

    def run(self, *arguments: str) -> Outcome:
        return self.flowkit("run", "pipelines/orders.py", "--inline", "--json", *arguments)
