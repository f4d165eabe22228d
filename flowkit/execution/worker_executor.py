"""Packets on workers: on this machine's step hosts, or as tasks of a Dask cluster that is there already.

Values never travel with packets: orders go out, small records come back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from flowkit import execution
from flowkit.errors import FlowkitError
from flowkit.execution.base import ExecutorEvent, HostSettings, Packet, Slots
from flowkit.execution.processors import usable_processors

if TYPE_CHECKING:
    from flowkit.execution.cluster import Cluster
    from flowkit.execution.flights import Flights

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
        self._settings: HostSettings | None = None
        self._opened: tuple[Cluster, Flights] | None = None

    def expect(self, at_once: int | None) -> None:
        """Start step hosts of this machine beforehand; a cluster has its workers."""
        cluster, _ = self._open()
        cluster.expect(at_once)

    def dismiss(self) -> None:
        """End the step hosts that were started beforehand and have got no session."""
        if self._opened is not None:
            cluster, _ = self._opened
            cluster.dismiss()

    def start(self, settings: HostSettings) -> None:
        """Start step hosts, or connect to the cluster in the background.

        Raises:
            WorkerError: The scheduler's address is refused, or no process can be started.
        """
        self._settings = settings
        cluster, _ = self._open()
        cluster.start(settings)

    def slots(self) -> Slots:
        """Return the workers that have proven that they see the store and run this flowkit.

        Raises:
            WorkerError: There is none in time, or one has not proven it.
        """
        assert self._opened is not None, "start() comes first"
        cluster, _ = self._opened
        slots = cluster.slots()
        resources = cluster.resources() if self.capacity is None else self.capacity.resources
        return Slots(slots, resources)

    def submit(self, packet: Packet, worker: str) -> None:
        """Send a packet to a worker."""
        assert self._settings is not None, "start() comes first"
        assert self._opened is not None, "start() comes first"
        cluster, flights = self._opened
        envelope = execution.close_envelope(packet)
        flights.expect(envelope, worker)
        try:
            cluster.submit(self._settings, envelope, worker)
        except (FlowkitError, OSError, RuntimeError, KeyError) as error:
            # A worker that was lost a moment ago: the packet comes back as from any lost worker.
            flights.land(packet.id, (), f"{type(error).__name__}: {error}")

    def cancel(self, nodes: Sequence[str]) -> None:
        """Kill what runs these nodes; those that have not begun are handed back."""
        if self._opened is not None:
            cluster, flights = self._opened
            _cancel(cluster, flights.find(frozenset(nodes)))

    def events(self, timeout: float | None) -> list[ExecutorEvent]:
        """Return what happened, waiting up to `timeout` seconds for the first event, without end if None."""
        if self._opened is None:
            return []
        _, flights = self._opened
        return flights.take(timeout)

    def close(self) -> None:
        """End this machine's step hosts, or those of this session on a cluster, which goes on."""
        if self._opened is None:
            return
        cluster, flights = self._opened
        left = flights.find(None)
        flights.forget()
        _cancel(cluster, left)
        cluster.close()

    def _open(self) -> tuple[Cluster, Flights]:
        """Return where packets go; what that takes is imported now, as a run that reuses everything never asks."""
        if self._opened is None:
            flights = execution.Flights()
            self._opened = self._open_cluster(flights), flights
        return self._opened

    def _open_cluster(self, flights: Flights) -> Cluster:
        if self._scheduler is None:
            this_machine = import_module("flowkit.execution.this_machine")
            cluster: Cluster = this_machine.ThisMachine(self._workers, THIS_MACHINE, flights)
        else:
            dask_external = import_module("flowkit.execution.dask_external")
            cluster = dask_external.ExternalCluster(self._scheduler, flights)
        return cluster


def _cancel(cluster: Cluster, attempts: Mapping[str, Sequence[str]]) -> None:
    for worker, tokens in attempts.items():
        cluster.cancel(worker, tokens)
