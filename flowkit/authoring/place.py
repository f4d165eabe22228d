"""Where in the author's own source flowkit was called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType

from flowkit.frames import shorten
from flowkit.project import Project
from flowkit.records import Location

_PACKAGE = str(Path(__file__).parent.parent)
_LIBRARY = str(Path(os.__file__).parent)


def calling_location() -> Location:
    """Return the place in the caller's own source that called into flowkit."""
    return _location_of(_caller(sys._getframe(1)))


def calling_place() -> tuple[str, str]:
    """Return that place as a fact of an error: `pipelines/taxi.py:12`, from the project's root.

    Where a library stands between, as numpy that was given a handle, it is the place that called the library.
    """
    caller = _caller(sys._getframe(1))
    frame: FrameType | None = caller
    while frame is not None and _is_library(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(_PACKAGE):
        frame = caller
    location = _location_of(frame)
    root = Project.containing(Path(location.file).parent).root
    return "place", f"{shorten(location.file, root)}:{location.line}"


def _caller(frame: FrameType) -> FrameType:
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def _location_of(frame: FrameType) -> Location:
    return Location(frame.f_code.co_filename, frame.f_lineno)


def _is_library(file: str) -> bool:
    return file.startswith((_LIBRARY, "<")) or "site-packages" in file
