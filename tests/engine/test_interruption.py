"""What signals do to a run: the first asks, the second breaks off, and so does time."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from flowkit.engine import interruption as module
from flowkit.engine.interruption import interruption
from flowkit.signals import Interrupted, take_signals


@pytest.fixture(autouse=True)
def hangups() -> Iterator[None]:
    """Begin with a SIGHUP that is not ignored, however the tests were started."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, previous)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_asks_and_the_second_breaks_off(number: signal.Signals) -> None:
    """Whatever came first; afterwards the handlers are those from before."""
    before = signal.getsignal(number)

    with interruption() as noted:
        assert not noted.heed()
        signal.raise_signal(number)
        assert noted.heed()
        assert not noted.insisted
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        assert noted.insisted

    assert signal.getsignal(number) is before


def test_what_ended_is_recorded_undisturbed() -> None:
    """After a run was broken off, and while its end is recorded, further signals are passed over for a moment."""
    with interruption() as noted:
        signal.raise_signal(signal.SIGINT)
        noted.settle()
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert noted.insisted


def test_who_does_not_heed_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a system call that waits; it counts as nobody's second signal."""
    monkeypatch.setattr(module, "HEED_SECONDS", 0.1)

    with interruption() as noted:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            time.sleep(60)

    assert not noted.insisted


def test_who_heeds_has_the_time_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """That, too, is limited: steps that cannot be ended keep nobody waiting."""
    monkeypatch.setattr(module, "HEED_SECONDS", 0.1)
    monkeypatch.setattr(module, "END_SECONDS", 0.3)
    began = time.monotonic()

    with interruption() as noted:
        signal.raise_signal(signal.SIGINT)
        assert noted.heed()
        with pytest.raises(Interrupted):
            time.sleep(60)

    assert time.monotonic() - began >= 0.3


def test_a_run_within_another_one_stops_both() -> None:
    """A step run inline may hold a session: what its run took is the outer run's as well, once it has ended."""
    with interruption() as outer:
        with interruption() as inner:
            signal.raise_signal(signal.SIGINT)
            assert inner.heed()
        assert outer.heed()
        assert not outer.insisted

        with interruption() as later:
            assert later.heed()


def insist() -> None:
    with interruption():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def sleep() -> None:
    with interruption():
        time.sleep(60)


def test_insisting_within_another_run_holds_for_both() -> None:
    """Who pressed twice is not asked to press a third time."""
    with interruption() as outer:
        with pytest.raises(Interrupted):
            insist()
        assert outer.heed()
        assert outer.insisted


def test_an_outer_run_that_breaks_off_insists_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What its watch sends into a run that began meanwhile is nobody's second signal."""
    monkeypatch.setattr(module, "HEED_SECONDS", 0.1)

    with interruption() as outer:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            sleep()
        assert not outer.insisted


def test_another_thread_takes_no_signals() -> None:
    """There a run is never asked to stop, and nothing of the main thread's is touched."""
    found: list[bool] = []

    def run() -> None:
        with interruption() as noted:
            found.append(noted.heed())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert found == [False]


def test_an_ignored_hangup_stays_ignored() -> None:
    """As `nohup` leaves it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    previous = take_signals(lambda number, frame: None)
    for number, handler in previous.items():
        signal.signal(number, handler)

    assert signal.SIGHUP not in previous
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
