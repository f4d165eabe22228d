"""Packets on workers: on this machine's step hosts, or as tasks of a Dask cluster that is there already.

Values never travel with packets: orders go out, small records come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

from flowkit.errors import FlowkitError
from flowkit.execution.base import ExecutorEvent, HostSettings, Packet, Slots
from flowkit.execution.cluster import Cluster
from flowkit.execution.envelope import close_envelope
from flowkit.execution.flights import Flights
from flowkit.execution.processors import usable_processors

THIS_MACHINE = "local"
"""What the one worker of a run without a cluster is called."""


class WorkerExecutor:
    """Runs packets on workers.

    Args:
        workers: How many steps may run at once on this machine; all its processors if None. Of no effect with a
            scheduler.
        scheduler: Address of a running Dask scheduler; None for this machine alone.
        resources: What this machine has for steps that ask for it, such as `{"gpu": 1}`. Of no effect with a scheduler.

    Attributes:
        capacity: What this machine has; None with a scheduler.
    """

    ships_code = True

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        resources: Mapping[str, float] | None = None,
    ) -> None:
        self._workers = workers or usable_processors()
        machine = Slots({THIS_MACHINE: self._workers}, {THIS_MACHINE: dict(resources or {})})
        self.capacity = machine if scheduler is None else None
        self._scheduler = scheduler
        self._flights = Flights()
        self._settings: HostSettings | None = None
        self._cluster: Cluster | None = None

    def expect(self, at_once: int | None) -> None:
        """Start step hosts of this machine beforehand; a cluster has its workers."""
        self._cluster = self._cluster or self._open_cluster()
        self._cluster.expect(at_once)

    def start(self, settings: HostSettings) -> None:
        """Start step hosts, or connect to the cluster in the background.

        Raises:
            WorkerError: The scheduler's address is refused, or no process can be started.
        """
        self._settings = settings
        self._cluster = self._cluster or self._open_cluster()
        self._cluster.start(settings)

    def slots(self) -> Slots:
        """Return the workers that have proven that they see the store and run this flowkit.

        Raises:
            WorkerError: There is none in time, or one has not proven it.
        """
        assert self._cluster is not None, "start() comes first"
        slots = self._cluster.slots()
        resources = self._cluster.resources() if self.capacity is None else self.capacity.resources
        return Slots(slots, resources)

    def submit(self, packet: Packet, worker: str) -> None:
        """Send a packet to a worker."""
        assert self._settings is not None, "start() comes first"
        assert self._cluster is not None, "start() comes first"
        envelope = close_envelope(packet)
        self._flights.expect(envelope, worker)
        try:
            self._cluster.submit(self._settings, envelope, worker)
        except (FlowkitError, OSError, RuntimeError, KeyError) as error:
            # A worker that was lost a moment ago: the packet comes back as from any lost worker.
            self._flights.land(packet.id, (), f"{type(error).__name__}: {error}")

    def cancel(self, nodes: Sequence[str]) -> None:
        """Kill what runs these nodes; those that have not begun are handed back."""
        self._cancel(self._flights.find(frozenset(nodes)))

    def events(self, timeout: float | None) -> list[ExecutorEvent]:
        """Return what happened, waiting up to `timeout` seconds for the first event, without end if None."""
        return self._flights.take(timeout)

    def close(self) -> None:
        """End this machine's step hosts, or those of this session on a cluster, which goes on."""
        left = self._flights.find(None)
        self._flights.forget()
        self._cancel(left)
        if self._cluster is not None:
            self._cluster.close()

    def _cancel(self, attempts: Mapping[str, Sequence[str]]) -> None:
        for worker, tokens in attempts.items():
            assert self._cluster is not None, "start() comes first"
            self._cluster.cancel(worker, tokens)

    def _open_cluster(self) -> Cluster:
        """Return where packets go; what that takes is imported now, as a run that reuses everything never asks."""
        if self._scheduler is None:
            this_machine = import_module("flowkit.execution.this_machine")
            cluster: Cluster = this_machine.ThisMachine(self._workers, THIS_MACHINE, self._flights)
        else:
            dask_external = import_module("flowkit.execution.dask_external")
            cluster = dask_external.ExternalCluster(self._scheduler, self._flights)
        return cluster
