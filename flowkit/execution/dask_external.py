"""A Dask cluster that is there already, reached by its scheduler's address."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from flowkit.errors import FlowkitError, WorkerError
from flowkit.execution.background import Background
from flowkit.execution.base import HostSettings
from flowkit.execution.client_calls import ClientCalls
from flowkit.execution.cluster import Listener
from flowkit.execution.dask_address import check_address, check_worker_address, describe_open_ports, security_for
from flowkit.execution.dask_probe import ask_workers, check_answer, describe_mismatches, is_silent
from flowkit.execution.dask_quiet import Hush
from flowkit.execution.dask_worker import cancel_attempts, retire_hosts, run_envelope, warm_worker
from flowkit.execution.envelope import Envelope
from flowkit.store.folder import StoreFolder
from flowkit.store.probe import remove_probe, write_probe

_QUIET = {"distributed.diagnostics.computations.nframes": 0}
"""Dask's settings while packets are submitted: it is not to look through the driver's frames for each."""

_SEND_SECONDS = 0.001
_CONNECT_SECONDS = 10.0
_WORKER_SECONDS = 50.0
"""How long a cluster may be without workers; with the time to connect, no more than a minute."""

_ANSWER_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_PATIENCE = 0.2
_LOST_SECONDS = 3.0
_CLOSE_SECONDS = 0.25
_LEAST_SECONDS = 0.1


class ExternalCluster:
    """A scheduler that is there already, with whatever workers it has or gets."""

    def __init__(self, scheduler: str, listener: Listener) -> None:
        self._scheduler = scheduler
        self._listener = listener
        self._connecting: Background | None = None
        self._settings: HostSettings | None = None
        self._client: Any = None
        self._calls: ClientCalls
        self._topic = f"flowkit-{uuid4().hex}"
        self._workers: dict[str, int] = {}
        self._without_since: float | None = None
        self._instances: dict[str, str] = {}
        self._resources: dict[str, Mapping[str, float]] = {}
        self._refused: set[str] = set()
        self._silent: dict[str, str] = {}
        self._contact = scheduler
        self._told_open = False
        self._hush: Hush | None = None
        self._closing = threading.Event()
        self._monitor: threading.Thread | None = None

    def expect(self, at_once: int | None) -> None:
        """Do nothing: the workers are there already, and whether they see the store only a session can tell."""

    def dismiss(self) -> None:
        """Do nothing: nothing was started beforehand."""

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
        if not self._connecting.wait(_PATIENCE):
            return {}
        workers = dict(self._workers)
        self._bear_none(bool(workers))
        return workers

    def _bear_none(self, any_there: bool) -> None:
        """Give the cluster time to get a worker after the last one has left, but not for ever."""
        now = time.monotonic()
        if any_there or self._without_since is None:
            self._without_since = None if any_there else now
        elif now - self._without_since > _WORKER_SECONDS:
            raise WorkerError.for_no_worker(self._scheduler, _WORKER_SECONDS, self._silent)

    def resources(self) -> Mapping[str, Mapping[str, float]]:
        """Return what the workers were started with as `--resources`."""
        return dict(self._resources)

    def submit(self, settings: HostSettings, envelope: Envelope, worker: str) -> None:
        """Send a packet as a task that no other worker may take."""
        import dask

        with dask.config.set(_QUIET):
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
        self._calls.follow(self._land(envelope.packet, future))

    def cancel(self, worker: str, tokens: Sequence[str]) -> None:
        """Kill or hand back attempts on a worker."""
        if self._client is None or self._client.status != "running":
            # Without a scheduler no worker can be reached, and `_watch` has told so or will.
            return
        self._calls.send(cancel_attempts, list(tokens), workers=[worker], heard=False)

    def close(self) -> None:
        """End this session's step hosts on the workers, and disconnect; what stands still is not waited for."""
        self._closing.set()
        end = time.monotonic() + _CLOSE_SECONDS
        if self._connecting is not None and not self._connecting.finish(_CLOSE_SECONDS):
            # It disconnects by itself.
            return
        if self._monitor is not None:
            self._monitor.join(max(0.0, end - time.monotonic()))
        self._disconnect(end)

    def _disconnect(self, end: float) -> None:
        """Do so until `end` by the monotonic clock; a worker whose driver is gone ends what it runs by itself."""
        client, self._client = self._client, None
        if client is not None:
            if client.status == "running":
                if self._workers:
                    settings = pickle.dumps(self._settings, protocol=5)
                    self._calls.send(retire_hosts, settings, workers=list(self._workers))
                self._calls.finish(end)
            with suppress(TimeoutError):
                client.close(timeout=max(_LEAST_SECONDS, end - time.monotonic()))
        if self._hush is not None:
            self._hush.lift()

    def _connect(self) -> None:
        try:
            self._open_client()
        finally:
            if self._closing.is_set():
                self._disconnect(time.monotonic())

    def _open_client(self) -> None:
        import distributed

        self._hush = Hush()
        security = security_for(self._scheduler)
        try:
            client: Any = distributed.Client(  # type: ignore[no-untyped-call]
                self._scheduler, timeout=_CONNECT_SECONDS, set_as_default=False, security=security
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise WorkerError.for_unreachable(self._scheduler, f"{type(error).__name__}: {error}") from error
        self._calls = ClientCalls(client, self._closing)
        self._client = client
        _hasten(self._client)
        self._client.subscribe_topic(self._topic, self._receive)
        self._tell_mismatches({"the scheduler": self._calls.ask(self._client.scheduler.versions)["packages"]})
        if self._find_workers():
            self._monitor = threading.Thread(target=self._watch, name="flowkit-monitor", daemon=True)
            self._monitor.start()

    def _find_workers(self) -> bool:
        """Wait for the first workers, and say whether there are any before this is closed.

        Raises:
            WorkerError: There is none in time, or one cannot be used.
        """
        end = time.monotonic() + _WORKER_SECONDS
        while not self._admit(self._look()):
            if time.monotonic() > end:
                raise WorkerError.for_no_worker(self._scheduler, _WORKER_SECONDS, self._silent)
            if self._closing.wait(0.1):
                return False
        return True

    def _look(self) -> dict[str, int]:
        """Return all workers that the scheduler has, with their threads."""
        # Not by `scheduler_info`, whose answer the client's own periodic look, without workers, may replace meanwhile:
        # a worker that is there would be taken for lost.
        identity = self._calls.ask(self._client.scheduler.identity, n_workers=-1)
        workers, self._contact = identity["workers"], identity["address"]
        self._resources = {address: dict(facts.get("resources") or {}) for address, facts in workers.items()}
        return {address: facts["nthreads"] for address, facts in workers.items()}

    def _admit(self, workers: Mapping[str, int]) -> bool:
        """Let workers prove themselves, take in those that do, and say whether there are any.

        One that does not answer is passed over: it has just died, or will be asked again.

        Raises:
            WorkerError: One of them answers and cannot be used; it is named.
        """
        assert self._settings is not None
        for address in workers:
            check_worker_address(address)
        nonce = uuid4().hex
        answers = self._ask(list(workers), nonce) if workers else {}
        self._silent = {address: str(answer) for address, answer in answers.items() if is_silent(answer)}
        proven = {address: slots for address, slots in workers.items() if address not in self._silent}
        packages = {}
        for address in proven:
            answer: Any = answers[address]
            check_answer(address, answer, nonce, self._settings.store)
            self._instances[address] = answer["instance"]
            packages[address] = answer["packages"]
        self._tell_mismatches(packages)
        self._tell_open_ports([(address, answers[address]) for address in proven])
        self._workers.update(proven)
        self._warm(list(proven))
        return bool(proven)

    def _ask(self, workers: Sequence[str], nonce: str) -> Mapping[str, object]:
        assert self._settings is not None
        folder = StoreFolder.open(Path(self._settings.store))
        probe = write_probe(folder, nonce)
        try:
            answers: Mapping[str, object] = self._calls.ask(
                ask_workers, self._client, self._settings.store, probe, workers, _ANSWER_SECONDS
            )
        finally:
            remove_probe(folder, probe)
        return answers

    def _tell_mismatches(self, packages: Mapping[str, Mapping[str, str | None]]) -> None:
        text = describe_mismatches(packages)
        if text is not None:
            self._listener.warn(text)

    def _tell_open_ports(self, answers: Sequence[tuple[str, Any]]) -> None:
        """Warn, once, of a cluster to which others can speak: its address may be of loopback all the same."""
        listeners = [(f"worker {address}", answer["listens"] or address) for address, answer in answers]
        text = describe_open_ports([("the scheduler", self._contact), *listeners])
        if text is not None and not self._told_open:
            self._told_open = True
            self._listener.warn(text)

    def _warm(self, workers: Sequence[str]) -> None:
        settings = pickle.dumps(self._settings, protocol=5)
        for address in workers:
            slots = self._workers[address]
            self._calls.send(warm_worker, settings, address, slots, workers=[address], heard=False)

    def _receive(self, event: tuple[Any, bytes]) -> None:
        for heard in pickle.loads(event[1]):
            self._listener.hear(heard)

    async def _land(self, packet: str, future: Any) -> None:
        """Take in the end of a task; runs in the client's event loop.

        Not by the future's callback: Dask calls these one after the other, and one whose worker dies before it has
        given the result waits for ever.
        """
        try:
            events = pickle.loads(await future)
        except Exception as error:  # noqa: BLE001  (a result that is lost on its way is a lost worker)
            if self._client is None or self._client.status != "running":
                self._listener.fail(WorkerError.for_lost_scheduler(self._scheduler, "the connection was closed"))
            else:
                self._listener.land(packet, (), f"{type(error).__name__}: {error}")
            return
        self._listener.land(packet, events, None)

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
                self._listener.warn(f"Worker {address} is left out: {error}")


def _hasten(client: Any) -> None:
    """Let a client send at once: it gathers messages for 10 ms otherwise, longer than a packet of quick nodes takes."""
    stream: Any = getattr(client, "scheduler_comm", None)
    if hasattr(stream, "interval"):
        stream.interval = _SEND_SECONDS
