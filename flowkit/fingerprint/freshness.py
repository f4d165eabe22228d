"""Whether a module's file is still the one that was imported, where no live code object can prove it."""

from __future__ import annotations

import os
import time
from types import ModuleType

_STARTED = time.time_ns()
_HEADER = 16


def is_as_imported(module: ModuleType, file: str) -> bool:
    """Whether a file has most likely not been edited since its module was imported.

    A file older than this process is as it was. A younger one must be the one that the module's cached bytecode was
    made from; where there is none to ask, it was just written and imported.
    """
    try:
        status = os.stat(file)
    except OSError:
        return False
    if status.st_mtime_ns < _STARTED:
        return True
    spec = getattr(module, "__spec__", None)
    header = _read_header(getattr(spec, "cached", None))
    if header is None or int.from_bytes(header[4:8], "little"):
        return True
    recorded = int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little")
    return recorded == (int(status.st_mtime) & 0xFFFF_FFFF, status.st_size & 0xFFFF_FFFF)


def _read_header(cached: object) -> bytes | None:
    if not isinstance(cached, str):
        return None
    try:
        with open(cached, "rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return None
    return header if len(header) == _HEADER else None
