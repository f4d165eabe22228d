"""Whether a run's driver lives: told by a lock that it holds, not by a clock or a heartbeat.

The lock is the kernel's and goes with the process, however that ends; what the process forked does not have it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from flowkit.errors import LineageError
from flowkit.store.forks import close_own, keep_from_forks
from flowkit.store.names import check_run_name

_LOCK = "driver.lock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class DriverLock:
    """The lock that a driver holds on its run from its first record to its last."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, runs: Path, run: str) -> Self:
        """Take the lock of `run` below the folder `runs`.

        Raises:
            LineageError: Another process drives the run, or the lock cannot be made.
        """
        path = _lock_path(runs, run)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = keep_from_forks(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise LineageError.for_os_error("keep the lock of a run", path, error) from error
        if not _try_lock(descriptor, fcntl.LOCK_EX):
            close_own(descriptor)
            raise LineageError.for_driven_twice(run)
        return cls(path, descriptor)

    def abandon(self) -> None:
        """Let the lock go and leave its file: that nobody holds it says, also to this process, that the run crashed."""
        if self._descriptor >= 0:
            close_own(self._descriptor)
            self._descriptor = -1

    def release(self) -> None:
        """Remove the lock and let it go. The order matters: a removed file that is still held misleads nobody."""
        if self._descriptor >= 0:
            # A file that stays and that nobody holds says the same as none.
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            self.abandon()


def is_driven(runs: Path, run: str, driver: str) -> bool:
    """Return whether the driver of `run` lives.

    Args:
        runs: The folder that holds a folder for each run.
        run: Its id.
        driver: What `identify_driver` gave its driver; asked where there is no lock file.
    """
    try:
        descriptor = os.open(_lock_path(runs, run), os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return driver != "" and _is_alive(driver)
    except PermissionError:
        return True
    try:
        # Shared, so that two who ask at once do not take each other for the driver.
        return not _try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def identify_driver(pid: int | None = None) -> str:
    """Return who a process is, beyond doubt: `pid:start time:boot id@host`; an id alone is given again and again."""
    pid = os.getpid() if pid is None else pid
    return f"{pid}:{_start_time(pid)}:{_boot()}@{os.uname().nodename}"


def is_stopped(pid: int) -> bool:
    """Return whether a process of this machine was stopped, as by Ctrl-Z or a debugger, and goes on when told to."""
    return _read_status(pid)[:1] in (["T"], ["t"])


def _lock_path(runs: Path, run: str) -> Path:
    return runs / check_run_name(run) / _LOCK


def _try_lock(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(driver: str) -> bool:
    """Return whether exactly this process runs here; one of another host is taken to be gone with its lock file."""
    pid = driver.partition(":")[0]
    return pid.isdecimal() and identify_driver(int(pid)) == driver and _exists(int(pid))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_time(pid: int) -> str:
    """Return the process's start in clock ticks since boot, empty where the system does not tell."""
    return "".join(_read_status(pid)[19:20])


def _read_status(pid: int) -> list[str]:
    """Return what the system tells of a process, from its state on; nothing where it does not tell."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The command, in parentheses, may hold blanks and parentheses itself.
    return status.rpartition(")")[2].split()


def _boot() -> str:
    try:
        return _BOOT.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
