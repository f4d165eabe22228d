"""Where packets may go: what workers have, what is out on them, what waits for room. Pure.

An ordinary packet needs one slot, and a second may wait behind it where both are brief: what waits behind a long
one cannot go to a worker that has become free meanwhile, nor to another driver, which waits for what is claimed
here. A node that asks for several processors or for resources travels alone and is sent only where all that it
needs is free. While it waits for processors, as many slots of one worker are kept free for it, so that ordinary
packets cannot pass it for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct, field

from flowkit.execution.base import Slots
from flowkit.records import StepOptions

PACKETS_PER_SLOT = 2
"""One that runs and one that waits behind it, so that a slot never idles for a round trip."""


class Demand(Struct, frozen=True):
    """What a packet takes from a worker while it is out."""

    cpus: int = 1
    resources: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, options: StepOptions) -> Demand:
        """Return what a node of a step with these options takes."""
        return cls(options.cpus, dict(options.resources))

    @property
    def ordinary(self) -> bool:
        """Whether any slot will do."""
        return self.cpus == 1 and not self.resources


class Placement:
    """The room on each worker, as packets are placed one after the other.

    Args:
        slots: What the workers have.
        out: What each packet that is out takes: its worker and its demand.
        lasting: Those of them that are not known to be brief.
    """

    def __init__(
        self, slots: Slots, out: Mapping[str, tuple[str, Demand]], lasting: Collection[str] = frozenset()
    ) -> None:
        self._slots = slots
        self._lasting = {out[packet][0] for packet in lasting if packet in out}
        self._out: dict[str, list[Demand]] = {worker: [] for worker in slots.workers}
        self._kept: dict[str, int] = {}
        for worker, demand in out.values():
            if worker in self._out:
                self._out[worker].append(demand)

    def fits_any(self, demand: Demand) -> bool:
        """Whether a worker could take this if it had nothing else to do."""
        return any(self._could_hold(worker, demand) for worker in self._out)

    def place(self, demand: Demand, *, brief: bool = True) -> str | None:
        """Take room for a packet and return the worker; None where it must wait."""
        if demand.ordinary or not self._slots.limited:
            found = [worker for worker in self._out if self.places_on(worker, brief=brief) > 0]
        else:
            found = [worker for worker in self._out if self._is_free(worker, demand)]
        if not found:
            self._keep_room(demand)
            return None
        worker = min(found, key=lambda name: len(self._out[name]) / self._slots.workers[name])
        self._out[worker].append(demand)
        if not brief:
            self._lasting.add(worker)
        return worker

    @property
    def places(self) -> int:
        """How many more ordinary packets can be placed."""
        return sum(max(0, self.places_on(worker)) for worker in self._out)

    def places_on(self, worker: str, *, brief: bool = True) -> int:
        """Return how many more ordinary packets, all of them brief or not, this worker can take."""
        demanding = [demand for demand in self._out[worker] if not demand.ordinary]
        ordinary = len(self._out[worker]) - len(demanding)
        if not self._slots.limited or (not demanding and worker not in self._kept):
            most = PACKETS_PER_SLOT if brief and worker not in self._lasting else 1
            return most * self._slots.workers[worker] - len(self._out[worker])
        taken = max(sum(demand.cpus for demand in demanding), self._kept.get(worker, 0))
        return self._slots.workers[worker] - taken - ordinary

    def _is_free(self, worker: str, demand: Demand) -> bool:
        busy = sum(other.cpus for other in self._out[worker])
        return self._slots.workers[worker] - busy >= demand.cpus and self._has_resources(worker, demand)

    def _has_resources(self, worker: str, demand: Demand) -> bool:
        there = self._slots.resources.get(worker, {})
        return all(
            there.get(name, 0) - sum(other.resources.get(name, 0) for other in self._out[worker]) >= amount
            for name, amount in demand.resources.items()
        )

    def _could_hold(self, worker: str, demand: Demand) -> bool:
        return fits(demand, self._slots.workers[worker], self._slots.resources.get(worker, {}))

    def _keep_room(self, demand: Demand) -> None:
        """Keep slots free on the least busy worker that lacks nothing but them."""
        found = [
            worker
            for worker in self._out
            if self._could_hold(worker, demand) and self._has_resources(worker, demand) and worker not in self._kept
        ]
        if found and not demand.ordinary:
            self._kept[min(found, key=lambda name: sum(other.cpus for other in self._out[name]))] = demand.cpus


def fits(demand: Demand, slots: int, resources: Mapping[str, float]) -> bool:
    """Whether a worker with so many slots and these resources could ever take this."""
    return demand.cpus <= slots and all(resources.get(name, 0) >= amount for name, amount in demand.resources.items())
