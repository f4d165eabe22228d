"""The step hosts of one worker: one a slot, started when needed, replaced when they die or when code changes."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from flowkit.errors import WorkerError
from flowkit.execution.base import ExecutorEvent, HostSettings, NodeReturned, NodeWaiting
from flowkit.execution.compute_place import ComputePlace
from flowkit.execution.envelope import Envelope
from flowkit.execution.host_process import HostProcess, Spawner, host_environment
from flowkit.execution.isolation import remove_stale_bases
from flowkit.execution.packets import WITHDRAWN
from flowkit.execution.watch import PacketWatch, Report
from flowkit.signals import HeldSignals

_PAUSES = (0.1, 0.4, 1.0)
"""Seconds between one try to start a host and the next."""


class _Slot(Struct, eq=False):
    """A place for one host; `used` counts up, so the longest unused one is known.

    While a busy one is `waiting` for Dask tasks elsewhere, it does not count.
    """

    host: HostProcess | None = None
    busy: bool = False
    waiting: bool = False
    used: int = 0


class Supervisor:
    """Runs packets on step hosts. Thread-safe: each slot may be used by a thread of its own.

    Args:
        slots: How many hosts there are at most.
        worker: This worker's name, for results.
        imposed: Environment variables that this process was given and that are not for steps.
        find_compute: Gives the cluster on which the steps of a session compute; None where there is none.
    """

    def __init__(
        self,
        slots: int,
        worker: str,
        imposed: Mapping[str, str] | None = None,
        find_compute: Callable[[HostSettings], ComputePlace] | None = None,
    ) -> None:
        self.worker = worker
        self._most = slots
        self._find_compute = find_compute
        self._imposed = dict(imposed or {})
        self._slots = [_Slot() for _ in range(slots)]
        self._early: list[HostProcess] = []
        self._spawner = Spawner()
        self._lock = threading.Condition()
        self._watches: set[PacketWatch] = set()
        self._cancelled: set[str] = set()
        self._count = 0
        self._closed = False
        self._owner = os.getpid()
        atexit.register(self._close_at_end)
        remove_stale_bases()

    def expect(self, at_once: int | None) -> None:
        """Start hosts of no session yet, for a run that most likely needs them: they come up while it is made ready.

        Args:
            at_once: How many steps can run side by side, as far as that is known.
        """
        environment = self._environment()
        with self._lock:
            wanted = sum(slot.host is None for slot in self._slots[:at_once]) - len(self._early)
            # Where none can be started now, that is tried again, and told, when there is something to run.
            with suppress(WorkerError), HeldSignals():
                for _ in range(0 if self._closed else wanted):
                    self._early.append(HostProcess(self._spawner, environment))

    def dismiss(self) -> None:
        """End the hosts of no session: what this process is when the next run begins, they were not started with."""
        with self._lock:
            while self._early:
                self._early.pop().close()

    def warm(self, settings: HostSettings) -> None:
        """Start a host in each free slot that has none for these settings, in no more slots than can be used.

        Raises:
            WorkerError: No process can be started.
        """
        environment = self._environment()
        for slot in self._slots[: settings.at_once]:
            with self._lock:
                if slot.busy or self._closed or _fits(slot.host, settings, environment):
                    continue
                slot.busy = True
            try:
                self._host_of(slot, settings, environment)
            finally:
                self._release(slot)

    def run_packet(
        self,
        settings: HostSettings,
        envelope: Envelope,
        report: Report,
        step_aside: Callable[[], object] | None = None,
    ) -> None:
        """Run a packet and return once each of its nodes has ended or is handed back.

        Args:
            settings: What its host must have been started with.
            envelope: The packet.
            report: Hears every event but the packet's end, in this thread.
            step_aside: Called in this thread, once, when a step first waits for Dask tasks of its own: whoever counts
                threads is to give this one's place to another packet.

        Raises:
            WorkerError: No process can be started.
        """
        environment = self._environment(envelope.cpus)
        slot = self._acquire(settings, environment)
        if slot is None:
            _return_all(envelope, report)
            return
        try:
            host = self._host_of(slot, settings, environment)
            find = self._find_compute
            compute = None if find is None else lambda: find(settings)
            lending = _Lending(self._lend, slot, report, step_aside)
            watch = PacketWatch(host, envelope, Path(settings.store), self.worker, lending.hear, compute)
            lives = False
            try:
                lives = self._watch(watch, envelope)
            finally:
                if not lives:
                    slot.host = None
                    host.close()
        finally:
            self._release(slot)

    def cancel(self, tokens: Iterable[str]) -> None:
        """Kill what runs these attempts, and hand back those that have not begun, also in packets still to come."""
        with self._lock:
            self._cancelled.update(tokens)
            for watch in self._watches:
                watch.cancel(frozenset(self._cancelled))

    def retire(self, settings: HostSettings) -> None:
        """End the idle hosts of a session that is over."""
        for slot in self._slots:
            with self._lock:
                if slot.busy or slot.host is None or slot.host.settings is None:
                    continue
                if slot.host.settings.store != settings.store:
                    continue
                host, slot.host = slot.host, None
            host.close()

    def close(self) -> None:
        """Kill every host. Packets that run end with their running node cancelled."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                for watch in self._watches:
                    watch.cancel_all()
                self._lock.notify_all()
                self._lock.wait_for(lambda: not any(slot.busy for slot in self._slots), timeout=5)
            finally:
                with HeldSignals():
                    self._close_hosts()
        self._spawner.close()
        atexit.unregister(self._close_at_end)

    def _close_hosts(self) -> None:
        for slot in self._slots:
            if slot.host is not None:
                slot.host.close()
                slot.host = None
        self.dismiss()

    def _close_at_end(self) -> None:
        """Kill every host when this process ends; they are not those of what it has forked."""
        if os.getpid() == self._owner:
            self.close()

    def _watch(self, watch: PacketWatch, envelope: Envelope) -> bool:
        with self._lock:
            self._watches.add(watch)
            known = self._cancelled.intersection(slip.token for slip in envelope.slips)
            if known:
                watch.cancel(frozenset(known))
            if self._closed:
                watch.cancel_all()
        try:
            return watch.run()
        finally:
            with self._lock:
                self._watches.discard(watch)
                self._cancelled.difference_update(slip.token for slip in envelope.slips)
            watch.close()

    def _environment(self, cpus: int = 1) -> dict[str, str]:
        """Return what a host that is started now is given: this process may change its variables between two runs."""
        return host_environment(self._most, self._imposed, cpus)

    def _acquire(self, settings: HostSettings, environment: Mapping[str, str]) -> _Slot | None:
        """Wait for a free slot: one whose host fits, else an empty one, else the longest unused; None once closed."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed or self._active() < self._most)
            if self._closed:
                return None
            if all(slot.busy for slot in self._slots):
                # The others wait for Dask tasks of theirs, each with its process.
                self._slots.append(_Slot())
            free = [slot for slot in self._slots if not slot.busy]
            slot = min(
                free, key=lambda slot: (not _fits(slot.host, settings, environment), slot.host is not None, slot.used)
            )
            slot.busy = True
            self._count += 1
            slot.used = self._count
            return slot

    def _active(self) -> int:
        return sum(slot.busy and not slot.waiting for slot in self._slots)

    def _lend(self, slot: _Slot, waiting: bool) -> None:
        with self._lock:
            slot.waiting = waiting
            self._lock.notify_all()

    def _release(self, slot: _Slot) -> None:
        surplus = None
        with self._lock:
            slot.busy = slot.waiting = False
            if len(self._slots) > self._most:
                self._slots.remove(slot)
                surplus = slot.host
            self._lock.notify_all()
        if surplus is not None:
            surplus.close()

    def _host_of(self, slot: _Slot, settings: HostSettings, environment: Mapping[str, str]) -> HostProcess:
        host = slot.host
        if host is not None and not _fits(host, settings, environment):
            slot.host = None
            host.close()
            if host.settings is not None and host.settings == settings:
                # So that runs of two pipelines in turn do not replace each other's hosts for ever.
                settings = replace(
                    settings,
                    proofs={**host.settings.proofs, **settings.proofs},
                    environments={**host.settings.environments, **settings.environments},
                )
        if slot.host is None:
            slot.host = self._start_host(settings, environment)
        return slot.host

    def _start_host(self, settings: HostSettings, environment: Mapping[str, str]) -> HostProcess:
        """Return a host of a session: one that was started early, else a new one."""
        host = self._take_early(settings, environment) or self._spawn(environment, settings.variables)
        host.join(settings, self.worker)
        return host

    def _spawn(self, environment: Mapping[str, str], variables: Sequence[tuple[str, str]]) -> HostProcess:
        """Start a host; where it cannot be, try again a few times, as a machine may be short of room for a moment."""
        for pause in _PAUSES:
            try:
                return HostProcess(self._spawner, environment, variables)
            except WorkerError:
                with self._lock:
                    if self._lock.wait_for(lambda: self._closed, pause):
                        raise
        return HostProcess(self._spawner, environment, variables)

    def _take_early(self, settings: HostSettings, environment: Mapping[str, str]) -> HostProcess | None:
        with self._lock:
            if not self._early:
                return None
            if settings.variables or self._early[-1].environment != environment or self._early[-1].is_dead():
                self.dismiss()
                return None
            return self._early.pop()


class _Lending(Struct):
    """Passes a packet's events on, and lends its slot while the step that runs waits for Dask tasks."""

    lend: Callable[[_Slot, bool], None]
    slot: _Slot
    report: Report
    step_aside: Callable[[], object] | None

    def hear(self, event: ExecutorEvent) -> None:
        if isinstance(event, NodeWaiting):
            self.lend(self.slot, event.waiting)
            if event.waiting and self.step_aside is not None:
                aside, self.step_aside = self.step_aside, None
                aside()
        self.report(event)


def _fits(host: HostProcess | None, settings: HostSettings, environment: Mapping[str, str]) -> bool:
    """Whether a host can take packets of a session, started with these variables."""
    if host is None or host.settings is None or host.settings != settings or host.is_dead():
        return False
    if not settings.proofs.items() <= host.settings.proofs.items():
        # What has run there may have changed what the other steps reach: only a new process can prove them.
        return False
    if not settings.environments.keys() <= host.settings.environments.keys():
        return False
    return host.environment == environment


def _return_all(envelope: Envelope, report: Report) -> None:
    for slip in envelope.slips:
        report(NodeReturned(envelope.packet, slip.node, slip.token, WITHDRAWN))
