"""The run state machine: events in, commands out. Pure: no I/O, no clock, no randomness of its own.

It decides when a node's inputs are all known, what follows from each end of a node, when an attempt is repeated, and
when the run is over; how a node ends that never runs is decided in `endings`, which of several with one key runs in
`leaders`. `engine.runner` performs the commands and feeds back what happened.

At all times: a node is settled at most once unless its output was lost, a node is launched only after all that it needs
has settled, and an event that bears an outdated token changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field

from flowkit.engine.commands import Command, Launch, LookUp, Stop
from flowkit.engine.endings import ending_from_cancel, ending_from_inputs
from flowkit.engine.leaders import Leaders
from flowkit.engine.node_state import NodeState, Phase
from flowkit.graph.expansion import Expansion
from flowkit.graph.graph import Graph
from flowkit.records import Digest, Outcome, RunStatus, StepOptions


class RunState(Struct):
    """The state of a run of `graph`.

    Attributes:
        graph: Grows when a list is known: elements take the places of the nodes that stood for them.
        options: Gives a node's step options, of which the retry policy counts here.
        run: The run's id, which makes tokens unique on workers that serve several runs.
    """

    graph: Graph
    options: Callable[[str], StepOptions]
    run: str = ""
    nodes: dict[str, NodeState] = field(default_factory=dict)
    cancelled: bool = False
    _leaders: Leaders = field(default_factory=Leaders)
    _retrying: set[str] = field(default_factory=set)
    _unsettled: int = 0

    def __post_init__(self) -> None:
        producers = self.graph.producers
        self.nodes = {name: NodeState(Phase.WAITING, set(producers[name])) for name in self.graph.nodes}
        self._unsettled = len(self.nodes)

    # -- questions -----------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether every node has settled."""
        return self._unsettled == 0

    @property
    def status(self) -> RunStatus:
        """The status of a finished run."""
        outcomes = {state.outcome for state in self.nodes.values()}
        if self.cancelled and Outcome.CANCELLED in outcomes:
            return RunStatus.CANCELLED
        return RunStatus.FAILED if Outcome.FAILED in outcomes else RunStatus.SUCCEEDED

    @property
    def next_retry(self) -> float | None:
        """When the next waiting attempt is due, in the clock's seconds; None where there is none."""
        return min((self.nodes[name].retry_at for name in self._retrying), default=None)

    def outcome(self, node: str) -> Outcome | None:
        """Return how a node ended, or None."""
        return self.nodes[node].outcome

    def is_current(self, node: str, token: str) -> bool:
        """Whether a report that bears `token` is about the attempt that counts."""
        state = self.nodes[node]
        return state.token == token and state.phase in (Phase.RUNNING, Phase.RIDING)

    def can_ride(self, node: str, packet: frozenset[str] | set[str]) -> bool:
        """Whether all that a waiting node needs has succeeded or is earlier in `packet`."""
        state = self.nodes[node]
        return (
            state.phase is Phase.WAITING
            and not self.cancelled
            and all(self.nodes[producer].phase is not Phase.SETTLED for producer in state.awaiting)
            and state.awaiting <= packet
            and all(self._succeeded(producer) for producer in self.graph.producers[node] if producer not in packet)
        )

    def _succeeded(self, node: str) -> bool:
        return self.nodes[node].outcome in (Outcome.EXECUTED, Outcome.REUSED)

    # -- events --------------------------------------------------------------------------------------------------

    def begin(self) -> list[Command]:
        """Return the commands for every node that needs nothing."""
        return self._advance(name for name, state in self.nodes.items() if not state.awaiting)

    def reused(self, node: str, expansion: Expansion | None = None) -> list[Command]:
        """Take note that the lookup of a node found a result, or that a promotion found nothing to change.

        Args:
            node: The node.
            expansion: What becomes of the graph, where the node takes a list apart that was not known before.
        """
        if self.nodes[node].phase not in (Phase.LOOKING, Phase.RUNNING):
            return []
        return self._settle(node, Outcome.REUSED, expansion)

    def missed(self, node: str, key: Digest | None) -> list[Command]:
        """Take note that the lookup found nothing; of several nodes with one key only the first runs.

        Args:
            node: The node that was looked up.
            key: Its cache key; None where there is none, as for what is never cached.
        """
        state = self.nodes[node]
        if state.phase is not Phase.LOOKING:
            return []
        if key is None:
            return [self._launch(node, state)]
        # An input that was made again may have other content: what followed it by the key of before does so no more.
        freed = self._release_followers(node) if self._leaders.leads_another(node, key) else []
        if self._leaders.lead(node, key):
            return [*freed, self._launch(node, state)]
        state.phase = Phase.WAITING
        return freed

    def enlisted(self, node: str) -> str:
        """Take note that a waiting node rides in a packet behind what it needs; return its token."""
        state = self.nodes[node]
        state.phase = Phase.RIDING
        state.token = self._next_token(node, state)
        return state.token

    def succeeded(self, node: str, token: str, expansion: Expansion | None = None) -> list[Command]:
        """Take note of a success; for `expansion` see `reused`."""
        if not self.is_current(node, token):
            return []
        self._charge(node)
        return self._settle(node, Outcome.EXECUTED, expansion)

    def skipped(self, node: str, token: str) -> list[Command]:
        """Take note that a step raised `Skip`, or that there is no champion."""
        if not self.is_current(node, token):
            return []
        self._charge(node)
        return self._settle(node, Outcome.SKIPPED)

    def failed(self, node: str, token: str, *, retryable: bool, now: float) -> list[Command]:
        """Take note of a failed attempt; another follows after the delay while there are retries left."""
        if not self.is_current(node, token):
            return []
        state = self.nodes[node]
        self._charge(node)
        if self.cancelled:
            return self._settle(node, Outcome.CANCELLED)
        options = self.options(node)
        if retryable and state.attempts <= options.retries:
            state.phase = Phase.RETRYING
            self._retrying.add(node)
            state.retry_at = now + options.retry_delay * options.backoff ** (state.attempts - 1)
            return []
        return self._settle(node, Outcome.FAILED)

    def unrunnable(self, node: str) -> list[Command]:
        """Take note that a node failed before it could be launched: its key could not be computed."""
        if self.nodes[node].phase is not Phase.LOOKING:
            return []
        return self._settle(node, Outcome.FAILED)

    def returned(self, node: str, token: str) -> list[Command]:
        """Take note that a node was handed back unstarted, at no charge."""
        if not self.is_current(node, token):
            return []
        if self.cancelled:
            return self._settle(node, Outcome.CANCELLED)
        state = self.nodes[node]
        state.phase = Phase.WAITING
        return [] if state.awaiting else self._advance([node])

    def deferred(self, node: str, token: str) -> None:
        """Take note that another driver computes what a launched node would, so that it is not sent now."""
        if self.is_current(node, token):
            state = self.nodes[node]
            state.phase, state.token = Phase.DEFERRED, ""

    def freed(self, node: str) -> list[Command]:
        """Take note that the other driver computes it no longer, whatever came of it: the node is looked up again."""
        state = self.nodes[node]
        if state.phase is not Phase.DEFERRED:
            return []
        state.phase = Phase.LOOKING
        return [LookUp(node)]

    def lost(self, node: str, token: str, producers: Iterable[str]) -> list[Command]:
        """Take note that inputs of a running node are gone: their makers, and then the node, run again at no charge."""
        if not self.is_current(node, token):
            return []
        state = self.nodes[node]
        state.phase = Phase.WAITING
        commands: list[Command] = []
        for producer in producers:
            maker = self.nodes[producer]
            state.awaiting.add(producer)
            if maker.phase is Phase.SETTLED:
                maker.phase, maker.outcome = Phase.LOOKING, None
                self._unsettled += 1
                commands.append(LookUp(producer))
        return commands if state.awaiting else self._advance([node])

    def undone(self, node: str) -> list[Command]:
        """Take note that what a node gave was gone before it was recorded: it is looked up anew, at no charge."""
        state = self.nodes[node]
        if state.phase is not Phase.SETTLED or not self._succeeded(node) or self.cancelled:
            return []
        if state.outcome is Outcome.EXECUTED:
            state.attempts -= 1
        state.phase, state.outcome = Phase.LOOKING, None
        self._unsettled += 1
        for consumer in self.graph.consumers[node]:
            if self.nodes[consumer].phase is Phase.WAITING:
                self.nodes[consumer].awaiting.add(node)
        return [LookUp(node)]

    def clock(self, now: float) -> list[Command]:
        """Launch every attempt that is due."""
        due = [name for name in self._retrying if self.nodes[name].retry_at <= now]
        self._retrying.difference_update(due)
        return [self._launch(name, self.nodes[name]) for name in sorted(due)]

    def cancel(self) -> list[Command]:
        """Cancel the run: nothing more is launched, what runs is stopped."""
        self.cancelled = True
        self._retrying.clear()
        commands: list[Command] = []
        running = []
        for name, state in self.nodes.items():
            if state.phase in (Phase.RUNNING, Phase.RIDING):
                running.append(name)
            elif state.phase is not Phase.SETTLED:
                self._mark(name, Outcome.CANCELLED)
                commands.append(ending_from_cancel(name))
        return [*commands, Stop(tuple(running))] if running else commands

    def abandon(self) -> None:
        """End the run where it stands: whatever has not settled is cancelled, and nothing more is heard of it."""
        self.cancelled = True
        self._retrying.clear()
        for name, state in self.nodes.items():
            if state.phase is not Phase.SETTLED:
                self._mark(name, Outcome.CANCELLED)

    # -- what follows --------------------------------------------------------------------------------------------

    def _launch(self, node: str, state: NodeState) -> Launch:
        state.phase = Phase.RUNNING
        state.token = self._next_token(node, state)
        return Launch(node, state.attempts + 1, state.token)

    def _next_token(self, node: str, state: NodeState) -> str:
        state.launches += 1
        return f"{self.run}/{node}:{state.launches}"

    def _charge(self, node: str) -> None:
        self.nodes[node].attempts += 1

    def _mark(self, node: str, outcome: Outcome) -> None:
        state = self.nodes[node]
        state.phase, state.outcome, state.token = Phase.SETTLED, outcome, ""
        self._unsettled -= 1

    def _settle(self, node: str, outcome: Outcome, expansion: Expansion | None = None) -> list[Command]:
        self._mark(node, outcome)
        # In a cancelled run the templates have settled already, and nothing may come in their places.
        ready = self._notify(node) if expansion is None or self.cancelled else self._grow(expansion)
        return [*self._release_followers(node), *self._advance(ready)]

    def _grow(self, expansion: Expansion) -> list[str]:
        """Put elements in the places of their templates; return what is ready, of them and of what gathers them."""
        self.graph = expansion.graph
        for template, elements in expansion.elements.items():
            del self.nodes[template]
            self._unsettled += len(elements) - 1
            for name in elements:
                self.nodes[name] = NodeState(Phase.WAITING, self._open_producers(name))
        for name in expansion.rewired:
            self.nodes[name].awaiting = self._open_producers(name)
        return [name for name in expansion.changed if not self.nodes[name].awaiting]

    def _open_producers(self, node: str) -> set[str]:
        return {name for name in self.graph.producers[node] if self.nodes[name].phase is not Phase.SETTLED}

    def _notify(self, node: str) -> list[str]:
        ready = []
        for consumer in self.graph.consumers[node]:
            state = self.nodes[consumer]
            state.awaiting.discard(node)
            if not state.awaiting and state.phase is Phase.WAITING and state.outcome is None:
                ready.append(consumer)
        return ready

    def _release_followers(self, node: str) -> list[Command]:
        """Let nodes that waited for one with the same key look again."""
        commands: list[Command] = []
        for follower in self._leaders.release(node):
            if self.nodes[follower].phase is Phase.WAITING:
                self.nodes[follower].phase = Phase.LOOKING
                commands.append(LookUp(follower))
        return commands

    def _advance(self, names: Iterable[str]) -> list[Command]:
        """Decide on nodes whose producers have all settled, and on what follows from that, without recursion."""
        commands: list[Command] = []
        queue = deque(names)
        while queue:
            name = queue.popleft()
            ending = ending_from_cancel(name) if self.cancelled else ending_from_inputs(self.graph, self.nodes, name)
            if ending is None:
                self.nodes[name].phase = Phase.LOOKING
                commands.append(LookUp(name))
                continue
            self._mark(name, ending.outcome)
            commands.append(ending)
            queue.extend(self._notify(name))
        return commands


def describe_phases(state: RunState) -> Mapping[str, str]:
    """Return each unsettled node's phase, for the message of a run that cannot go on."""
    return {name: node.phase.name.lower() for name, node in state.nodes.items() if node.phase is not Phase.SETTLED}
