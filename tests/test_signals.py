"""Signals that are held back while something is made whole."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from flowkit.signals import HeldSignals


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_what_is_held_back_comes_when_the_block_ends() -> None:
    """However often it came, it is raised once, by the handler that was there before."""
    done = []
    before = signal.getsignal(signal.SIGINT)

    def make() -> None:
        with HeldSignals():
            press()
            press()
            done.append("made")

    with pytest.raises(KeyboardInterrupt):
        make()
    assert done == ["made"]
    assert signal.getsignal(signal.SIGINT) is before


def test_what_takes_long_is_broken_off() -> None:
    """Within it signals are heard at once, also one that came before, and held back again behind it."""
    done = []

    def wait() -> None:
        with HeldSignals() as signals:
            press()
            try:
                with signals.heard():
                    done.append("waited")
            finally:
                press()
                done.append("tidied up")

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert done == ["tidied up"]


def test_nothing_is_raised_where_nothing_came() -> None:
    """What comes after the block is not its concern."""
    with HeldSignals() as signals, signals.heard():
        pass

    with pytest.raises(KeyboardInterrupt):
        press()


def test_another_thread_leaves_signals_as_they_are() -> None:
    """Python hears them in its main thread alone."""
    found = []

    def hold() -> None:
        with HeldSignals() as signals, signals.heard():
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()

    assert found == [before]
