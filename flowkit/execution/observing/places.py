"""The absolute path behind what a call was given: relative to a folder, through `..`, or below an open folder."""

from __future__ import annotations

import os
import sys


def absolute_place(path: object, folder: object = None) -> str | None:
    """Return the absolute, normalised path; None where there is none.

    Args:
        path: What was opened, listed or looked at. The number of an open folder stands for that folder.
        folder: What a relative path is relative to: a path, or the number of an open folder. The working directory
            unless given; a negative number says the same.
    """
    text = _text_of(path)
    if text is None:
        return None
    if not os.path.isabs(text) and folder is not None and not (isinstance(folder, int) and folder < 0):
        above = _text_of(folder)
        if above is None:
            return None
        text = os.path.join(above, text)
    try:
        if os.pardir in text.split(os.sep):
            text = _follow(text)
        return os.path.abspath(text)
    except (OSError, ValueError):
        return None


def _text_of(path: object) -> str | None:
    if isinstance(path, bool):
        return None
    if isinstance(path, int):
        return _path_of_open(path)
    if isinstance(path, (str, bytes, os.PathLike)):
        try:
            return os.fsdecode(path)
        except (TypeError, ValueError):
            return None
    return None


def _path_of_open(number: int) -> str | None:
    try:
        if sys.platform == "darwin":
            import fcntl

            return os.fsdecode(fcntl.fcntl(number, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return None


def _follow(path: str) -> str:
    """Follow the links before a `..`, which leads to the folder above what the link leads to."""
    folder, name = os.path.split(path)
    if name == os.pardir:
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(folder), name)
