"""`flowkit` as a process that is killed or interrupted: started, marked, its descendants found wherever they went."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

from flowkit.execution.process_tree import descendants_of, is_alive
from tests.commands import MAIN, ROOT

MARK = "FAULT_CAMPAIGN"
"""A variable that a driver hands down to all that it starts; steps may start processes without it."""


class Driver:
    """One `flowkit` process.

    Args:
        folder: Where it is called.
        arguments: Its command line.
        terminal: The slave end of a terminal that it takes as its own, with a session of its own; None for pipes.
        background: Started as by `nohup`, with SIGHUP ignored.
        variables: More environment variables.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        terminal: int | None = None,
        background: bool = False,
        **variables: str,
    ) -> None:
        self.mark = uuid4().hex
        own = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", MARK: self.mark}
        self._process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments],
            cwd=folder,
            env={**os.environ, **own, **variables},
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE if terminal is None else terminal,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: _take_signals(terminal, background),
        )

    @property
    def pid(self) -> int:
        """Its process id, also its process group's."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """End it as a machine out of memory does, and take note of its end."""
        self._process.kill()
        self.finish()

    def send(self, number: signal.Signals, *, group: bool) -> None:
        """Signal it, or all of its process group as a terminal does."""
        if group:
            os.killpg(self.pid, number)
        else:
            self._process.send_signal(number)

    def finish(self, seconds: float = 60.0) -> tuple[str, str]:
        """Wait for its end and return what it printed."""
        try:
            out, err = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        return out or "", err or ""

    def left(self) -> list[int]:
        """Return the processes that it started, and they in turn, that have not ended."""
        return [pid for pid in marked_processes(self.mark) if pid != self.pid]

    def hosts(self) -> list[int]:
        """Return its step hosts."""
        return [pid for pid in descendants_of(self.pid) if is_step_host(pid)]


def marked_processes(mark: str) -> list[int]:
    """Return the living processes that bear a mark."""
    entry = f"{MARK}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        # What ends meanwhile, or is another user's, is none of ours.
        with suppress(OSError):
            if name.isdecimal() and entry in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                found.append(int(name))
    return [pid for pid in found if is_alive(pid)]


def is_step_host(pid: int) -> bool:
    """Whether a process is a step host, by its command line."""
    try:
        return b"flowkit.execution.host" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for a condition that must come to hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def select(folder: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    """Ask the database of a project's store by plain SQL, and change nothing of it; nothing where there is none yet.

    What a killed writer left half done is undone in a copy: to undo it in the store is for flowkit to do.
    """
    database = folder / ".flowkit" / "lineage.db"
    if not database.exists():
        return []
    try:
        return _ask(database, "ro", query, values)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
            raise
    with tempfile.TemporaryDirectory() as copy:
        for file in database.parent.glob("lineage.db*"):
            shutil.copy(file, copy)
        return _ask(Path(copy) / "lineage.db", "rw", query, values)


def _ask(database: Path, mode: str, query: str, values: tuple[object, ...]) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode={mode}", uri=True, timeout=20)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchall():
            return []
        return connection.execute(query, values).fetchall()


def statuses(folder: Path) -> list[str]:
    """Return the statuses of all runs of a store, the oldest first."""
    return [str(status) for (status,) in select(folder, "SELECT status FROM runs")]


def write_project(folder: Path, files: Sequence[tuple[str, str]]) -> Path:
    """Make a project of these files and return its folder."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "campaign"\nversion = "0"\n')
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def _take_signals(terminal: int | None, background: bool) -> None:
    """Begin with the signals as a shell leaves them, whatever the tests' own parent ignores."""
    import fcntl
    import termios

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if background:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if terminal is not None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
