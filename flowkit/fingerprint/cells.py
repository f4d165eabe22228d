"""The cells of a notebook, which `linecache` alone knows, in the order in which they were run."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Mapping
from types import FunctionType


def cells_of(kind: type) -> Iterator[str]:
    """Yield the names of the cells that may have made a class, the latest first.

    A class with methods says itself which cell made it.
    """
    own = {
        value.__code__.co_filename
        for name, value in kind.__dict__.items()
        if isinstance(value, FunctionType) and value.__code__.co_qualname == f"{kind.__qualname__}.{name}"
    }
    cells = [name for name in reversed(list(linecache.cache)) if name.startswith("<") or "ipykernel_" in name]
    numbers = _numbers()
    # A cell that is run again with the same text keeps its place in the cache.
    latest = sorted(cells, key=lambda name: numbers.get(name, 0), reverse=True)
    yield from [name for name in latest if not own or name in own]


def _numbers() -> Mapping[str, int]:
    """Return the number under which each cell was run last."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    found = getattr(getattr(shell, "compile", None), "_filename_map", None)
    return found if isinstance(found, dict) else {}
