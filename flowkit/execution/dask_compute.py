"""The cluster on which the steps of a local run compute, as the driver sees it: started on demand, closed with the run.

Nothing of it exists before a step asks. One process serves one code bundle: after an edit the next step that asks gets
a new one, so an edited helper never runs old code.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flowkit.errors import WorkerError
from flowkit.execution.base import HostSettings
from flowkit.execution.capture import Spool
from flowkit.execution.channel import FrameReader
from flowkit.execution.compute_place import ComputePlace
from flowkit.execution.host_process import Spawner, open_pipe, opening
from flowkit.execution.isolation import make_work_base, remove_work_base

_BOOT = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path'];"
    "from flowkit.execution.compute_cluster import main; main(given)"
)

_START_SECONDS = 60


class LocalCompute:
    """The compute cluster of a local run. Thread-safe.

    Args:
        threads: How many Dask tasks may run at once.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._spawner: Spawner | None = None
        self._process: _ComputeProcess | None = None
        self._closed = False

    def open(self, settings: HostSettings) -> ComputePlace:
        """Return where steps of `settings` compute, starting it where it is not there or has died.

        Raises:
            WorkerError: It cannot be started, or was closed meanwhile.
        """
        process = self._process_for(settings)
        try:
            # Not under the lock: it takes seconds, and whoever closes it meanwhile is not to wait for that.
            return ComputePlace(process.hear_address())
        except WorkerError:
            with self._lock:
                if self._process is process:
                    process.close()
                    self._process = None
            raise

    def _process_for(self, settings: HostSettings) -> _ComputeProcess:
        with self._lock:
            if self._closed:
                raise WorkerError.for_failed_start("the run is over")
            if self._process is not None and not self._process.serves(settings):
                self._process.close()
                self._process = None
            if self._process is None:
                self._spawner = self._spawner or Spawner()
                self._process = _ComputeProcess(settings, self._threads, self._spawner)
            return self._process

    def close(self) -> None:
        """End the process with its worker."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.close()
                self._process = None
            if self._spawner is not None:
                self._spawner.close()
                self._spawner = None


class _ComputeProcess:
    """One such process; it leads a group of its own, and ends when the pipe to it closes."""

    def __init__(self, settings: HostSettings, threads: int, spawner: Spawner) -> None:
        self._settings = settings
        self._hearing = threading.Lock()
        self._address: str | None = None
        self._is_closed = False
        with opening() as opened:
            self._folder = make_work_base()
            opened.callback(remove_work_base, self._folder)
            # Nameless, as nothing takes secrets out of what its tasks print; read only where it cannot start.
            self._output = Spool.create()
            opened.callback(self._output.close)
            orders, self._to_process = open_pipe(opened)
            self._from_process, reports = open_pipe(opened)
            given = {
                "supervisor": os.getpid(),
                "orders": orders,
                "reports": reports,
                "path": [entry or os.getcwd() for entry in sys.path],
                "root": settings.root,
                "store": settings.store,
                "bundle": settings.bundle,
                "threads": threads,
                "folder": str(self._folder),
            }
            self._process = self._start(spawner, given)
        os.close(orders)
        os.close(reports)

    def _start(self, spawner: Spawner, given: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        return spawner.start(
            [sys.executable, "-c", _BOOT, json.dumps(given)],
            stdin=subprocess.DEVNULL,
            stdout=self._output.descriptor,
            stderr=subprocess.STDOUT,
            pass_fds=(given["orders"], given["reports"]),
            start_new_session=True,
        )

    def serves(self, settings: HostSettings) -> bool:
        """Whether it lives and imports the code that `settings` name."""
        own = self._settings
        same = (own.bundle, own.root, own.store) == (settings.bundle, settings.root, settings.store)
        return same and self._process.poll() is None

    def close(self) -> None:
        """Kill it with its worker: what they hold is of no more use, and to end by themselves takes them a second."""
        self._is_closed = True
        os.close(self._to_process)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Whoever waits for its address hears that it has ended, and must not read from a number that is another file's.
        with self._hearing:
            os.close(self._from_process)
            self._output.close()
        remove_work_base(self._folder)

    def hear_address(self) -> str:
        """Return its scheduler's address, waiting until it has come up. Called from any thread.

        Raises:
            WorkerError: It did not come up, or was closed.
        """
        with self._hearing:
            if self._address is None:
                self._address = self._receive_address()
            return self._address

    def _receive_address(self) -> str:
        if self._is_closed:
            raise _describe("it was ended before it had come up")
        poll = select.poll()
        poll.register(self._from_process, select.POLLIN)
        if not poll.poll(_START_SECONDS * 1000):
            raise _describe(f"it did not come up within {_START_SECONDS} s")
        try:
            kind, text = FrameReader(self._from_process).receive()
        except EOFError:
            kind, text = "failed", _last_words(self._output)
        if kind != "ready":
            raise _describe(text)
        return str(text)


def _describe(reason: str) -> WorkerError:
    return WorkerError.for_failed_start(f"the process that computes for steps: {reason}")


def _last_words(output: Spool) -> str:
    said = os.pread(output.descriptor, output.size, 0).decode(errors="replace").strip().splitlines()
    return said[-1] if said else "it ended without a word"
