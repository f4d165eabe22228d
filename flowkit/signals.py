"""The signals that end a command: Ctrl-C, SIGTERM and a closed terminal. Light enough for `flowkit --help`."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

_STDOUT, _STDERR = 1, 2

_heard: list[int] = []


class Interrupted(KeyboardInterrupt):
    """Not `KeyboardInterrupt` itself: where that passed through `exec`, Python ends by signal though it was caught."""


def take_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> dict[signal.Signals, Any]:
    """Handle what ends a command from now on, and return what did before.

    SIGHUP stays ignored where it is: that is what `nohup` is for.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return {number: signal.signal(number, handler) for number in numbers}


class HeldSignals:
    """Holds back the signals that end a command while a block lasts: what is made there is whole, and known.

    Only the main thread hears signals; in another one nothing is held back.
    """

    def __init__(self) -> None:
        self._came: list[int] = []
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._hold()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Let through what comes while the block lasts, and what came before, for what takes long."""
        try:
            self._let_go()
            yield
        finally:
            self._hold()

    def _hold(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._previous = take_signals(lambda number, _: self._came.append(number))

    def _let_go(self) -> None:
        previous, self._previous = self._previous, {}
        for number, handler in previous.items():
            signal.signal(number, handler)
        if self._came:
            came, self._came = self._came, []
            signal.raise_signal(came[0])


def note_signal(number: int) -> None:
    """Keep in mind that a signal came: what its handler raises may get lost, in a weak reference's callback say."""
    _heard.append(number)


def was_heard() -> bool:
    """Whether a signal came that was noted."""
    return bool(_heard)


def forget_signals() -> None:
    """Begin anew, as a command does."""
    _heard.clear()


def leave_terminal() -> None:
    """Let what is printed go nowhere where it went to a terminal that is closed: each line would fail."""
    import termios

    for descriptor in (_STDOUT, _STDERR):
        try:
            termios.tcgetattr(descriptor)
        except termios.error as error:
            if error.args[0] == errno.EIO:
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
