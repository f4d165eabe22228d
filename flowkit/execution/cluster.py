"""Where packets go, as the executor sees it: this machine or a Dask cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flowkit.errors import WorkerError
from flowkit.execution.base import ExecutorEvent, HostSettings
from flowkit.execution.envelope import Envelope


class Listener(Protocol):
    """What a cluster tells of its packets. Every method may be called from any thread, and more than once."""

    def hear(self, event: ExecutorEvent) -> None:
        """Take an event of a packet."""
        ...

    def land(
        self, packet: str, events: Sequence[ExecutorEvent], error: str | None, cause: WorkerError | None = None
    ) -> None:
        """Take the end of a packet, with events that may have been heard already.

        Args:
            packet: Its id.
            events: What happened in it.
            error: Why it ended before all of its nodes had.
            cause: What the run fails with where nothing else can begin either.
        """
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

    def expect(self, at_once: int | None) -> None:
        """Start beforehand what any session's steps need, without waiting for it."""
        ...

    def dismiss(self) -> None:
        """End what was started beforehand and has got no session."""
        ...

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
