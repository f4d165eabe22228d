"""Whether something is there: `os.stat` and its kin, which raise no audit event."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from flowkit.execution.observing.recorder import RECORDER
from flowkit.fingerprint.observed import ObservedKind
from flowkit.fingerprint.watched import note_watch

_NAMES = ("stat", "lstat", "access")
_ABLE = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


def install_status() -> None:
    """Replace the functions in `os`, where `pathlib`, `os.path` and everything else look them up."""
    for name in _NAMES:
        original = getattr(os, name)
        watched = _watch(original)
        setattr(os, name, watched)
        # Code asks these sets what a function is able to do.
        for able in _ABLE:
            if original in getattr(os, able):
                getattr(os, able).add(watched)


def _watch(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.active and not isinstance(path, int) and kwargs.get("dir_fd") is None:
            RECORDER.read(ObservedKind.EXISTENCE, path, only_direct=True)
        return original(path, *args, **kwargs)

    # Where it stands: so it can be pickled, as the function could.
    watched.__module__ = "os"
    note_watch(watched, original)
    return watched
