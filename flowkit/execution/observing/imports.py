"""What the project's modules read while they are imported: kept where this process is watched, else nobody's concern.

Light, for a driver whose steps run elsewhere imports the project's modules too.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Keeper = Callable[[str], AbstractContextManager[None]]
"""Keeps what is read within it, for the project at a root."""

_keepers: list[Keeper] = []


def keep_imports_with(keeper: Keeper) -> None:
    """Keep what is read by imports from now on."""
    _keepers[:] = [keeper]


def importing(root: str) -> AbstractContextManager[None]:
    """Return a context in which modules of the project at `root`, absolute and without links, are imported."""
    return _keepers[0](root) if _keepers else nullcontext()
