"""What raises no audit event, or too little of one: `os.stat` and its kin, `os.readlink`, `os.open` below a folder."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from flowkit.execution.observing.recorder import RECORDER
from flowkit.fingerprint.observed import ObservedKind
from flowkit.fingerprint.watched import note_watch

_KINDS = {
    "stat": ObservedKind.EXISTENCE,
    "lstat": ObservedKind.LINK,
    "access": ObservedKind.EXISTENCE,
    "readlink": ObservedKind.LINK,
}
_ABLE = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


def install_status() -> None:
    """Replace the functions in `os`, where `pathlib`, `os.path` and everything else look them up."""
    for name, kind in _KINDS.items():
        _replace(name, _watch(getattr(os, name), kind))
    _replace("open", _watch_open(os.open))


def _replace(name: str, watched: Callable[..., Any]) -> None:
    original = getattr(os, name)
    setattr(os, name, watched)
    # Code asks these sets what a function is able to do.
    for able in _ABLE:
        if original in getattr(os, able):
            getattr(os, able).add(watched)


def _watch(original: Callable[..., Any], kind: ObservedKind) -> Callable[..., Any]:
    follows = original is os.readlink

    @functools.wraps(original)
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        if RECORDER.active and not isinstance(path, int):
            itself = kwargs.get("follow_symlinks") is False
            asked = ObservedKind.LINK if itself else kind
            RECORDER.read(asked, path, only_direct=True, follows=follows, folder=kwargs.get("dir_fd"))
        return original(path, *args, **kwargs)

    # Where it stands: so it can be pickled, as the function could.
    watched.__module__ = "os"
    note_watch(watched, original)
    return watched


def _watch_open(original: Callable[..., int]) -> Callable[..., int]:
    """The audit event of `open` does not tell of the folder that a path is relative to."""

    @functools.wraps(original)
    def watched(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        folder = kwargs.get("dir_fd")
        if folder is None or not RECORDER.active:
            return original(path, flags, *args, **kwargs)
        if flags & os.O_ACCMODE != os.O_WRONLY and not flags & (os.O_TRUNC | os.O_EXCL):
            RECORDER.read(ObservedKind.FILE, path, folder=folder)
        if flags & (os.O_WRONLY | os.O_RDWR):
            RECORDER.write(lambda account, place: account.open_to_write(place, flags), path, folder=folder)
        with RECORDER.deaf():
            return original(path, flags, *args, **kwargs)

    return watched
