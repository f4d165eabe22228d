"""A project whose commands are called in this process, as freshly imported each time."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Answer, Tell, caller, edit

CLEANING = """
RATE = 2


def strip(text: str) -> float:
    return float(text.lstrip("$")) * RATE
"""

SHOP = """
import os
from pathlib import Path

import flowkit as fk
from cleaning import strip


@fk.step
def read(source: Path) -> list[str]:
    return source.read_text().split()


@fk.step
def amounts(texts: list[str], scale: float = 1.0) -> list[float]:
    return [strip(text) * scale for text in texts]


@fk.step
def total(numbers: list[float]) -> float:
    return sum(numbers)


@fk.step
def weigh(numbers: list[float], by: float) -> float:
    return sum(numbers) * by


@fk.step
def halves(numbers: list[float]) -> tuple[float, int]:
    return sum(numbers) / 2, len(numbers)


@fk.step(cache=False)
def clock() -> int:
    return 1


@fk.step(env=("SHOP_ZONE",))
def zoned(now: int) -> str:
    return f"{now} here"


@fk.step
def looked() -> str:
    return Path("notes.txt").read_text()


@fk.step
def score(model: list[float]) -> fk.Metrics:
    return fk.Metrics(accuracy=len(model) / 10)


@fk.pipeline
def shop(source: Path = Path("orders.txt"), scale: float = 1.0) -> None:
    numbers = amounts(read(source), scale=scale)
    total(numbers)
    weigh(numbers, by=fk.each([1.0, 2.0]))
    halves(numbers)
    zoned(clock())
    looked()
    fk.promote(numbers, to="shop@champion", metrics=score(numbers), gates=[fk.at_least("accuracy", 0.1)])
"""


@dataclass
class Shop:
    """The project's folder, and the command called in it."""

    root: Path
    call: Tell

    def tell(self, *words: str) -> Answer:
        """Call a command as a new process would: nothing of the project is imported yet."""
        self.forget()
        importlib.invalidate_caches()
        return self.call(*words)

    def forget(self) -> None:
        """Forget what was imported from the project."""
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(self.root)):
                del sys.modules[name]

    def run(self, *words: str) -> dict[str, dict[str, Any]]:
        """Run the pipeline and return its nodes by name."""
        answer = self.tell("run", "shop", "--inline", "--json", *words)
        assert answer.code == 0, answer.out
        return {node["node"]: node for node in answer.json()["nodes"]}

    def accept(self, *words: str) -> Answer:
        """Accept without being asked."""
        return self.tell("accept", "shop", *words, "--yes")

    def edit(self, file: str, before: str, after: str) -> None:
        """Replace a piece of a file."""
        edit(self.root / file, before, after)

    def audit(self) -> list[dict[str, Any]]:
        """Return the rows of the audit log that are acceptances."""
        rows: list[dict[str, Any]] = self.tell("audit", "list", "--json").json()["audit"]
        return [row for row in rows if row["action"] == "accept"]


def executed(nodes: dict[str, dict[str, Any]]) -> list[str]:
    """Return the names of the nodes that executed, but for what is decided or run every time."""
    ran = [name for name, node in nodes.items() if node["outcome"] == "executed"]
    return [name for name in ran if name not in ("clock", "promote")]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    """The project, in which nothing has run."""
    root = tmp_path / "shop"
    (root / "pipelines").mkdir(parents=True)
    for name, text in {
        "pyproject.toml": "[project]\nname = 'shop'\n",
        "cleaning.py": CLEANING,
        "pipelines/shop.py": SHOP,
        "orders.txt": "$1 $2 $3",
        "notes.txt": "a note",
    }.items():
        (root / name).write_text(text)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("SHOP_ZONE", "here")
    project = Shop(root, caller(capsys))
    yield project
    project.forget()


@pytest.fixture
def ran(shop: Shop) -> Shop:
    """The project after its first run."""
    shop.run()
    return shop
