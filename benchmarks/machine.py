"""Where and when something is measured."""

from __future__ import annotations

import os
import platform
import time


def machine() -> dict[str, object]:
    """Return the day, how many cores may be used, and the versions of what is there."""
    return {
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }
