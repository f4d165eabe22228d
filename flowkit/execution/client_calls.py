"""Calls of a Dask client that nobody waits for longer than the run lasts: a scheduler may stand still for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, TypeVar

_LOOK_SECONDS = 0.1
_STUCK_SECONDS = 0.2
_BRIEF_SECONDS = 0.05

T = TypeVar("T")


class ClientCalls:
    """What is asked of a cluster through one client. Thread-safe.

    Args:
        client: A connected client.
        closing: Set once the run is over.
    """

    def __init__(self, client: Any, closing: threading.Event) -> None:
        self._client = client
        self._closing = closing
        self._sent: dict[Future[None], float] = {}
        self._followed: set[Future[None]] = set()

    def ask(self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any, **options: Any) -> T:
        """Run a coroutine of the client's and return what it gives.

        Raises:
            TimeoutError: The run ended before that.
        """
        asked = self._start(function(*arguments, **options))
        while True:
            with suppress(TimeoutError):
                return asked.result(_LOOK_SECONDS)
            if asked.done():
                # What it raised itself is a TimeoutError too.
                return asked.result()
            if self._closing.is_set():
                asked.cancel()
                raise TimeoutError("the run is over")

    def send(
        self, function: Callable[..., object], *arguments: Any, workers: Sequence[str], heard: bool = True
    ) -> None:
        """Have workers call a function; whether they do is not waited for.

        Args:
            function: What they call.
            arguments: What with.
            workers: Their addresses.
            heard: Whether what they answer is part of what `finish` waits for, not only that they were told.
        """

        async def call() -> None:
            # One that is gone or stands still is noticed by who looks after the workers.
            with suppress(Exception):
                await self._client.run(function, *arguments, workers=list(workers), wait=heard, on_error="ignore")

        with suppress(RuntimeError):
            # The client's loop has ended: so has all that could be reached.
            sent = self._start(call())
            self._sent[sent] = time.monotonic()
            sent.add_done_callback(lambda done: self._sent.pop(done, None))

    def follow(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine of which nobody waits for the end, until the run is over.

        Raises:
            RuntimeError: The client's loop has ended.
        """
        followed = self._start(coroutine)
        self._followed.add(followed)
        followed.add_done_callback(self._followed.discard)

    def finish(self, end: float) -> None:
        """Wait for what was sent, until `end` by the monotonic clock; hardly at all where something stands still."""
        for followed in list(self._followed):
            followed.cancel()
        now, sent = time.monotonic(), dict(self._sent)
        is_stuck = any(now - at > _STUCK_SECONDS for at in sent.values())
        wait(sent, timeout=_BRIEF_SECONDS if is_stuck else max(0.0, end - now))

    def _start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        import asyncio

        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._client.loop.asyncio_loop)
        except RuntimeError:
            coroutine.close()
            raise
