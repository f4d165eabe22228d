"""Sends launched nodes to workers in packets, and remembers what is out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

from flowkit.engine.commands import Launch
from flowkit.engine.keys import KeyMaker
from flowkit.engine.ledger import Ledger
from flowkit.engine.lookup import Lookup
from flowkit.engine.orders import OrderWriter
from flowkit.engine.packets import BUDGET, LARGEST, PATIENCE, Pace, is_brief, is_rider, plan_packets
from flowkit.engine.placement import Demand, Placement
from flowkit.engine.proven import ProvenParameters
from flowkit.engine.run_state import RunState
from flowkit.errors import WorkerError
from flowkit.execution.base import Executor, NodeOrder, Packet, Slots
from flowkit.graph.graph import Graph
from flowkit.records import Digest

NEED_SECONDS = 50.0
"""How long a cluster may take to get a worker with what a node needs; with the time to connect, less than a minute."""

Admit = Callable[[Sequence[tuple[Launch, Lookup]]], bool]
"""Claims nodes that are about to be sent; False where some of them are not to go, and so left the queue."""

LiveKeys = Callable[[Sequence[str]], Mapping[str, Collection[Digest]]]

_Load = tuple[Sequence[str], str, Demand]
"""Nodes that travel together, the worker, and what they take of it."""


class Dispatcher:
    """The queue of launched nodes and the packets that are out.

    Args:
        live_keys: Gives, for the names of steps, the keys under which a result could be reused.
        forced: Nodes that never ride unasked.
        proven: Knows which parameters need no further proof; by default by the graph's own edges.
    """

    def __init__(
        self,
        graph: Graph,
        state: RunState,
        ledger: Ledger,
        keys: KeyMaker,
        orders: OrderWriter,
        executor: Executor,
        live_keys: LiveKeys,
        forced: frozenset[str],
        proven: ProvenParameters | None = None,
    ) -> None:
        self.pace = Pace({})
        self._graph = graph
        self._state = state
        self._ledger = ledger
        self._keys = keys
        self._orders = orders
        self._executor = executor
        self._live_keys = live_keys
        self._forced = forced
        self._ready: dict[str, tuple[Launch, Lookup]] = {}
        self._ordinary: dict[str, None] = {}
        self._demanding: dict[str, Demand] = {}
        self._out: dict[str, tuple[str, Demand]] = {}
        self._unmet_since: float | None = None
        self._waiting: set[str] = set()
        self._lasting: set[str] = set()
        self._count = 0
        self._live: dict[str, Collection[Digest]] = {}
        self._proven = proven or ProvenParameters(graph)

    def follow(self, graph: Graph) -> None:
        """Go on with a graph that has grown."""
        self._graph = graph
        self._proven.follow(graph)

    @property
    def idle(self) -> bool:
        """Whether nothing is queued and nothing is out."""
        return not self._ready and not self._out

    def add(self, launch: Launch, lookup: Lookup) -> None:
        """Queue a launched node."""
        name = launch.node
        self._ready[name] = (launch, lookup)
        demand = self._demand_of(name)
        if demand.ordinary:
            self._ordinary[name] = None
        else:
            self._demanding[name] = demand

    def drop(self, node: str) -> None:
        """Take a node out of the queue: another driver computes it, or has done so."""
        self._take(node)

    def withdraw(self) -> list[Launch]:
        """Empty the queue and return what was in it."""
        launches = [launch for launch, _ in self._ready.values()]
        for queue in (self._ready, self._ordinary, self._demanding):
            queue.clear()
        return launches

    def ended(self, packet: str) -> None:
        """Take note that a packet's place is free again."""
        self._out.pop(packet, None)
        self._waiting.discard(packet)
        self._lasting.discard(packet)

    def waits(self, packet: str, *, waiting: bool) -> None:
        """Take note that a packet's node waits for tasks elsewhere, and so leaves its place to others, or goes on."""
        if waiting and packet in self._out:
            self._waiting.add(packet)
        else:
            self._waiting.discard(packet)

    def send(self, admit: Admit, is_alone: Callable[[], bool]) -> None:
        """Fill the free places on the workers.

        Args:
            admit: Asked of the queued nodes that there is room for; where it says no, what goes is chosen again.
            is_alone: Whether no other driver is on the store. What rides is not claimed before it begins, so beside
                others only nodes ride that are known to be short.

        Raises:
            WorkerError: No worker has had what a node needs for too long.
        """
        while self._ready:
            loads = self._choose(is_alone())
            chosen = [self._ready[name] for names, _, _ in loads for name in names if name in self._ready]
            if not chosen or admit(chosen):
                break
        else:
            return
        for names, worker, demand in loads:
            self._submit(names, worker, demand)

    def _choose(self, alone: bool) -> list[_Load]:
        """Return what there is room for, what asks for more than a slot before the rest; nothing is sent yet."""
        slots = self._executor.slots()
        placement = Placement(slots, self._taken(), self._lasting)
        loads = self._choose_demanding(placement, slots)
        places = placement.places
        packets = plan_packets(
            # No more fit, and to look at all of them each time would cost a wide run the square of its width.
            list(islice(self._ordinary, places * LARGEST)),
            places,
            graph=self._graph,
            state=self._state,
            pace=self.pace,
            may_ride=lambda name: is_rider(self._graph, name, self._forced) and (alone or self._is_short(name)),
        )
        for names in list(packets):
            worker = placement.place(Demand(), brief=is_brief(self._graph, names, self.pace))
            if worker is not None:
                loads.append((names, worker, Demand()))
        return loads

    def _taken(self) -> dict[str, tuple[str, Demand]]:
        """Return what is out on the workers; a node that waits for tasks elsewhere holds its resources, but no slot."""
        taken = dict(self._out)
        for packet in self._waiting:
            worker, demand = taken.pop(packet)
            if demand.resources:
                taken[packet] = (worker, Demand(0, demand.resources))
        return taken

    def _is_short(self, name: str) -> bool:
        mean = self.pace.of(self._graph[name].step_name)
        return mean is not None and mean <= BUDGET

    def _choose_demanding(self, placement: Placement, slots: Slots) -> list[_Load]:
        demands = self._demanding
        unmet = [name for name in demands if slots.workers and slots.limited and not placement.fits_any(demands[name])]
        self._wait_for_need(unmet, demands, slots)
        placed = [(name, placement.place(demands[name])) for name in demands]
        return [([name], worker, demands[name]) for name, worker in placed if worker is not None]

    def _wait_for_need(self, unmet: Sequence[str], demands: Mapping[str, Demand], slots: Slots) -> None:
        """Give the cluster time to get a worker that has what a node needs, but not for ever."""
        if not unmet:
            self._unmet_since = None
            return
        now = time.monotonic()
        self._unmet_since = now if self._unmet_since is None else self._unmet_since
        if now - self._unmet_since > NEED_SECONDS:
            demand = demands[unmet[0]]
            raise WorkerError.for_unmet_need(
                self._graph[unmet[0]].step_name, demand.cpus, demand.resources, len(slots.workers), NEED_SECONDS
            )

    def _demand_of(self, name: str) -> Demand:
        step = self._graph[name].step
        return Demand() if step is None else Demand.of(step.options)

    def _submit(self, names: Sequence[str], worker: str, demand: Demand) -> None:
        self._count += 1
        packet = f"{self._ledger.run}/{self._count}"
        members = set(names)
        orders = tuple(self._order(name, members) for name in names)
        self._out[packet] = (worker, demand)
        brief = is_brief(self._graph, names, self.pace)
        if demand.ordinary and not brief:
            self._lasting.add(packet)
        self._executor.submit(Packet(packet, orders, PATIENCE if brief else BUDGET), worker)

    def _order(self, name: str, members: Collection[str]) -> NodeOrder:
        node = self._graph[name]
        ready = self._take(name)
        if ready is not None:
            launch, lookup = ready
            key, parts = lookup.keyed.key, {part.parameter: part for part in lookup.keyed.current.parts.arguments}
            bound, attempt, token, live = lookup.keyed.bound, launch.attempt, launch.token, frozenset[Digest]()
        else:
            bound = self._keys.bind(node)
            key, parts, attempt, token = None, dict(bound.parts), 1, self._state.enlisted(name)
            live = frozenset(self._live_keys_of(bound.prepared.step.name))
        return self._orders.write(
            bound,
            attempt=attempt,
            token=token,
            artifacts=self._ledger.artifacts,
            outcomes={producer: self._state.outcome(producer) for producer in self._graph.producers[name]},
            parts=parts,
            key=key,
            live_keys=live,
            validated=self._proven.of(name),
        )

    def _take(self, name: str) -> tuple[Launch, Lookup] | None:
        self._ordinary.pop(name, None)
        self._demanding.pop(name, None)
        return self._ready.pop(name, None)

    def _live_keys_of(self, step: str) -> Collection[Digest]:
        if step not in self._live:
            self._live[step] = self._live_keys([step]).get(step, frozenset())
        return self._live[step]
