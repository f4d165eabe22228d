"""Ctrl-C, SIGTERM and a closed terminal, as a run takes them.

The first asks the run to stop: its steps are ended and recorded. What does not heed that in time is broken off where it
stands, as by a second one. Handlers only set attributes and put into a queue that takes that from a handler: one may
interrupt another, and a lock that both want would never be free.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

from flowkit.signals import Interrupted, leave_terminal, take_signals, was_heard

HEED_SECONDS = 1.0
"""How long the driver may go on with what it does, a long lookup say, before that is broken off."""

END_SECONDS = 3.5
"""How long the steps that run may take to be ended, before the run is broken off without them."""

RECORD_SECONDS = 0.8
"""How long after it broke a run off another signal is passed over: what ended is being recorded."""


class Interruption:
    """What came in while a run goes on.

    Args:
        around: The same of the run that this one goes on in, as where a step that is run inline holds a session.

    Attributes:
        insisted: Whether a second signal came, from outside.
    """

    def __init__(self, around: Interruption | None = None) -> None:
        self.insisted = False
        self._around = around
        self._asked = False
        self._heeded = False
        self._is_own = False
        self._closed = False
        self._broken: float | None = None
        self._came: SimpleQueue[bool] = SimpleQueue()
        if around is not None and around._asked:
            self._ask()

    def heed(self) -> bool:
        """Return whether the run is to stop; who is told so has the time to end its steps."""
        self._heeded = self._asked
        return self._asked

    def take(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            Interrupted: It is not the first one.
        """
        if number == signal.SIGHUP:
            leave_terminal()
        if self._closed:
            return
        if not self._asked:
            self._ask()
            return
        if not self._breaks_off:
            self.insisted = True
            self._came.put(True)
        now = time.monotonic()
        if self._broken is not None and now - self._broken < RECORD_SECONDS:
            return
        self._broken = now
        raise Interrupted

    def settle(self) -> None:
        """Let what ended be recorded: for a moment further signals only make that moment the last."""
        if self._asked:
            self._broken = time.monotonic()

    def watch(self) -> None:
        """Break the run off in the main thread, again and again, once it has had its time."""
        if not self._came.get():
            return
        began = time.monotonic()
        end, is_long = began + HEED_SECONDS, False
        while True:
            try:
                if not self._came.get(timeout=max(0.0, end - time.monotonic())):
                    return
                end, is_long = min(end, time.monotonic() + RECORD_SECONDS), True
            except Empty:
                if self._heeded and not is_long:
                    end, is_long = began + END_SECONDS, True
                    continue
                self._break_off()
                end = time.monotonic() + RECORD_SECONDS

    def note_lost(self) -> None:
        """Take note of a signal that was heard before this listened."""
        if not self._asked:
            self._ask()

    def hear(self, within: Interruption) -> None:
        """Take for this run's what another one has taken that went on within it."""
        if within._asked and not self._asked:
            self._ask()
        if within.insisted and not self.insisted:
            self.insisted = True
            self._broken = time.monotonic()
            self._came.put(True)

    @property
    def _breaks_off(self) -> bool:
        """Whether what comes now is this run's own doing, or that of the one around it."""
        return self._is_own or (self._around is not None and self._around._breaks_off)

    def _ask(self) -> None:
        self._asked = True
        self._came.put(True)

    def _break_off(self) -> None:
        self._is_own = True
        main = threading.main_thread().ident
        if main is not None:
            # A real signal: it also ends a system call that waits.
            signal.pthread_kill(main, signal.SIGINT)

    def close(self) -> None:
        """End the watch; what still comes is passed over."""
        self._closed = True
        self._came.put(False)


_innermost: Interruption | None = None


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Yield what notes the signals that come while the block lasts.

    Only the main thread can take signals; elsewhere none is ever noted.
    """
    global _innermost
    if threading.current_thread() is not threading.main_thread():
        yield Interruption()
        return
    around = _innermost
    noted = _innermost = Interruption(around)
    watch = threading.Thread(target=noted.watch, name="flowkit-interruption", daemon=True)
    watch.start()
    previous = take_signals(noted.take)
    if was_heard():
        # It came before, and what was raised for it got lost.
        noted.note_lost()
    try:
        yield noted
    finally:
        noted.close()
        watch.join()
        for number, handler in previous.items():
            signal.signal(number, handler)
        _innermost = around
        if around is not None:
            around.hear(noted)
