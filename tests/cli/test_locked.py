"""A command that waits for another process's lock on the database can be interrupted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.conftest import Recorded
from tests.commands import MAIN, ROOT


def is_open_in(process: subprocess.Popen[str], database: Path) -> bool:
    folder = Path(f"/proc/{process.pid}/fd")
    try:
        return any(os.path.realpath(entry) == str(database) for entry in folder.iterdir())
    except OSError:
        return False


def test_an_interruption_ends_a_command_that_waits_for_a_lock(recorded_project: Recorded) -> None:
    """While a process holds the database for itself, Ctrl-C ends those that wait for it at once, with code 130."""
    database = (recorded_project.root / ".flowkit/lineage.db").resolve()
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    waiting = [
        subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments],
            cwd=recorded_project.root,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for arguments in (["why", "last", "total"], ["plan", "small"], ["audit", "verify"])
    ]
    try:
        end = time.monotonic() + 60
        for process in waiting:
            while not is_open_in(process, database):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
        # The lock is waited for as soon as the file is open.
        for process in waiting:
            process.send_signal(signal.SIGINT)
        ended = [process.communicate(timeout=20) for process in waiting]
    finally:
        holder.execute("ROLLBACK")
        holder.close()
        for process in waiting:
            process.kill()
            process.communicate()

    assert [process.returncode for process in waiting] == [130, 130, 130]
    assert [error.lstrip() for _, error in ended] == ["Interrupted.\n"] * 3
