"""What steps print: kept at the level of file descriptors, so compiled code and child processes are heard too.

Descriptors 1 and 2 write into a spool, a file without a name. Only where something was printed does a node get a log
file, and that keeps the beginning and the end of what is longer than `LONGEST_LOG`.
"""

from __future__ import annotations

import ctypes
import io
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TextIO

from flowkit.execution.masking import copy_masked
from flowkit.store.names import LIVE_SUFFIX

LONGEST_LOG = 10 * 1000 * 1000
"""Bytes of one attempt's output that are kept: half from its beginning, half from its end."""

_HALF = LONGEST_LOG // 2
_PUNCH_HOLE_KEEP_SIZE = 0x03
_BLOCK = 4096
_STREAMS = ((1, "stdout"), (2, "stderr"))
_LIVE_SECONDS = 0.1
_TAIL_SECONDS = 1.0
_BY_LINES = 1


_status = os.fstat
"""That of the system itself, whatever takes its place in `os`."""


class Spool:
    """A nameless file that output is appended to.

    Args:
        descriptor: Open for reading and appending; the spool owns it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.file = identify(descriptor)
        self._punched = _HALF
        self._tail_due = 0.0

    @classmethod
    def create(cls) -> Spool:
        """Return a new, empty spool."""
        descriptor, name = tempfile.mkstemp(prefix="flowkit-output-")
        os.close(descriptor)
        try:
            return cls(os.open(name, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC))
        finally:
            os.unlink(name)

    @property
    def size(self) -> int:
        """Bytes printed since it was last cleared."""
        return os.fstat(self.descriptor).st_size

    def save(self, path: str) -> bool:
        """Copy what was printed to the log at `path`, without secrets, and say whether there was anything.

        Raises:
            OSError: The log cannot be written; what was printed is forgotten, as the next attempt has its own log.
        """
        size = self.size
        if size == 0:
            return False
        try:
            self._write(path, size)
        except OSError:
            self.clear()
            raise
        return True

    def _write(self, path: str, size: int) -> None:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(log, "wb") as file:
            if size <= LONGEST_LOG:
                self._copy(file, 0, size)
            else:
                self._copy(file, 0, _HALF)
                file.write(f"\n… {size - LONGEST_LOG} bytes left out …\n".encode())
                self._copy(file, size - _HALF, size)

    def append(self, path: Path, start: int) -> int:
        """Append to the file at `path` what was printed since `start`, and return where to go on.

        Beyond `LONGEST_LOG` it is the end that counts, for whoever looks after a crash: what is between becomes a hole.
        A file that cannot be written is passed over: it only serves whoever watches.
        """
        size = self.size
        end = min(size, LONGEST_LOG)
        if end > start:
            with suppress(OSError), _open_live(path) as file:
                self._copy(file, start, end)
            return end
        if start < size and time.monotonic() >= self._tail_due:
            # Not at each look, as it may be much each time.
            self._tail_due = time.monotonic() + _TAIL_SECONDS
            with suppress(OSError), _open_live(path) as file:
                self._append_tail(file, start, size)
            return size
        return start

    def _append_tail(self, file: io.BufferedWriter, start: int, end: int) -> None:
        begin = max(start, end - _HALF)
        file.seek(begin - start, os.SEEK_END)
        self._copy(file, begin, end)
        file.flush()
        hole = file.tell() - _HALF - LONGEST_LOG
        if hole > 0 and not _punch_hole(file.fileno(), LONGEST_LOG, hole):
            # No holes here: better without the end than with all of it.
            file.truncate(LONGEST_LOG)

    def clear(self) -> None:
        """Forget what was printed."""
        os.ftruncate(self.descriptor, 0)
        self._punched = _HALF

    def trim(self) -> None:
        """Give back the disk space of what no log will keep, where the system can make holes in files."""
        end = self.size - _HALF
        if end - self._punched < _HALF:
            # Cleared and grown again meanwhile, or not worth it yet.
            self._punched = min(self._punched, max(end, _HALF))
            return
        start = -(-self._punched // _BLOCK) * _BLOCK
        if _punch_hole(self.descriptor, start, end - start):
            self._punched = end

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)

    def _copy(self, file: io.BufferedWriter, start: int, end: int) -> None:
        copy_masked(self.descriptor, start, end, file.write)


class Capture(Protocol):
    """Keeps what one attempt after another prints."""

    def begin(self, log: str) -> None:
        """Prepare for an attempt, whose log will be at `log`."""
        ...

    def end(self, log: str) -> bool:
        """Write the attempt's log, if anything was printed, and say whether it was."""
        ...


class NoCapture:
    """Lets output through, for a debugger."""

    def begin(self, log: str) -> None:
        """Do nothing."""

    def end(self, log: str) -> bool:
        """Report that nothing was kept."""
        return False


class HostCapture:
    """Capture in a process whose standard streams are a spool for good."""

    def __init__(self, spool: Spool) -> None:
        _print_by_lines()
        self._spool = spool
        self._streams = attach_streams(spool)
        self._input = sys.stdin
        nothing = os.stat(os.devnull)
        self._nothing = (nothing.st_dev, nothing.st_ino)

    def begin(self, log: str) -> None:
        """Do nothing: the streams are attached already, and who started this process tells what comes."""

    def end(self, log: str) -> bool:
        """Save and clear the spool, and put back the streams that the step closed or replaced."""
        flush_streams()
        try:
            printed = self._spool.save(log)
        finally:
            self._put_back()
        if printed:
            self._spool.clear()
        return printed

    def _put_back(self) -> None:
        if not self._is_intact():
            self._streams = attach_streams(self._spool)
        if sys.stdin is not self._input or self._input.closed or identify(0) != self._nothing:
            self._input = sys.stdin = _attach_nothing()

    def _is_intact(self) -> bool:
        out, errors = self._streams
        if sys.stdout is not out or sys.stderr is not errors or out.closed or errors.closed:
            return False
        return identify(1) == self._spool.file == identify(2)


class InlineCapture:
    """Capture in the driver's own process, which gets its streams back after each attempt."""

    def __init__(self) -> None:
        self._spool = Spool.create()
        self._live = _LiveLog(self._spool)
        self._saved: list[tuple[int, int]] = []
        self._objects: tuple[Any, Any] = (None, None)

    def begin(self, log: str) -> None:
        """Point the standard streams at the spool."""
        flush_streams()
        self._live.begin(log)
        self._objects = (sys.stdout, sys.stderr)
        self._saved = [(number, os.dup(number)) for number, _ in _STREAMS]
        attach_streams(self._spool)

    def end(self, log: str) -> bool:
        """Save the log and point the standard streams back."""
        flush_streams()
        sys.stdout, sys.stderr = self._objects
        for number, kept in self._saved:
            os.dup2(kept, number)
            os.close(kept)
        try:
            printed = self._spool.save(log)
        finally:
            self._live.end()
        self._spool.clear()
        return printed

    def close(self) -> None:
        """Give the spool back."""
        self._live.close()
        self._spool.close()


class _LiveLog:
    """Tells, from a thread of its own, what the present attempt has printed, for `flowkit logs --follow`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._told = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="flowkit-live-log", daemon=True)
        self._thread.start()

    def begin(self, log: str) -> None:
        """Turn to another attempt."""
        with self._lock:
            self._path, self._told = Path(f"{log}{LIVE_SUFFIX}"), 0

    def end(self) -> None:
        """Remove what was told: the log is there."""
        with self._lock:
            if self._path is not None and self._told:
                remove_live_log(self._path)
            self._path = None

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def _tell(self) -> None:
        while not self._closing.wait(_LIVE_SECONDS):
            with self._lock:
                if self._path is not None:
                    self._told = self._spool.append(self._path, self._told)
                    self._spool.trim()


@contextmanager
def _open_live(path: Path) -> Iterator[io.BufferedWriter]:
    """Open a live log at its end."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
        file.seek(0, os.SEEK_END)
        yield file


def remove_live_log(path: Path) -> None:
    """Remove what only served whoever watched; where it cannot go it stays beside the log, which is what is read."""
    with suppress(OSError):
        path.unlink()


def describe_lost_log(step: str, error: OSError) -> str:
    """Return the warning of a result whose log could not be written."""
    return f"Step '{step}': what it printed could not be kept ({error.strerror or error})."


def attach_streams(spool: Spool) -> tuple[TextIO, TextIO]:
    """Point descriptors 1 and 2 and Python's own streams at a spool, and return the streams."""
    streams = []
    for number, name in _STREAMS:
        os.dup2(spool.descriptor, number)
        # By lines: what was printed before a crash is in the spool then.
        stream = open(  # noqa: SIM115  (lives as long as the process; its descriptor is not its own)
            number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
        )
        setattr(sys, name, stream)
        streams.append(stream)
    return streams[0], streams[1]


def _attach_nothing() -> TextIO:
    """Point descriptor 0 at what has nothing to read, and return a stream of it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    if nothing != 0:
        os.dup2(nothing, 0)
        os.close(nothing)
    return open(0, encoding="utf-8", closefd=False)


def identify(descriptor: int) -> tuple[int, int] | None:
    """Return which file is behind a descriptor, None where it is closed."""
    try:
        status = _status(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def flush_streams() -> None:
    """Write out what the standard streams hold back, Python's and compiled code's; closed ones are passed over."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except (ValueError, OSError, AttributeError):
            continue
    flush = _c_function("fflush")
    if flush is not None:
        flush(None)


def _print_by_lines() -> None:
    """Let compiled code's own stream write each line at once: what it holds back is lost in a crash.

    It would hold back thousands of bytes, as a spool is no terminal.
    """
    setvbuf = _c_function("setvbuf")
    for name in ("stdout", "__stdoutp"):
        with suppress(ValueError, AttributeError):
            stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), name)
            setvbuf(stream, None, _BY_LINES, 0)


def _punch_hole(descriptor: int, start: int, length: int) -> bool:
    fallocate = _c_function("fallocate")
    if fallocate is None or length <= 0:
        return False
    return bool(fallocate(descriptor, _PUNCH_HOLE_KEEP_SIZE, start, length) == 0)


_ARGUMENTS: dict[str, list[Any]] = {
    "fallocate": [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64],
    "fflush": [ctypes.c_void_p],
    "setvbuf": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t],
}


@cache
def _c_function(name: str) -> Any:
    """Return a function of the C library, None where there is none."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function.argtypes = _ARGUMENTS[name]
    return function
