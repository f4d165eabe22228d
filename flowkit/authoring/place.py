"""Where in the author's own source flowkit was called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flowkit.records import Location

_PACKAGE = str(Path(__file__).parent.parent)
_LIBRARY = str(Path(os.__file__).parent)


def calling_location() -> Location:
    """Return the place in the caller's own source that called into flowkit."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return Location(frame.f_code.co_filename, frame.f_lineno)
