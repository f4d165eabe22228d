"""What holds for every test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _imported_pipelines() -> Iterator[None]:
    """Leave what was imported from a folder called `pipelines`, and the import path, as they were found.

    Many tests import one of a project of their own under that name, in this very process.
    """
    path, before = list(sys.path), _pipelines()
    yield
    for name in _pipelines():
        del sys.modules[name]
    sys.modules.update(before)
    sys.path[:] = path


def _pipelines() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "pipelines"}
