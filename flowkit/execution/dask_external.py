"""A Dask cluster that is there already, reached by its scheduler's address."""

from __future__ import annotations

import ipaddress
import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from flowkit.errors import FlowkitError, WorkerError
from flowkit.execution.base import HostSettings
from flowkit.execution.dask_base import QUIET, Background, Listener, hasten
from flowkit.execution.dask_worker import (
    cancel_attempts,
    describe_worker,
    own_digest,
    retire_hosts,
    run_envelope,
    warm_worker,
)
from flowkit.execution.envelope import Envelope
from flowkit.store.folder import StoreFolder
from flowkit.store.probe import remove_probe, write_probe

ALLOW_PLAIN_TCP = "FLOWKIT_ALLOW_PLAIN_TCP"

_CONNECT_SECONDS = 10.0
_WORKER_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_PATIENCE = 0.2
_LOST_SECONDS = 3.0


class ExternalCluster:
    """A scheduler that is there already, with whatever workers it has or gets."""

    def __init__(self, scheduler: str, listener: Listener) -> None:
        self._scheduler = scheduler
        self._listener = listener
        self._connecting: Background | None = None
        self._settings: HostSettings | None = None
        self._client: Any = None
        self._topic = f"flowkit-{uuid4().hex}"
        self._workers: dict[str, int] = {}
        self._instances: dict[str, str] = {}
        self._resources: dict[str, Mapping[str, float]] = {}
        self._refused: set[str] = set()
        self._closing = threading.Event()
        self._monitor: threading.Thread | None = None

    def start(self, settings: HostSettings) -> None:
        """Connect in the background; start step hosts on each worker.

        Raises:
            WorkerError: The address is on the network and without TLS.
        """
        check_address(self._scheduler)
        self._settings = settings
        if self._connecting is None:
            self._connecting = Background(self._connect)
        elif self._client is not None:
            self._warm(list(self._workers))

    def slots(self) -> Mapping[str, int]:
        """Return the workers that have proven themselves.

        Raises:
            WorkerError: The scheduler cannot be reached, there is no worker, or one has not proven itself.
        """
        assert self._connecting is not None, "start() comes first"
        # Not longer: the driver looks in between whether it was interrupted.
        return dict(self._workers) if self._connecting.wait(_PATIENCE) else {}

    def resources(self) -> Mapping[str, Mapping[str, float]]:
        """Return what the workers were started with as `--resources`."""
        return dict(self._resources)

    def submit(self, settings: HostSettings, envelope: Envelope, worker: str) -> None:
        """Send a packet as a task that no other worker may take."""
        import dask

        with dask.config.set(QUIET):
            future = self._client.submit(
                run_envelope,
                pickle.dumps(settings, protocol=5),
                pickle.dumps(envelope, protocol=5),
                self._instances[worker],
                self._topic,
                key=f"flowkit-{uuid4().hex}",
                pure=False,
                retries=0,
                workers=[worker],
                allow_other_workers=False,
            )
        future.add_done_callback(lambda done: self._land(envelope.packet, done))

    def cancel(self, worker: str, tokens: Sequence[str]) -> None:
        """Kill or hand back attempts on a worker."""
        if self._client is None or self._client.status != "running":
            # Without a scheduler no worker can be reached, and `_watch` has told so or will.
            return
        self._client.run(cancel_attempts, list(tokens), workers=[worker], wait=False, on_error="ignore")

    def close(self) -> None:
        """End this session's step hosts on the workers, and disconnect."""
        self._closing.set()
        if self._connecting is not None:
            self._connecting.finish()
        if self._monitor is not None:
            self._monitor.join()
        client, self._client = self._client, None
        if client is None:
            return
        if client.status == "running" and self._workers:
            settings = pickle.dumps(self._settings, protocol=5)
            client.run(retire_hosts, settings, workers=list(self._workers), on_error="ignore")
        client.close(timeout=2)

    def _connect(self) -> None:
        import distributed

        try:
            self._client = distributed.Client(  # type: ignore[no-untyped-call]
                self._scheduler, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise WorkerError.for_unreachable(self._scheduler, f"{type(error).__name__}: {error}") from error
        hasten(self._client)
        self._client.subscribe_topic(self._topic, self._receive)
        end = time.monotonic() + _WORKER_SECONDS
        while not (found := self._look()):
            if time.monotonic() > end:
                raise WorkerError.for_no_worker(self._scheduler, _WORKER_SECONDS)
            if self._closing.wait(0.1):
                return
        self._admit(found)
        self._monitor = threading.Thread(target=self._watch, name="flowkit-monitor", daemon=True)
        self._monitor.start()

    def _look(self) -> dict[str, int]:
        """Return all workers that the scheduler has, with their threads."""
        # Not by `scheduler_info`, whose answer the client's own periodic look, without workers, may replace meanwhile:
        # a worker that is there would be taken for lost.
        workers = self._client.sync(self._client.scheduler.identity, n_workers=-1)["workers"]
        self._resources = {address: dict(facts.get("resources") or {}) for address, facts in workers.items()}
        return {address: facts["nthreads"] for address, facts in workers.items()}

    def _admit(self, workers: Mapping[str, int]) -> None:
        """Let workers prove themselves, and take them in.

        Raises:
            WorkerError: One of them cannot be used; it is named.
        """
        assert self._settings is not None
        folder = StoreFolder.open(Path(self._settings.store))
        nonce = uuid4().hex
        probe = write_probe(folder, nonce)
        try:
            answers = self._client.run(
                describe_worker, self._settings.store, probe, workers=list(workers), on_error="return"
            )
        finally:
            remove_probe(folder, probe)
        for address in workers:
            check_answer(address, answers.get(address), nonce, self._settings.store)
            self._instances[address] = answers[address]["instance"]
        self._workers.update(workers)
        self._warm(list(workers))

    def _warm(self, workers: Sequence[str]) -> None:
        settings = pickle.dumps(self._settings, protocol=5)
        for address in workers:
            slots = self._workers[address]
            self._client.run(warm_worker, settings, address, slots, workers=[address], wait=False, on_error="ignore")

    def _receive(self, event: tuple[Any, bytes]) -> None:
        for heard in pickle.loads(event[1]):
            self._listener.hear(heard)

    def _land(self, packet: str, future: Any) -> None:
        """Take in the end of a task; runs in a thread of Dask's."""
        if future.status == "finished":
            try:
                self._listener.land(packet, pickle.loads(future.result()), None)
            except Exception as error:  # noqa: BLE001  (a result that is lost on its way is a lost worker)
                self._listener.land(packet, (), f"{type(error).__name__}: {error}")
            return
        if self._client is None or self._client.status != "running":
            self._listener.fail(WorkerError.for_lost_scheduler(self._scheduler, "the connection was closed"))
            return
        reason = future.exception() if future.status == "error" else None
        self._listener.land(packet, (), f"{type(reason).__name__}: {reason}" if reason else future.status)

    def _watch(self) -> None:
        """Notice workers that come and go, and the end of the scheduler."""
        since: float | None = None
        while not self._closing.wait(_LOOK_SECONDS):
            try:
                workers = self._look()
                since = None
            except Exception as error:  # noqa: BLE001  (whatever it is, the scheduler does not answer)
                since = since or time.monotonic()
                if self._client.status == "closed" or time.monotonic() - since > _LOST_SECONDS:
                    text = f"{type(error).__name__}: {error}"
                    self._listener.fail(WorkerError.for_lost_scheduler(self._scheduler, text))
                    return
                continue
            self._compare(workers)

    def _compare(self, workers: Mapping[str, int]) -> None:
        for address in set(self._workers) - set(workers):
            del self._workers[address]
            self._listener.lose_worker(address, "the worker left the cluster")
        for address in set(workers) - set(self._workers) - self._refused:
            try:
                self._admit({address: workers[address]})
            except (FlowkitError, OSError) as error:
                # A late-comer that is of no use is no reason to end a run that has others.
                self._refused.add(address)
                logging.getLogger("flowkit").warning("worker %s is left out: %s", address, error)


def check_answer(worker: str, answer: object, nonce: str, store: str) -> None:
    """Check what a worker said of itself.

    Raises:
        WorkerError: It did not answer, runs another Python or flowkit, or does not see the store.
    """
    if not isinstance(answer, dict):
        raise WorkerError.for_unusable_worker(worker, f"{type(answer).__name__}: {answer}")
    python = ".".join(map(str, sys.version_info[:2]))
    if answer["python"] != python:
        raise WorkerError.for_other_version(worker, "Python", python, answer["python"])
    if answer["flowkit"] != own_digest():
        raise WorkerError.for_other_version(worker, "flowkit", own_digest(), answer["flowkit"])
    if answer["probe"] != nonce:
        raise WorkerError.for_blind_worker(worker, store)


def check_address(scheduler: str) -> None:
    """Refuse a scheduler on the network without TLS: whoever reaches a plain Dask port can run code there.

    Raises:
        WorkerError: It is one, and `FLOWKIT_ALLOW_PLAIN_TCP` is not `1`.
    """
    parts = urlsplit(scheduler if "://" in scheduler else f"tcp://{scheduler}")
    if parts.scheme in ("tls", "wss", "inproc") or os.environ.get(ALLOW_PLAIN_TCP) == "1":
        return
    host = parts.hostname or ""
    if host == "localhost":
        return
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        # A name: nothing is known of where it leads.
        is_loopback = False
    if not is_loopback:
        raise WorkerError.for_plain_tcp(scheduler)
