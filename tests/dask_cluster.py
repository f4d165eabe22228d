"""A Dask cluster as its owner starts it: by Dask's own commands, each process in a folder of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class DaskCluster:
    """The processes.

    Attributes:
        extra: Arguments of every command, such as those for TLS.
    """

    folder: Path
    protocol: str = "tcp"
    extra: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        self.address = f"{self.protocol}://127.0.0.1:{free_port()}"
        port = self.address.rpartition(":")[2]
        self.scheduler = self._start("scheduler", "--protocol", self.protocol, "--port", port)

    def add_worker(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a worker with one thread and without a nanny."""
        return self._add("--no-nanny", *arguments, **variables)

    def add_nanny(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start a nanny, which starts a worker with one thread, and another where that one dies."""
        return self._add("--nanny", **variables)

    def output_of(self, process: subprocess.Popen[bytes]) -> str:
        """Return what one of the processes has printed so far."""
        return (self.folder / f"process{self._processes.index(process)}" / "output").read_text()

    def close(self) -> None:
        """End the workers, then the scheduler: who loses it while it is ending may hang in Dask's own code."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _add(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        own = ("--protocol", self.protocol, "--nthreads", "1")
        return self._start("worker", self.address, *own, *arguments, **variables)

    def _start(self, command: str, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        folder = self.folder / f"process{len(self._processes)}"
        folder.mkdir(parents=True)
        own = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", command, *arguments, *own, *self.extra],
                cwd=folder,
                env={**os.environ, **variables},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(process)
        return process


@contextmanager
def dask_cluster(folder: Path, protocol: str = "tcp", extra: Sequence[str] = ()) -> Iterator[DaskCluster]:
    """Start a scheduler, and end it with whatever workers it was given."""
    cluster = DaskCluster(folder, protocol, extra)
    try:
        yield cluster
    finally:
        cluster.close()
