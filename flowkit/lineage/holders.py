"""Who holds a lock on the database: for the message when one cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

from flowkit.lineage.liveness import is_stopped


def find_lock_holders(path: Path) -> list[str]:
    """Return a line for each other process that holds a lock on the database at `path`, where the system tells."""
    inodes = {file.stat().st_ino for file in (path, path.with_name(path.name + "-shm")) if file.exists()}
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    found = {_holder(line, inodes) for line in lines} - {os.getpid()}
    holders = sorted(pid for pid in found if pid is not None)
    return [f"pid {pid} on {os.uname().nodename}{_command(pid)}{_standstill(pid)}" for pid in holders]


def _standstill(pid: int) -> str:
    return f", stopped: kill -CONT {pid}, or end it" if is_stopped(pid) else ""


def _holder(line: str, inodes: set[int]) -> int | None:
    """Return the process of one line of `/proc/locks`, such as `1: POSIX ADVISORY WRITE 71 08:01:42 0 EOF`."""
    fields = line.split()
    if len(fields) < 6 or fields[1] != "POSIX" or not fields[4].isdigit():
        return None
    inode = fields[5].rpartition(":")[2]
    return int(fields[4]) if inode.isdigit() and int(inode) in inodes else None


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    text = " ".join(os.fsdecode(word) for word in words if word)
    return f" ({text[:80]})" if text else ""
