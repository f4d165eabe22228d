"""What runs inside a Dask worker: one supervisor a process, packets as tasks, and the proof that it is of use.

These functions are called through Dask, by name, so a worker needs the same flowkit that the driver has.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
import threading
import time
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from blake3 import blake3

from flowkit.errors import FlowkitError, WorkerError
from flowkit.execution.abandoned import AbandonWatch
from flowkit.execution.base import ExecutorEvent, HostSettings
from flowkit.execution.compute_place import ComputePlace, describe_security
from flowkit.execution.envelope import Envelope
from flowkit.execution.processors import THREAD_VARIABLES
from flowkit.execution.supervisor import Supervisor
from flowkit.store.folder import StoreFolder
from flowkit.store.probe import read_probe

INSTANCE = f"{os.getpid()}-{os.urandom(8).hex()}"
"""Tells this worker process from one that takes its address after it."""

TRAVEL_PACKAGES = ("cloudpickle", "dask", "distributed")
"""What carries functions and messages between processes; where it differs some may not arrive."""

_ENDING = frozenset({"closing", "closed", "failed"})
"""States of a Dask worker that was told to end or has lost its scheduler: it can report nothing more."""

_SEND_SECONDS = 0.02
_LOCK = threading.Lock()
_SUPERVISORS: dict[str, Supervisor] = {}
_PLACES: dict[str, ComputePlace] = {}
"""Where the steps of each worker compute: its own cluster."""
_ABANDONED = AbandonWatch()


def describe_worker(store: str, probe: str, dask_worker: Any = None) -> dict[str, Any]:
    """Return who this worker is and what it sees: asked of every worker before it is given work.

    Args:
        store: The store's folder.
        probe: What was left there to be found.
        dask_worker: Given by Dask.
    """
    try:
        seen = read_probe(StoreFolder.open(Path(store)), probe)
    except FlowkitError:
        # Not there, or not to be entered: the store is not seen.
        seen = None
    return {
        "instance": INSTANCE,
        "probe": seen,
        "python": ".".join(map(str, sys.version_info[:2])),
        "flowkit": own_digest(),
        "packages": package_versions(),
        "host": socket.gethostname(),
        "listens": dask_worker.listen_address if dask_worker is not None else None,
        "pid": os.getpid(),
    }


def package_versions() -> dict[str, str]:
    """Return the version of each of `TRAVEL_PACKAGES` here."""
    found = {}
    for package in TRAVEL_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # Imported from a folder, without the record that an installation leaves.
            found[package] = "unknown"
    return found


@cache
def own_digest() -> str:
    """Return a hash over flowkit's own source files, by which two installations are the same."""
    package = Path(__file__).parent.parent
    hasher = blake3()
    for file in sorted(package.rglob("*.py")):
        content = file.read_bytes()
        name = file.relative_to(package).as_posix().encode()
        hasher.update(len(name).to_bytes(8, "little") + name + len(content).to_bytes(8, "little") + content)
    return hasher.hexdigest(16)


async def warm_worker(settings: bytes, address: str, slots: int) -> None:
    """Start this worker's step hosts before the first packet comes. A coroutine, so that Dask need not wait for it."""
    supervisor_of(address, slots).warm(pickle.loads(settings))


def run_envelope(settings: bytes, envelope: bytes, instance: str, topic: str) -> bytes:
    """Run a packet as a Dask task. Events are sent as they come, and all of them once more as the result.

    A driver that is killed leaves the scheduler, which then cancels its tasks. Dask lets the thread of a cancelled task
    go on; here its step host is killed, with the idle ones of that store, and so it is where the worker itself ends.

    Args:
        settings: Pickled `HostSettings`.
        envelope: Pickled `Envelope`.
        instance: The worker process that was meant.
        topic: Where the driver listens.

    Raises:
        WorkerError: This is another process than the one that was meant, or no step host can be started.
    """
    from distributed import get_worker, secede

    worker = get_worker()
    if instance != INSTANCE:
        raise WorkerError.for_failed_task(worker.address, "its process was replaced")
    opened: Envelope = pickle.loads(envelope)
    sender = _LiveSender(worker, topic)
    supervisor = supervisor_of(worker.address, worker.state.nthreads)
    _PLACES[worker.address] = ComputePlace(worker.scheduler.address, describe_security(worker.security), by_value=True)
    tokens = [slip.token for slip in opened.slips]
    key = worker.get_current_task()
    with _ABANDONED.following(lambda: _is_wanted(worker, key), lambda: supervisor.cancel(tokens)):
        supervisor.run_packet(pickle.loads(settings), opened, sender.report, secede)
    if not _is_wanted(worker, key):
        retire_hosts(settings)
    return sender.close()


def _is_wanted(worker: Any, key: object) -> bool:
    """Whether somebody still waits for a task of this worker that runs. Reads what the worker knows; asks nobody."""
    if worker.status.name in _ENDING:
        return False
    task = worker.state.tasks.get(key)
    return task is None or task.state != "cancelled"


async def cancel_attempts(tokens: Iterable[str]) -> None:
    """Kill or hand back attempts in this worker. A coroutine, so that Dask need not wait for it."""
    with _LOCK:
        supervisors = list(_SUPERVISORS.values())
    for supervisor in supervisors:
        supervisor.cancel(tokens)


def retire_hosts(settings: bytes) -> None:
    """End the step hosts of a session that is over."""
    opened: HostSettings = pickle.loads(settings)
    with _LOCK:
        supervisors = list(_SUPERVISORS.values())
    for supervisor in supervisors:
        supervisor.retire(opened)


def supervisor_of(address: str, slots: int) -> Supervisor:
    """Return the supervisor of the worker at `address`, made when first asked for."""
    with _LOCK:
        found = _SUPERVISORS.get(address)
        if found is None:
            found = _SUPERVISORS[address] = Supervisor(
                slots, address, _imposed_by_nanny(), lambda settings: _PLACES[address]
            )
        return found


def _imposed_by_nanny() -> dict[str, str]:
    """Return the variables that Dask's nanny sets for workers, one BLAS thread among them: a step has its own share."""
    import dask

    imposed = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    return {name: str(value) for name, value in imposed.items() if name in THREAD_VARIABLES}


class _LiveSender:
    """Sends events to the driver while a packet runs, gathered so that quick nodes do not flood the scheduler."""

    def __init__(self, worker: Any, topic: str) -> None:
        self._worker = worker
        self._topic = topic
        self._all: list[ExecutorEvent] = []
        self._sent = 0
        self._last = 0.0
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()

    def report(self, event: ExecutorEvent) -> None:
        """Take an event: sent now, or with others a moment later."""
        with self._lock:
            self._all.append(event)
            wait = self._last + _SEND_SECONDS - time.monotonic()
            if wait <= 0:
                self._send()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self._send_later)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> bytes:
        """Return every event; what was not sent live travels with the result."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return pickle.dumps(self._all, protocol=5)

    def _send_later(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer = None
                self._send()

    def _send(self) -> None:
        events, self._sent = self._all[self._sent :], len(self._all)
        self._last = time.monotonic()
        self._worker.log_event(self._topic, pickle.dumps(events, protocol=5))
