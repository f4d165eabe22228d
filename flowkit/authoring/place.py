"""Where in the author's own source flowkit was called."""

from __future__ import annotations

import sys
from pathlib import Path

from flowkit.frames import shorten
from flowkit.project import Project
from flowkit.records import Location

_PACKAGE = str(Path(__file__).parent.parent)


def calling_location() -> Location:
    """Return the place in the caller's own source that called into flowkit."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Location(frame.f_code.co_filename, frame.f_lineno)


def calling_place() -> tuple[str, str]:
    """Return that place as a fact of an error: `pipelines/taxi.py:12`, from the project's root."""
    location = calling_location()
    root = Project.containing(Path(location.file).parent).root
    return "place", f"{shorten(location.file, root)}:{location.line}"
