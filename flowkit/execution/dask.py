"""Packets as Dask tasks, on a cluster in this process or on one that is there already.

Locally the Dask worker lives in the driver's process and step hosts are its only processes. Values never travel through
Dask: packets go out, small records come back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from flowkit.errors import FlowkitError, StepDeathError
from flowkit.execution.base import (
    ExecutorEvent,
    ExecutorFailed,
    ExecutorWarned,
    HostSettings,
    NodeEnded,
    NodeReturned,
    NodeStarted,
    NodeWaiting,
    Packet,
    PacketEnded,
    Slots,
)
from flowkit.execution.dask_base import Cluster
from flowkit.execution.dask_external import ExternalCluster
from flowkit.execution.dask_local import LOCAL_WORKER, LocalCluster
from flowkit.execution.envelope import Envelope, NodeSlip, close_envelope
from flowkit.execution.failure import record_failure
from flowkit.execution.packets import NO_KEY, WITHDRAWN
from flowkit.execution.supervisor import usable_processors
from flowkit.execution.watch import SLOT_DIED
from flowkit.records import FailureKind, Outcome, StepResult


@dataclass(slots=True)
class _Flight:
    """A packet on its way: which attempts are still open, and which of them have begun."""

    envelope: Envelope
    worker: str
    open: dict[str, NodeSlip]
    begun: dict[str, float] = field(default_factory=dict)


class DaskExecutor:
    """Runs packets on Dask workers.

    Args:
        workers: How many steps may run at once on this machine; all its processors if None. Of no effect with a
            scheduler.
        scheduler: Address of a running Dask scheduler; None for this machine alone.
        resources: What this machine has for steps that ask for it, such as `{"gpu": 1}`. Of no effect with a scheduler.

    Attributes:
        capacity: What this machine has; None with a scheduler.
    """

    ships_code = True

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self.capacity: Slots | None = None
        if scheduler is None:
            workers = workers or usable_processors()
            self.capacity = Slots({LOCAL_WORKER: workers}, {LOCAL_WORKER: dict(resources or {})})
        self._tower = _Tower()
        self._settings: HostSettings | None = None
        self._cluster: Cluster = (
            LocalCluster(workers or usable_processors(), self._tower)
            if scheduler is None
            else ExternalCluster(scheduler, self._tower)
        )

    def start(self, settings: HostSettings) -> None:
        """Start step hosts, and connect in the background.

        Raises:
            WorkerError: The scheduler's address is refused, or no process can be started.
        """
        self._settings = settings
        self._cluster.start(settings)

    def slots(self) -> Slots:
        """Return the workers that have proven that they see the store and run this flowkit.

        Raises:
            WorkerError: There is none in time, or one has not proven it.
        """
        slots = self._cluster.slots()
        resources = self._cluster.resources() if self.capacity is None else self.capacity.resources
        return Slots(slots, resources)

    def submit(self, packet: Packet, worker: str) -> None:
        """Send a packet to a worker as a task of its own."""
        assert self._settings is not None, "start() comes first"
        envelope = close_envelope(packet)
        self._tower.expect(envelope, worker)
        try:
            self._cluster.submit(self._settings, envelope, worker)
        except (FlowkitError, OSError, RuntimeError, KeyError) as error:
            # A worker that was lost a moment ago: the packet comes back as from any lost worker.
            self._tower.land(packet.id, (), f"{type(error).__name__}: {error}")

    def cancel(self, nodes: Sequence[str]) -> None:
        """Kill what runs these nodes; those that have not begun are handed back."""
        for worker, tokens in self._tower.find(frozenset(nodes)).items():
            self._cluster.cancel(worker, tokens)

    def events(self, timeout: float | None) -> list[ExecutorEvent]:
        """Return what happened, waiting up to `timeout` seconds for the first event, without end if None."""
        return self._tower.take(timeout)

    def close(self) -> None:
        """End the local cluster with its step hosts; leave an external one, but for this session's hosts."""
        left = self._tower.find(None)
        self._tower.forget()
        for worker, tokens in left.items():
            self._cluster.cancel(worker, tokens)
        self._cluster.close()


class _Tower:
    """Knows every packet that is under way, and passes each event on once, however often and late it comes."""

    def __init__(self) -> None:
        self._events: SimpleQueue[ExecutorEvent] = SimpleQueue()
        self._flights: dict[str, _Flight] = {}
        self._lock = threading.RLock()
        self._failed = False

    def expect(self, envelope: Envelope, worker: str) -> None:
        """Begin to follow a packet."""
        with self._lock:
            self._flights[envelope.packet] = _Flight(envelope, worker, {slip.token: slip for slip in envelope.slips})

    def find(self, nodes: frozenset[str] | None) -> dict[str, list[str]]:
        """Return the open attempts of these nodes, of all if None, as tokens by worker."""
        found: dict[str, list[str]] = {}
        with self._lock:
            for flight in self._flights.values():
                tokens = [token for token, slip in flight.open.items() if nodes is None or slip.node in nodes]
                if tokens:
                    found.setdefault(flight.worker, []).extend(tokens)
        return found

    def take(self, timeout: float | None) -> list[ExecutorEvent]:
        """Return what there is to tell, waiting for the first event."""
        found: list[ExecutorEvent] = []
        try:
            found.append(self._events.get(timeout=timeout))
            while True:
                found.append(self._events.get_nowait())
        except Empty:
            return found

    def forget(self) -> None:
        """Follow nothing any more."""
        with self._lock:
            self._flights.clear()

    def hear(self, event: ExecutorEvent) -> None:
        """Pass on an event of a packet, unless it was heard before or is late."""
        with self._lock:
            if self._is_news(event):
                self._events.put(event)

    def land(self, packet: str, events: Sequence[ExecutorEvent], error: str | None) -> None:
        """End a packet: account for every attempt of which nothing was heard."""
        with self._lock:
            for event in events:
                self.hear(event)
            flight = self._flights.pop(packet, None)
            if flight is None:
                return
            for token, slip in flight.open.items():
                self._events.put(_account_for(slip, token, flight, error))
            self._events.put(PacketEnded(packet, flight.worker, error))

    def lose_worker(self, worker: str, reason: str) -> None:
        """End every packet of a worker that is gone."""
        with self._lock:
            for packet in [packet for packet, flight in self._flights.items() if flight.worker == worker]:
                self.land(packet, (), reason)

    def warn(self, text: str) -> None:
        """Pass on a warning."""
        self._events.put(ExecutorWarned(text))

    def fail(self, error: BaseException) -> None:
        """Tell, once, that nothing can go on."""
        with self._lock:
            if not self._failed:
                self._failed = True
                self._events.put(ExecutorFailed(error))

    def _is_news(self, event: ExecutorEvent) -> bool:
        if not isinstance(event, (NodeStarted, NodeEnded, NodeReturned, NodeWaiting)):
            return False
        flight = self._flights.get(event.packet)
        if flight is None:
            return False
        if isinstance(event, NodeWaiting):
            return event.token in flight.open
        if isinstance(event, NodeStarted):
            known = event.token not in flight.open or event.token in flight.begun
            flight.begun.setdefault(event.token, event.at)
            return not known
        token = event.result.token if isinstance(event, NodeEnded) else event.token
        return flight.open.pop(token, None) is not None


def _account_for(slip: NodeSlip, token: str, flight: _Flight, error: str | None) -> ExecutorEvent:
    """Say what became of a node that nobody reported: one that had begun died, any other lost nothing."""
    started = flight.begun.get(token)
    if started is None:
        return NodeReturned(flight.envelope.packet, slip.node, token, SLOT_DIED if error else WITHDRAWN)
    lost = StepDeathError.for_lost_worker(slip.step, flight.worker, error or "it did not say how the step ended")
    result = StepResult(
        node=slip.node,
        attempt=slip.attempt,
        token=token,
        outcome=Outcome.FAILED,
        key=slip.key or NO_KEY,
        started=started,
        seconds=max(0.0, time.time() - started),
        failure=record_failure(lost, FailureKind.SIGNALLED),
        worker=flight.worker,
    )
    return NodeEnded(flight.envelope.packet, result)
