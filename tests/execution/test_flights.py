"""What becomes of packets that come back with nothing begun: sent again at no charge, and not for ever."""

from __future__ import annotations

import pytest

from flowkit.errors import WorkerError
from flowkit.execution import flights as module
from flowkit.execution.base import ExecutorEvent, ExecutorFailed, NodeReturned, NodeStarted
from flowkit.execution.envelope import Envelope, NodeSlip
from flowkit.execution.flights import MOST_FRUITLESS, Flights

REASON = "no room"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRUITLESS_SECONDS", 0.0)


def send(flights: Flights, name: str, worker: str = "w") -> NodeSlip:
    slip = NodeSlip(name, name, 1, f"{name}-token", None, None, f"{name}.log", None)
    flights.expect(Envelope(name, 5.0, (slip,), b""), worker)
    return slip


def begin(flights: Flights, slip: NodeSlip) -> None:
    flights.hear(NodeStarted(slip.node, slip.node, 1, slip.token, "w", 1.0))


def failures(flights: Flights) -> list[BaseException]:
    return [event.error for event in flights.take(0.01) if isinstance(event, ExecutorFailed)]


def test_workers_that_begin_nothing_time_after_time_fail_the_run() -> None:
    """Each packet's node comes back at no charge; the last packet says, with its reason, that nothing can go on."""
    flights = Flights()
    heard: list[ExecutorEvent] = []
    for turn in range(MOST_FRUITLESS):
        send(flights, f"p{turn}")
        heard += flights.take(0.0)
        flights.land(f"p{turn}", (), REASON)
    heard += flights.take(0.01)

    assert len([event for event in heard if isinstance(event, NodeReturned)]) == MOST_FRUITLESS
    (failure,) = [event.error for event in heard if isinstance(event, ExecutorFailed)]
    assert isinstance(failure, WorkerError)
    assert ("reason", REASON) in failure.facts


def test_the_cause_is_what_the_run_fails_with() -> None:
    """An error that names its own remedy is told as it is."""
    flights = Flights()
    cause = WorkerError.for_failed_start("no such file")
    for turn in range(MOST_FRUITLESS):
        send(flights, f"p{turn}")
        flights.land(f"p{turn}", (), cause.message, cause)

    assert failures(flights) == [cause]


def test_packets_that_were_out_together_count_once() -> None:
    """A worker that is lost loses all it was given: that is one loss, not many."""
    flights = Flights()
    for number in range(10):
        send(flights, f"p{number}")

    flights.lose_worker("w", "gone")

    assert failures(flights) == []


def test_what_begins_begins_the_count_anew() -> None:
    """Workers that begin nodes between their losses are of use."""
    flights = Flights()
    for turn in range(3 * MOST_FRUITLESS):
        slip = send(flights, f"p{turn}")
        if turn % MOST_FRUITLESS == MOST_FRUITLESS - 1:
            begin(flights, slip)
        flights.land(f"p{turn}", (), REASON)

    assert failures(flights) == []


def test_what_runs_is_not_broken_off() -> None:
    """As long as a node runs elsewhere nothing fails; once none does, the count goes on."""
    flights = Flights()
    begin(flights, send(flights, "long"))
    for turn in range(2 * MOST_FRUITLESS):
        send(flights, f"p{turn}")
        flights.land(f"p{turn}", (), REASON)
    during = failures(flights)
    flights.land("long", (), None)

    for turn in range(MOST_FRUITLESS):
        send(flights, f"q{turn}")
        flights.land(f"q{turn}", (), REASON)

    assert during == []
    assert len(failures(flights)) == 1
