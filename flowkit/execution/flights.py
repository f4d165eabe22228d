"""The packets that are under way on workers: each event of one is passed on once, however often and late it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from msgspec import Struct, field

from flowkit.errors import StepDeathError, WorkerError
from flowkit.execution.base import (
    ExecutorEvent,
    ExecutorFailed,
    ExecutorWarned,
    NodeEnded,
    NodeReturned,
    NodeStarted,
    NodeWaiting,
    PacketEnded,
)
from flowkit.execution.envelope import Envelope, NodeSlip
from flowkit.execution.failure import record_failure
from flowkit.execution.packets import NO_KEY, WITHDRAWN
from flowkit.execution.watch import SLOT_DIED
from flowkit.records import FailureKind, Outcome, StepResult

MOST_FRUITLESS = 3
FRUITLESS_SECONDS = 5.0
"""How often in turn, and for how long, workers may fail to begin any node at all before the run fails."""


class _Flight(Struct):
    """A packet on its way: which attempts are still open, and which of them have begun.

    `round` is how many fruitless rounds there had been when it was sent.
    """

    envelope: Envelope
    worker: str
    open: dict[str, NodeSlip]
    round: int
    begun: dict[str, float] = field(default_factory=dict)


class Flights:
    """Every packet that is under way. Thread-safe."""

    def __init__(self) -> None:
        self._events: SimpleQueue[ExecutorEvent] = SimpleQueue()
        self._flights: dict[str, _Flight] = {}
        self._lock = threading.RLock()
        self._failed = False
        self._fruitless = 0
        self._fruitless_since = 0.0

    def expect(self, envelope: Envelope, worker: str) -> None:
        """Begin to follow a packet."""
        with self._lock:
            slips = {slip.token: slip for slip in envelope.slips}
            self._flights[envelope.packet] = _Flight(envelope, worker, slips, self._fruitless)

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

    def land(
        self, packet: str, events: Sequence[ExecutorEvent], error: str | None, cause: WorkerError | None = None
    ) -> None:
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
            if error and not flight.begun:
                self._note_fruitless(flight, cause or WorkerError.for_failed_task(flight.worker, error))

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

    def _note_fruitless(self, flight: _Flight, error: WorkerError) -> None:
        """Fail once packet after packet comes back without a begun node, and nothing else runs either.

        Their nodes come back at no charge, and would be sent for ever. Packets that were out together count once: a
        worker that is lost loses all of its own.
        """
        if flight.round < self._fruitless or any(other.begun for other in self._flights.values()):
            return
        now = time.monotonic()
        if not self._fruitless:
            self._fruitless_since = now
        self._fruitless += 1
        if self._fruitless >= MOST_FRUITLESS and now - self._fruitless_since >= FRUITLESS_SECONDS:
            self.fail(error)

    def _is_news(self, event: ExecutorEvent) -> bool:
        if not isinstance(event, (NodeStarted, NodeEnded, NodeReturned, NodeWaiting)):
            return False
        flight = self._flights.get(event.packet)
        if flight is None:
            return False
        if isinstance(event, NodeWaiting):
            return event.token in flight.open
        if isinstance(event, NodeStarted):
            self._fruitless = 0
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
