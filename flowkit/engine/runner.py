"""Performs a run: asks the state machine what to do, does it, and feeds back what happened.

Holds no rule of its own: what is reused is decided in `cache`, what follows from what in `run_state`, what travels
together in `packets`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from flowkit.engine.attempts import Attempts
from flowkit.engine.claiming import POLL as CLAIMS_POLL
from flowkit.engine.claiming import Claiming
from flowkit.engine.commands import Command, Launch, LookUp, Settle, Stop
from flowkit.engine.dispatcher import Dispatcher
from flowkit.engine.growth import Growth
from flowkit.engine.ledger import Ledger
from flowkit.engine.lookup import Lookup
from flowkit.engine.progress import Listener
from flowkit.engine.recording import Ending
from flowkit.engine.registry_nodes import RegistryNodes
from flowkit.engine.run_state import RunState, describe_phases
from flowkit.engine.search import Search
from flowkit.execution.base import (
    Executor,
    ExecutorEvent,
    ExecutorFailed,
    ExecutorWarned,
    NodeEnded,
    NodeReturned,
    NodeStarted,
    NodeWaiting,
    PacketEnded,
)
from flowkit.graph.graph import Graph, Node
from flowkit.records import Outcome, Reason

MOST_BEHIND = 1000
"""How many records may wait for the disk, lest memory and held claims grow without end."""

_CATCH_UP_SECONDS = 0.002
"""How long a run that has to wait for it waits before it looks again."""

POLL = 0.2
"""Seconds after which a waiting driver looks at its clock and at whether it was interrupted."""


class Runner(Struct, frozen=True):
    """Drives one run of a graph, which is the state machine's, to its end.

    Attributes:
        interrupted: Whether the user asked the run to stop.
    """

    state: RunState
    ledger: Ledger
    search: Search
    growth: Growth
    attempts: Attempts
    dispatcher: Dispatcher
    claiming: Claiming
    executor: Executor
    registry: RegistryNodes
    listener: Listener
    interrupted: Callable[[], bool] = lambda: False

    @property
    def graph(self) -> Graph:
        """The graph as it is now."""
        return self.state.graph

    def run(self) -> None:
        """Run until every node has settled.

        Raises:
            FlowkitError: The store or the workers as a whole failed; what had ended is recorded.
        """
        self._perform(self.state.begin())
        while not self._is_over():
            if self.interrupted() and not self.state.cancelled:
                self._cancel()
                continue
            self.dispatcher.send(self._admit, lambda: self.claiming.alone)
            self._listen()
            self._perform(self.state.clock(time.monotonic()))
            for name in self.claiming.freed():
                self._perform(self.state.freed(name))
            self._perform(self.attempts.take_refusals())
            self._wait_for_disk()

    def _wait_for_disk(self) -> None:
        """Let what is recorded become durable, unless there is little of it, or a person wants the run to end."""
        while self.ledger.backlog > MOST_BEHIND and not self.interrupted():
            time.sleep(_CATCH_UP_SECONDS)

    def _is_over(self) -> bool:
        """Whether every node has settled, and what they gave is recorded."""
        if not self.state.finished:
            return False
        self.ledger.flush()
        self._perform(self.attempts.take_refusals())
        return self.state.finished

    def _cancel(self) -> None:
        self.claiming.give_up()
        self.search.give_up()
        self._perform(self.state.cancel())
        for launch in self.dispatcher.withdraw():
            self._perform(self.state.returned(launch.node, launch.token))
            self._settle_cancelled(launch.node)

    def abandon(self) -> None:
        """Record what has not ended as cancelled: the run is broken off, and its steps end with the workers."""
        self.claiming.give_up()
        self.state.abandon()
        for node in self.graph.visible:
            if node.name not in self.ledger.reports:
                self._end_cancelled(node)

    # -- commands --------------------------------------------------------------------------------------------------

    def _perform(self, commands: Iterable[Command]) -> None:
        """Perform commands, and those that follow at once, until only waiting or the next wave of lookups is left."""
        queue = deque(commands)
        seen = 0
        while True:
            while queue:
                command = queue.popleft()
                if isinstance(command, LookUp):
                    self.search.add(command.node)
                elif isinstance(command, Launch):
                    queue.extend(self._launch(command))
                elif isinstance(command, Settle):
                    self.ledger.end(self._settled(command))
                else:
                    self._stop(command)
            wave = self.search.next_wave(seen)
            if not wave:
                return
            seen += len(wave)
            queue.extend(self.search.look_up(wave))

    def _settled(self, command: Settle) -> Ending:
        node = self.graph[command.node]
        if command.outcome is not Outcome.FAILED:
            return Ending(node, command.outcome, detail=command.detail)
        failure = self.growth.lists.failure_before(self.graph, node)
        return Ending(node, command.outcome, reason=Reason.INPUT, detail=failure.message, failure=failure)

    def _stop(self, command: Stop) -> None:
        self.executor.cancel(command.nodes)

    def _admit(self, ready: Sequence[tuple[Launch, Lookup]]) -> bool:
        """Claim what is about to be sent; put aside what others compute, reuse what they have computed."""
        admission = self.claiming.admit(ready)
        for launch in admission.deferred:
            self.dispatcher.drop(launch.node)
            self.state.deferred(launch.node, launch.token)
        found = self.search.look_again(admission.doubtful)
        for lookup in found:
            name = lookup.keyed.name
            self.claiming.release(name)
            self.dispatcher.drop(name)
            self._perform(self.search.take(lookup))
        return not admission.deferred and not found

    def _launch(self, command: Launch) -> list[Command]:
        node = self.graph[command.node]
        if node.step is not None:
            self.dispatcher.add(command, self.search.of(node))
            return []
        # Nothing may be promoted of which a collector removed something before it was recorded.
        self.ledger.flush()
        again = self.attempts.take_refusals()
        undone = [name for name in self.graph.producers[node.name] if self.state.outcome(name) is None]
        if undone:
            return [*again, *self.state.lost(node.name, command.token, undone)]
        return [*again, *self.registry.launch(node, command)]

    # -- events ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait for something to happen and take it in."""
        retry = self.state.next_retry
        wait = POLL if retry is None else min(POLL, max(0.0, retry - time.monotonic()))
        if self.state.finished:
            return
        if self.search.waits:
            wait = 0.0
        elif self.dispatcher.idle and retry is None and not self.claiming.waits:
            raise RuntimeError(f"nothing is under way, yet nodes are open: {describe_phases(self.state)}")
        if self.claiming.waits:
            wait = min(wait, CLAIMS_POLL)
        if self.dispatcher.idle:
            # Some executors answer at once when they have nothing to do.
            time.sleep(wait)
            wait = 0.0
        # Together, so that what came back or became ready in one moment is looked up in one query.
        self._perform([command for event in self.executor.events(wait) for command in self._take_event(event)])

    def _take_event(self, event: ExecutorEvent) -> list[Command]:
        if isinstance(event, NodeStarted):
            if not self.state.is_current(event.node, event.token):
                return []
            self.claiming.started(event.node, event.key)
            if not self.graph[event.node].hidden:
                self.listener.node_started(event.node, event.attempt, event.worker)
            return []
        if isinstance(event, NodeEnded):
            return self.attempts.take(event.result)
        if isinstance(event, NodeReturned):
            if self.state.is_current(event.node, event.token):
                self.claiming.release(event.node)
            commands = self.state.returned(event.node, event.token)
            self._settle_cancelled(event.node)
            return commands
        if isinstance(event, NodeWaiting):
            self.dispatcher.waits(event.packet, waiting=event.waiting)
            return []
        if isinstance(event, PacketEnded):
            self.dispatcher.ended(event.packet)
            if event.error:
                self.ledger.warn(event.error)
            return []
        if isinstance(event, ExecutorWarned):
            self.ledger.warn(event.text)
            return []
        if isinstance(event, ExecutorFailed):
            raise event.error
        raise TypeError(f"no event of an executor: {event!r}")

    def _settle_cancelled(self, name: str) -> None:
        """Record a node that the state machine has cancelled because it came back unstarted."""
        if self.state.outcome(name) is Outcome.CANCELLED and name not in self.ledger.reports:
            self._end_cancelled(self.graph[name])

    def _end_cancelled(self, node: Node) -> None:
        self.ledger.end(Ending(node, Outcome.CANCELLED, detail="the run was cancelled"))
