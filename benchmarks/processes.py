"""A process with all that it starts, and nothing of them left when what waits for it is broken off."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_GRACE_SECONDS = 3.0


@contextmanager
def process_group(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], errors: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    """Start a process in a folder, and wait for its end; where the block fails, its servers and workers end too.

    It has a session of its own, so Ctrl-C comes to it by way of the process that measures: what that interrupts is not
    taken for a program that fails.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt a process, which may have others to end that are not of its group, and kill what remains of these."""
    try:
        _signal_group(process, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    finally:
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[str], number: int) -> None:
    # It may have ended by itself in the meantime.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
