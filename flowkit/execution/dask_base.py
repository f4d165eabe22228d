"""What a Dask cluster is to the executor, wherever it runs, and what both kinds share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from flowkit.errors import FlowkitError, WorkerError
from flowkit.execution.base import ExecutorEvent, HostSettings
from flowkit.execution.envelope import Envelope

_SEND_SECONDS = 0.001

QUIET = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.no-workers-timeout": "60s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.worker.profile.enabled": False,
    "distributed.diagnostics.computations.nframes": 0,
}
"""Dask's settings while a cluster is started and while packets are submitted: flowkit owns retries and placement."""

ALONE = {**QUIET, "distributed.scheduler.worker-ttl": None}
"""Those of a cluster within this process: its worker lives as long as the scheduler, however long both were stopped."""


class Listener(Protocol):
    """What a cluster tells the executor. Every method may be called from any thread, and more than once."""

    def hear(self, event: ExecutorEvent) -> None:
        """Take an event of a packet."""
        ...

    def land(self, packet: str, events: Sequence[ExecutorEvent], error: str | None) -> None:
        """Take the end of a packet, with events that may have been heard already."""
        ...

    def lose_worker(self, worker: str, reason: str) -> None:
        """Take the loss of a worker."""
        ...

    def warn(self, text: str) -> None:
        """Take something that a person should know and that ends nothing."""
        ...

    def fail(self, error: BaseException) -> None:
        """Take the end of everything."""
        ...


class Cluster(Protocol):
    """Where packets go."""

    def start(self, settings: HostSettings) -> None:
        """Begin to make workers ready, without waiting for them."""
        ...

    def slots(self) -> Mapping[str, int]:
        """Return the workers with their slots, waiting for the first."""
        ...

    def resources(self) -> Mapping[str, Mapping[str, float]]:
        """Return what else each worker has, as Dask was told of it."""
        ...

    def submit(self, settings: HostSettings, envelope: Envelope, worker: str) -> None:
        """Send a packet to a worker."""
        ...

    def cancel(self, worker: str, tokens: Sequence[str]) -> None:
        """Kill or hand back attempts on a worker."""
        ...

    def close(self) -> None:
        """End what this process started."""
        ...


class Background:
    """One piece of work in a thread of its own, whose error is raised where its end is waited for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._error: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name="flowkit-connect", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, at most `seconds`, and say whether it has come.

        Raises:
            WorkerError: The work failed.
        """
        self._thread.join(seconds)
        if isinstance(self._error, FlowkitError):
            raise self._error
        if self._error is not None:
            text = f"{type(self._error).__name__}: {self._error}"
            raise WorkerError.for_failed_start(text) from self._error
        return not self._thread.is_alive()

    def finish(self) -> None:
        """Wait for the end, whatever it is."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised again by `wait`)
            self._error = error


def hasten(client: Any) -> None:
    """Let a client send at once: it gathers messages for 10 ms otherwise, longer than a packet of quick nodes takes."""
    stream: Any = getattr(client, "scheduler_comm", None)
    if hasattr(stream, "interval"):
        stream.interval = _SEND_SECONDS
