"""The shim from Python: compiled once, preloaded into a process, armed and read there."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
LOG_BYTES = 256 << 20
_MOST_POINTS = 65536
_NUMBERS = 7
_ENTRY = struct.Struct("<7q")


class Fault(IntEnum):
    """What the shim does at its point: the numbers of `enum kind`."""

    NONE = 0
    KILL = 1
    TORN = 2
    EIO = 3
    FULL = 4


class Call(IntEnum):
    """What a point is: the numbers of `enum op`."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    SYNC = 4
    RENAME = 5
    UNLINK = 6
    MKDIR = 7
    RMDIR = 8
    LINK = 9
    CHMOD = 10
    UTIME = 11


@dataclass(frozen=True, slots=True)
class Entry:
    """A call that was done: at which point, on which file or names, with which bytes."""

    call: Call
    point: int
    inode: int
    offset: int
    first: str
    second: str
    data: bytes


def compile_shim(folder: Path) -> Path:
    """Compile the shim into `folder` and return the library; fail where nothing can compile C."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "the fault campaigns need a C compiler: apt-get install gcc libc6-dev"
    library = folder / "shim.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True
    )
    return library


def preloading(library: Path) -> dict[str, str]:
    """Return the environment of a process in which the shim stands before the C library."""
    return {**os.environ, "LD_PRELOAD": str(library)}


class Shim:
    """The shim that was preloaded into this process; what it counts in a forked child is read here."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        library.fault_share.restype = ctypes.c_void_p
        library.fault_share.argtypes = [ctypes.c_int64]
        library.fault_arm.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_char_p]
        self._library = library
        self._shared: int = library.fault_share(LOG_BYTES)
        assert self._shared, "no memory for the shim's log"

    def arm(self, fault: Fault, point: int, folder: Path) -> None:
        """Count from now on what this process does below `folder`, and let `fault` happen at `point`, from 1."""
        self._library.fault_arm(fault, point, os.fsencode(folder))

    def disarm(self) -> None:
        """Leave this process alone again."""
        self._library.fault_disarm()

    @property
    def count(self) -> int:
        """How many points were met."""
        return self._number(0)

    @property
    def fired(self) -> bool:
        """Whether the fault has happened."""
        return bool(self._number(1))

    @property
    def repeated_syncs(self) -> int:
        """How often a file was synced again whose sync had failed, with nothing done to it in between."""
        return self._number(2)

    @property
    def failed_file_sync(self) -> bool:
        """Whether the call that failed was to sync a file, not a folder."""
        return bool(self._number(5))

    def calls(self) -> list[tuple[Call, bool]]:
        """Return what each point was, and whether it needed space."""
        start = self._shared + _NUMBERS * 8
        calls = ctypes.string_at(start + 1, self.count)
        allocates = ctypes.string_at(start + _MOST_POINTS + 1, self.count)
        return [(Call(call), bool(allocating)) for call, allocating in zip(calls, allocates, strict=True)]

    def entries(self) -> Iterator[Entry]:
        """Yield the log of a process that was armed with no fault."""
        assert not self._number(3), "the shim's log is too small"
        log = ctypes.string_at(self._shared + _NUMBERS * 8 + 2 * _MOST_POINTS, self._number(4))
        at = 0
        while at < len(log):
            call, point, inode, offset, *sizes = _ENTRY.unpack_from(log, at)
            place = at + _ENTRY.size
            pieces = []
            for size in sizes:
                pieces.append(log[place : place + size])
                place += size
            first, second, data = pieces
            yield Entry(Call(call), point, inode, offset, os.fsdecode(first), os.fsdecode(second), data)
            at = (place + 7) & ~7

    def _number(self, index: int) -> int:
        return ctypes.c_int64.from_address(self._shared + 8 * index).value
