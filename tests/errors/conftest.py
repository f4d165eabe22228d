"""What holds for tests that run commands in this process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _import_machinery() -> Iterator[None]:
    """Leave the import machinery as it was found: a command lets modules be imported from their text."""
    finders, hooks = list(sys.meta_path), list(sys.path_hooks)
    yield
    sys.meta_path[:], sys.path_hooks[:] = finders, hooks
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
