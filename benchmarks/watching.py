"""Looks at the memory of a process and of all that it starts, while they run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_INTERVAL = 0.02


class MemoryWatch:
    """Remembers the most memory that a process and its descendants have held, each for itself.

    The kernel keeps each process's peak, so a look now and then finds what came in between; only what a process does in
    its last moment can be missed. Pages that several processes share count for each of them.
    """

    def __init__(self) -> None:
        self._first = 0
        self._peaks: dict[int, float] = {}

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Watch a process and its descendants until the block ends."""
        self._first = pid
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def figures(self) -> dict[str, float]:
        """Return the peak of the first process and the largest of the others', in megabytes; nothing without /proc."""
        driver = self._peaks.get(self._first)
        others = [peak for pid, peak in self._peaks.items() if pid != self._first]
        found = {"driver_mb": driver, "worker_mb": max(others, default=None)}
        return {name: peak for name, peak in found.items() if peak is not None}

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(_INTERVAL):
            waiting = [self._first]
            while waiting:
                pid = waiting.pop()
                peak = _peak_megabytes(pid)
                if peak is not None:
                    self._peaks[pid] = max(peak, self._peaks.get(pid, 0.0))
                waiting += _children_of(pid)


def _peak_megabytes(pid: int) -> float | None:
    """Return the most that a process has held; None where it has ended, or there is no such file system."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")), None)


def _children_of(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
