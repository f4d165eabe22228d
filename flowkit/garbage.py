"""When Python looks for garbage: seldom while modules are imported, and in a command never in what they left.

Modules make much when they are imported and drop next to nothing, and Python looks through it again and again, at the
end of the process as well: a sixth of the time of a command that finds all results stored.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SELDOM = 100_000
"""Objects after which it looks all the same: what a module computes while it is imported must not pile up."""

_is_command = False


def own_process() -> None:
    """Say that this process is a command of flowkit's, in which nothing that is imported is somebody's garbage."""
    global _is_command
    _is_command = True


def share_process() -> None:
    """Say that a person's steps run in this process: they, and what watches them, are to find all that there is."""
    global _is_command
    if _is_command:
        _is_command = False
        gc.unfreeze()


def all_objects() -> list[object]:
    """Return every object that Python looks after, those too that a module or step of a person's has frozen."""
    gc.unfreeze()
    return gc.get_objects()


@contextmanager
def importing() -> Iterator[None]:
    """Look seldom while modules of flowkit's are imported; what they made counts as old then."""
    with _seldom(count_as_old):
        yield


@contextmanager
def keeping_imports() -> Iterator[None]:
    """Look seldom while a command imports what it needs, and nowhere in what there is then for as long as it runs."""
    with _seldom(gc.freeze if _is_command else count_as_old):
        yield


def count_as_old() -> None:
    """Let all that there is count as old without being looked through: what was just made, and is in use."""
    # Nobody's frozen objects may thaw; to count them takes longer than all else where the command has frozen its own.
    if not _is_command and not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


@contextmanager
def _seldom(put_away: Callable[[], None]) -> Iterator[None]:
    """Look seldom, unless that is so already, or never; what a module itself sets meanwhile stays set.

    Args:
        put_away: Done at the end, before anything is looked for again.
    """
    often, *older = gc.get_threshold()
    if not (gc.isenabled() and 0 < often < _SELDOM):
        yield
        return
    gc.set_threshold(_SELDOM, *older)
    try:
        yield
    finally:
        put_away()
        if gc.get_threshold()[0] == _SELDOM:
            gc.set_threshold(often, *older)
