"""What holds for every test."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from flowkit import source_imports


def pytest_configure() -> None:
    """Hear Ctrl-C, also where a shell began all of this in the background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files whose tests are allowed the most time, lest the last worker is left alone with one."""
    allowed: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        allowed[item.path] = max(allowed.get(item.path, 0), marker.args[0] if marker else 0)
    items.sort(key=lambda item: -allowed[item.path])


@pytest.fixture(autouse=True)
def _imported_pipelines() -> Iterator[None]:
    """Leave what was imported from a folder called `pipelines`, and the import path, as they were found.

    Many tests import one of a project of their own under that name, in this very process.
    """
    path, before = list(sys.path), _pipelines()
    yield
    _forget_pipelines()
    sys.modules.update(before)
    sys.path[:] = path


@pytest.fixture
def no_pipelines(_imported_pipelines: None) -> None:
    """Begin as if nothing had been imported from a folder called `pipelines`."""
    _forget_pipelines()


@pytest.fixture(autouse=True)
def _import_machinery() -> Iterator[None]:
    """Take back that modules are imported from their text, which every command and run in this process sets up.

    What a fixture of a wider scope set up before the test goes too: no test may depend on which ran before it.
    """
    yield
    hooks = [hook for hook in sys.path_hooks if getattr(hook, "__module__", None) != source_imports.__name__]
    if hooks != sys.path_hooks:
        sys.path_hooks[:] = hooks
        sys.path_importer_cache.clear()


def _pipelines() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.startswith("pipelines")]
    return {name: sys.modules[name] for name in names if name.partition(".")[0] == "pipelines"}


def _forget_pipelines() -> None:
    for name in _pipelines():
        del sys.modules[name]
