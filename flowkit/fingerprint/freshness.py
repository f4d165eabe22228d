"""Whether a module's file is still the one that was imported, where no live code object can prove it."""

from __future__ import annotations

import os
import time
from functools import cache
from importlib.machinery import SourcelessFileLoader
from types import CodeType, ModuleType

from flowkit.fingerprint.source import SourceFile, text_of_loader

_HEADER = 16
_START_TIME = 19
"""Which field of `/proc/self/stat` behind the command's name tells when the process started, in ticks since boot."""


def is_as_imported(module: ModuleType, file: str, source: SourceFile) -> bool:
    """Whether the text of a file is most likely that which its module was made from.

    A loader that keeps the text leaves no doubt. Otherwise the module's cached bytecode, where it claims to be made
    from the file as it is, must be what the text compiles to: the claim rests on size and time of modification, which
    a copy can keep. Cached bytecode of another text was not used, or not any more, and where there is none nothing says
    when the file was read: it must then be older than this process.
    """
    if text_of_loader(file, module.__dict__) is not None:
        return True
    try:
        status = os.stat(file)
    except OSError:
        return False
    cached = getattr(getattr(module, "__spec__", None), "cached", None)
    header = _read_header(cached)
    if header is None:
        return status.st_ctime_ns < process_start()
    is_by_hash = bool(int.from_bytes(header[4:8], "little"))
    recorded = int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little")
    if is_by_hash or recorded == (int(status.st_mtime) & 0xFFFF_FFFF, status.st_size & 0xFFFF_FFFF):
        return _read_code(module.__name__, cached) in source.codes.get(_whole(source), [])
    return status.st_ctime_ns < process_start()


def is_older_than_process(file: str) -> bool:
    """Whether a file is as it was when this process started."""
    try:
        return os.stat(file).st_ctime_ns < process_start()
    except OSError:
        # It has gone since.
        return False


@cache
def process_start() -> int:
    """Return when this process started, in nanoseconds as files' times are; now where the system does not tell."""
    try:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        booted = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        # Up to the end of the tick: Python needs longer than that before it imports anything of anybody's.
        return booted + (int(fields[_START_TIME]) + 1) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        # No Linux: what was loaded before flowkit is then taken to be as old as this.
        return time.time_ns()


process_start()


def _whole(source: SourceFile) -> tuple[str, int]:
    return next(key for key in source.codes if key[0] == "<module>")


def _read_code(name: str, cached: object) -> CodeType | None:
    try:
        return SourcelessFileLoader(name, str(cached)).get_code(name)
    except (ImportError, EOFError, OSError, ValueError):
        # Of another Python, or cut off: the import did not use it either, and nothing proves what it used.
        return None


def _read_header(cached: object) -> bytes | None:
    if not isinstance(cached, str):
        return None
    try:
        with open(cached, "rb") as file:
            header = file.read(_HEADER)
    except OSError:
        return None
    return header if len(header) == _HEADER else None
