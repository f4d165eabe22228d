"""How signals end a command: Ctrl-C, SIGTERM and a closed terminal all end it as interrupted, and leave no process."""

from __future__ import annotations

import _thread
import os
import select
import signal
import sys
import time
from types import FrameType
from typing import IO, TYPE_CHECKING

from flowkit.signals import (
    Interrupted,
    forget_signals,
    leave_terminal,
    note_signal,
    take_signals,
    was_heard,
)

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_CLOSE_SECONDS = 2.0

_AGAIN_SECONDS = 0.02
"""How long after an interruption was dropped the command is interrupted again."""

_LOOK_SECONDS = 0.2
"""How often a prompt looks whether a signal was heard."""


def end_on_signals() -> None:
    """Let the signals that end a command raise `Interrupted` in it, once more where Python drops that.

    Called in the main thread. What a handler raises within a weak reference's callback or a `__del__` is passed over by
    Python, which prints it.
    """
    forget_signals()
    take_signals(_interrupt)
    tell_others, main = sys.unraisablehook, _thread.get_ident()

    def interrupt_again(dropped: UnraisableHookArgs) -> None:
        if isinstance(dropped.exc_value, Interrupted):
            _thread.start_new_thread(_interrupt_soon, (main,))
        else:
            tell_others(dropped)

    sys.unraisablehook = interrupt_again


def close_undisturbed() -> None:
    """Pass over further signals for a while: an interrupted run ends its workers and prints what goes on."""
    end = time.monotonic() + _CLOSE_SECONDS

    def interrupt_late(number: int, frame: FrameType | None) -> None:
        if time.monotonic() > end:
            raise Interrupted

    take_signals(interrupt_late)


def ignore_signals() -> None:
    """Pass over further signals for good: all is done, and an interpreter that is ending would die of them."""
    take_signals(signal.SIG_IGN)


def read_line(stream: IO[str]) -> str:
    """Return the next line that a person types; empty at the end of what there is.

    Reading begins only once there is something to read. Until then this waits for a signal as well, for one that comes
    right before it begins to wait would be heard only after the next line: it leaves a byte in a pipe. That it was
    heard is looked up too: where Python drops what a handler raises, in the middle of a garbage collection, it is lost.

    Raises:
        Interrupted: A signal came, now or before.
    """
    receive, send = os.pipe()
    os.set_blocking(send, False)
    os.set_blocking(receive, False)
    previous = signal.set_wakeup_fd(send, warn_on_full_buffer=False)
    try:
        ready: list[int] = []
        while not was_heard() and stream.fileno() not in ready:
            ready, _, _ = select.select([stream.fileno(), receive], [], [], _LOOK_SECONDS)
            if receive in ready:
                os.read(receive, 100)
    finally:
        signal.set_wakeup_fd(previous)
        os.close(send)
        os.close(receive)
    if was_heard():
        raise Interrupted
    return stream.readline()


def _interrupt_soon(main: int) -> None:
    time.sleep(_AGAIN_SECONDS)
    # A run knows of it already, and a command that is ending passes it over.
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.pthread_kill(main, signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> None:
    note_signal(number)
    if number == signal.SIGHUP:
        leave_terminal()
    raise Interrupted
