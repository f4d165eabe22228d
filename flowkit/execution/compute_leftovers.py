"""Tasks of steps that are gone: Dask lets the thread of a cancelled task go on, and here it may not keep the worker.

A step that is killed takes its client with it. What then still runs of it has a moment to end by itself; after that the
worker is replaced. Other steps' tasks in it begin anew in the next one, and nobody is blamed for it.

All of this is in the compute process, on the event loop of its scheduler and nanny.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from flowkit.execution.process_tree import descendants_of, end_all

_GRACE_SECONDS = 1.0
_ANSWER_SECONDS = 5.0
_UNWANTED = "flowkit_unwanted"


def tell_of_unwanted(worker: Any) -> None:
    """Let a worker answer which of its running tasks nobody waits for any more."""
    worker.handlers[_UNWANTED] = lambda: [
        task.key for task in worker.state.all_running_tasks if task.state == "cancelled"
    ]


def watching(base: Any, left: Callable[[frozenset[object]], None]) -> Any:
    """Return a scheduler class that tells which tasks were out with a worker when their client left.

    Args:
        base: `distributed.Scheduler`.
        left: Hears their keys.
    """

    class WatchingScheduler(base):  # type: ignore[misc]
        """A scheduler that sees what clients leave behind."""

        def remove_client(self, client: str, stimulus_id: str | None = None) -> None:
            """Let a client go, with all that only it waited for."""
            before = _out(self)
            super().remove_client(client, stimulus_id)
            keys = before - _out(self)
            if keys:
                left(keys)

    return WatchingScheduler


class Replacement:
    """Replaces the one worker of a nanny where tasks that were left behind keep it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._looks: set[asyncio.Task[None]] = set()
        self._scheduler: Any = None
        self._nanny: Any = None

    def oversee(self, scheduler: Any, nanny: Any) -> None:
        """Begin with a nanny that has started."""
        self._scheduler, self._nanny = scheduler, nanny

    def hear(self, keys: frozenset[object]) -> None:
        """Look a moment later whether any of these tasks still runs."""
        worker = self._nanny.worker_address if self._nanny is not None else None
        if worker is not None:
            look = asyncio.get_running_loop().create_task(self._look(keys, worker))
            self._looks.add(look)
            look.add_done_callback(self._looks.discard)

    async def _look(self, keys: frozenset[object], worker: str) -> None:
        await asyncio.sleep(_GRACE_SECONDS)
        async with self._lock:
            there = worker in self._scheduler.workers and worker == self._nanny.worker_address
            if there and keys.intersection(await self._ask(worker, keys)):
                await self._replace(worker)

    async def _ask(self, worker: str, keys: frozenset[object]) -> Collection[object]:
        """Return what runs unwanted; where the worker does not answer, as in code that keeps the interpreter, all."""
        question = self._scheduler.broadcast(msg={"op": _UNWANTED}, workers=[worker], on_error="ignore")
        try:
            answers = await asyncio.wait_for(question, _ANSWER_SECONDS)
        except TimeoutError:
            return keys
        found: Collection[object] = answers.get(worker, ())
        return found

    async def _replace(self, worker: str) -> None:
        pid = self._nanny.pid
        if not pid:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        # Removed before it dies: its other tasks would be charged with its death.
        blameless = {_expected(self._scheduler.remove_worker): True}
        await self._scheduler.remove_worker(worker, stimulus_id="flowkit-leftovers", close=False, **blameless)
        await asyncio.to_thread(_end, pid)


def _out(scheduler: Any) -> frozenset[object]:
    return frozenset(task.key for worker in scheduler.workers.values() for task in worker.processing)


def _expected(remove_worker: Callable[..., object]) -> str:
    """Return what the argument is called that says that a worker goes as it should; Dask has renamed it."""
    return "expected" if "expected" in inspect.signature(remove_worker).parameters else "safe"


def _end(pid: int) -> None:
    """Kill a worker with all that its tasks started; its nanny starts the next one."""
    end_all(lambda: list(descendants_of(pid)))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
