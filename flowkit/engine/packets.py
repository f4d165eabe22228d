"""Which nodes travel together: ready ones, and what their results will make ready. Pure.

A message to a worker costs up to milliseconds and a small step microseconds, so what is sent is a packet of nodes. What
turns out too long is handed back by the worker when the budget is spent, so a packet that is too large costs little.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from msgspec import Struct

from flowkit.engine.run_state import RunState
from flowkit.graph.graph import Graph, NodeKind, is_among
from flowkit.records import StepOptions

BUDGET = 0.05
"""Seconds of work that a packet should hold, and that a packet of unknown steps may take."""

PATIENCE = 3 * BUDGET
"""Seconds that a packet of brief steps may take: on a busy machine some are slower, and sending them again is dear."""

LARGEST = 256
"""Nodes in a packet at the most: bounds what is handed back when a step host dies."""

BRIEF = 0.5
"""Seconds up to which a node may keep another one waiting behind it."""

OVERHEAD = 0.0002
"""Seconds that a step host takes for a node beside its step: key, report, encoding, hashing."""

UNKNOWN = 32
"""Nodes in a packet at the most while nothing is known of how long their steps take."""


class Pace(Struct):
    """How long each step took so far, as a moving mean in seconds."""

    means: dict[str, float]

    def note(self, step: str, seconds: float) -> None:
        """Take note of one more execution."""
        mean = self.means.get(step)
        self.means[step] = seconds if mean is None else 0.7 * mean + 0.3 * seconds

    def of(self, step: str) -> float | None:
        """Return the mean, or None where the step has not run yet."""
        return self.means.get(step)


def plan_packets(
    ready: Sequence[str],
    places: int,
    *,
    graph: Graph,
    state: RunState,
    pace: Pace,
    may_ride: Callable[[str], bool],
) -> Iterator[list[str]]:
    """Yield at most `places` packets of nodes, in order within each, from the front of `ready`.

    Args:
        ready: Nodes that were launched and not yet sent, in order.
        places: How many packets can be taken now.
        graph: The run's graph.
        state: Tells what may ride behind what.
        pace: How long steps take.
        may_ride: Whether a node may run unasked behind its inputs; see `is_rider`.
    """
    rest = deque(ready)
    for taken in range(places):
        if not rest:
            return
        share = -(-len(rest) // (places - taken))
        packet = [rest.popleft()]
        limit = packet_size(graph, packet[0], pace)
        while rest and len(packet) < min(limit, share) and limit > 1 and packet_size(graph, rest[0], pace) > 1:
            packet.append(rest.popleft())
        if limit > 1:
            _add_riders(packet, limit, graph, state, pace, may_ride)
        yield packet


def packet_size(graph: Graph, node: str, pace: Pace) -> int:
    """Return how many nodes like this one fit into a packet; 1 means that it travels alone."""
    step = graph[node].step
    if step is None or travels_alone(step.options):
        return 1
    mean = pace.of(step.name)
    if mean is None:
        return UNKNOWN
    return max(1, min(LARGEST, int(BUDGET / (mean + OVERHEAD))))


def is_brief(graph: Graph, nodes: Iterable[str], pace: Pace) -> bool:
    """Whether each of these nodes is known to be over soon."""
    steps = (graph[node].step for node in nodes)
    means = (pace.of(step.name) for step in steps if step is not None)
    return all(mean is not None and mean <= BRIEF for mean in means)


def travels_alone(options: StepOptions) -> bool:
    """Whether a step asks for resources, which are given to one node at a time."""
    return options.cpus > 1 or options.memory is not None or bool(options.resources)


def is_rider(graph: Graph, node: str, forced: Collection[str]) -> bool:
    """Whether a node may be run behind its inputs without the driver being asked first.

    Never across a `collect`, a list known only at run time, a promotion or a champion, and not where reuse depends on
    more than the key.
    """
    found = graph[node]
    if found.kind is not NodeKind.STEP or found.step is None or is_among(node, forced):
        return False
    if found.dimension is not None:
        return False
    options = found.step.options
    if options.max_age is not None or not options.cache or travels_alone(options):
        return False
    return not any(edge.gathered for edge in graph.edges_by_consumer[node])


def _add_riders(
    packet: list[str], limit: int, graph: Graph, state: RunState, pace: Pace, may_ride: Callable[[str], bool]
) -> None:
    # Behind a list that is taken apart nothing rides: how long it is, the driver must see first.
    members = {name for name in packet if not graph[name].hidden}
    queue = deque(name for name in packet if name in members)
    budget = BUDGET
    while queue and len(packet) < max(limit, UNKNOWN) and budget > 0:
        for consumer in graph.consumers[queue.popleft()]:
            if consumer in members or not may_ride(consumer) or not state.can_ride(consumer, members):
                continue
            step = graph[consumer].step
            budget -= (pace.of(step.name) if step is not None else None) or 0.0
            members.add(consumer)
            packet.append(consumer)
            queue.append(consumer)
            if len(packet) >= LARGEST or budget <= 0:
                return
