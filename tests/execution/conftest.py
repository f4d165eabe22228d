"""Workshops and executors for the tests of execution."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowkit.execution.supervisor import Supervisor
from tests.execution.workshop import Workshop


@pytest.fixture
def open_workshop(tmp_path: Path) -> Iterator[Callable[..., Workshop]]:
    """Give a function that makes a project of one module of steps."""
    made: list[Workshop] = []

    def make(source: str, **files: str) -> Workshop:
        made.append(Workshop(tmp_path / f"project{len(made)}", source, **files))
        return made[-1]

    yield make
    for workshop in made:
        workshop.unload()


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    """Give a supervisor of one slot."""
    made = Supervisor(1, "tests")
    yield made
    made.close()
