"""The signals that end a command: Ctrl-C, SIGTERM and a closed terminal. Light enough for `flowkit --help`."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

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
