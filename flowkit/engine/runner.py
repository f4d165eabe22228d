"""Performs a run: asks the state machine what to do, does it, and feeds back what happened.

Holds no rule of its own: what is reused is decided in `cache`, what follows from what in `run_state`, what travels
together in `packets`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.engine.champion_failure import mention_champion
from flowkit.engine.claiming import POLL as CLAIMS_POLL
from flowkit.engine.claiming import Claiming
from flowkit.engine.commands import Command, Launch, LookUp, Settle, Stop
from flowkit.engine.dispatcher import Dispatcher
from flowkit.engine.keys import KeyedNode, KeyMaker
from flowkit.engine.ledger import Ledger
from flowkit.engine.lists import Lists, is_gathered
from flowkit.engine.lookup import Lookup, Lookups
from flowkit.engine.presence import describe_damage
from flowkit.engine.progress import Listener
from flowkit.engine.recording import Ending, reused
from flowkit.engine.registry_nodes import RegistryNodes
from flowkit.engine.run_state import RunState, describe_phases
from flowkit.errors import CodecError, EncodingError, FlowkitError
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
from flowkit.execution.failure import Circumstances, describe_failure
from flowkit.graph.arguments import Ref
from flowkit.graph.expansion import Expansion
from flowkit.graph.graph import Graph, Node
from flowkit.records import Digest, Failure, FailureKind, NodeRecord, Outcome, Output, Reason, StepResult

_REASONS = {FailureKind.INPUT: Reason.INPUT, FailureKind.LOST: Reason.LOST}
"""Why a node would have run that could not even be launched; what else can be wrong with it is a parameter."""

MOST_REPEATS = 5
"""How often a node runs anew, at no charge, because a collector removed what it needs or gave."""

FIRST_WAVE, WAVE = 64, 256
"""How many nodes are looked up before it is seen whether anything must run, and then between two looks at workers."""

POLL = 0.2
"""Seconds after which a waiting driver looks at its clock and at whether it was interrupted."""


class Runner(Struct):
    """Drives one run of a graph to its end.

    Attributes:
        root: The project's root, from which places in code are told.
        start_executor: Makes the executor start its workers; called once, when the first node must run.
        interrupted: Whether the user asked the run to stop.
        remove_checkpoints: Removes what a node kept that has succeeded, by its key.
        refusals: Gives the successes that could not be recorded since the last call, as the failures they became.
    """

    graph: Graph
    state: RunState
    ledger: Ledger
    keys: KeyMaker
    lookups: Lookups
    dispatcher: Dispatcher
    claiming: Claiming
    executor: Executor
    registry: RegistryNodes
    listener: Listener
    start_executor: Callable[[], None]
    root: Path
    interrupted: Callable[[], bool] = lambda: False
    remove_checkpoints: Callable[[Digest], None] = lambda key: None
    refusals: Callable[[], Iterable[NodeRecord]] = tuple
    _lookups: dict[str, Lookup] = field(default_factory=dict)
    _unseen: deque[str] = field(default_factory=deque)
    _repeats: dict[str, int] = field(default_factory=dict)
    _started: bool = False
    _lists: Lists = field(default_factory=Lists)

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
            self._perform(self._take_refusals())

    def _is_over(self) -> bool:
        """Whether every node has settled, and what they gave is recorded."""
        if not self.state.finished:
            return False
        self.ledger.flush()
        self._perform(self._take_refusals())
        return self.state.finished

    def _take_refusals(self) -> list[Command]:
        """Have made again what a collector removed before it was recorded; a node only so often, then it has failed."""
        commands: list[Command] = []
        for record in self.refusals():
            name = record.node
            again = self.state.undone(name) if name in self.state.nodes and self._may_repeat(name) else []
            if again:
                self.ledger.warn(f"What {name!r} gave was removed before it could be recorded; it is made again.")
                commands += again
            else:
                self.ledger.refuse(record)
        return commands

    def _may_repeat(self, name: str) -> bool:
        """Count how often a node begins anew because something was removed; say whether it may once more."""
        self._repeats[name] = self._repeats.get(name, 0) + 1
        return self._repeats[name] <= MOST_REPEATS

    def _cancel(self) -> None:
        self.claiming.give_up()
        self._unseen.clear()
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
                    self._unseen.append(command.node)
                elif isinstance(command, Launch):
                    queue.extend(self._launch(command))
                elif isinstance(command, Settle):
                    self.ledger.end(self._settled(command))
                else:
                    self._stop(command)
            wave = self._next_wave(seen)
            if not wave:
                return
            seen += len(wave)
            queue.extend(self._look_up(wave))

    def _next_wave(self, seen: int) -> list[str]:
        """Return the nodes to look up now: all that there are, unless workers could be at work meanwhile."""
        most = FIRST_WAVE if not seen else len(self._unseen)
        if self._started:
            most = max(0, WAVE - seen)
        return [self._unseen.popleft() for _ in range(min(most, len(self._unseen)))]

    def _settled(self, command: Settle) -> Ending:
        node = self.graph[command.node]
        if command.outcome is not Outcome.FAILED:
            return Ending(node, command.outcome, detail=command.detail)
        failure = self._lists.failure_before(self.graph, node)
        return Ending(node, command.outcome, reason=Reason.INPUT, detail=failure.message, failure=failure)

    def _stop(self, command: Stop) -> None:
        self.executor.cancel(command.nodes)

    def _look_up(self, names: Sequence[str]) -> list[Command]:
        """Compute the keys of nodes and look for results, in one query for all."""
        commands: list[Command] = []
        keyed: list[KeyedNode] = []
        for name in names:
            node = self.graph[name]
            if node.step is None:
                commands += self._look_up_registry(node)
                continue
            if is_gathered(node):
                commands += self._expand_gathered(node)
                continue
            try:
                keyed.append(self.keys.key(node, self.ledger.artifacts.get))
            except FlowkitError as error:
                commands += self._fail_unlaunched(node, error)
        self.ledger.flush_if_pending({node.key for node in keyed})
        moment = self.claiming.look_around() if keyed else None
        for lookup in self.lookups.find(keyed) if keyed else ():
            if lookup.entry is None:
                self.claiming.missed(lookup.keyed.name, moment)
            commands += self._take_lookup(lookup)
        return commands

    def _take_lookup(self, lookup: Lookup) -> list[Command]:
        name = lookup.keyed.name
        if lookup.entry is None:
            self._lookups[name] = lookup
            if not self._started:
                self._started = True
                self.start_executor()
            return self.state.missed(name, lookup.keyed.key)
        self.ledger.end(reused(lookup, self.graph[name]))
        return self.state.reused(name, self._expand(self.graph[name], lookup.entry.outputs))

    def _admit(self, ready: Sequence[tuple[Launch, Lookup]]) -> bool:
        """Claim what is about to be sent; put aside what others compute, reuse what they have computed."""
        admission = self.claiming.admit(ready)
        for launch in admission.deferred:
            self.dispatcher.drop(launch.node)
            self.state.deferred(launch.node, launch.token)
        self.ledger.flush_if_pending({node.key for node in admission.doubtful})
        again = self.lookups.find(admission.doubtful) if admission.doubtful else []
        self._lookups.update({lookup.keyed.name: lookup for lookup in again})
        found = [lookup for lookup in again if lookup.entry is not None]
        for lookup in found:
            name = lookup.keyed.name
            self.claiming.release(name)
            self.dispatcher.drop(name)
            del self._lookups[name]
            self._perform(self._take_lookup(lookup))
        return not admission.deferred and not found

    def _fail_unlaunched(self, node: Node, error: FlowkitError) -> list[Command]:
        if isinstance(error, (EncodingError, CodecError)):
            error = error.with_facts(("called", str(node.location)))
        failure = self._describe(error, node)
        reason = _REASONS.get(failure.kind, Reason.PARAMETER)
        self._lists.failed(node, failure)
        self.ledger.end(Ending(node, Outcome.FAILED, reason=reason, detail=failure.message, failure=failure))
        return self.state.unrunnable(node.name)

    def _describe(self, error: FlowkitError, node: Node) -> Failure:
        return describe_failure(error, Circumstances(node.name, self.root))

    def _launch(self, command: Launch) -> list[Command]:
        node = self.graph[command.node]
        if node.step is not None:
            self.dispatcher.add(command, self._lookup_of(node))
            return []
        # Nothing may be promoted of which a collector removed something before it was recorded.
        self.ledger.flush()
        again = self._take_refusals()
        undone = [name for name in self.graph.producers[node.name] if self.state.outcome(name) is None]
        if undone:
            return [*again, *self.state.lost(node.name, command.token, undone)]
        return [*again, *self.registry.launch(node, command, self._describe)]

    def _look_up_registry(self, node: Node) -> list[Command]:
        try:
            return self.registry.look_up(node)
        except FlowkitError as error:
            return self._fail_unlaunched(node, error)

    # -- lists -----------------------------------------------------------------------------------------------------

    def _follow(self, expansion: Expansion | None) -> Expansion | None:
        """Go on with the graph that a list gave; a run that was cancelled has no use for it."""
        if expansion is None or self.state.cancelled:
            return None
        self.graph = expansion.graph
        self.dispatcher.follow(self.graph)
        self.listener.run_grown(self.graph)
        return expansion

    def _expand(self, node: Node, outputs: Sequence[Output]) -> Expansion | None:
        return self._follow(self._lists.expand(self.graph, node, outputs)) if node.hidden else None

    def _expand_gathered(self, node: Node) -> list[Command]:
        expansion = self._lists.expand_gathered(self.graph, node, self.ledger.artifacts)
        return self.state.reused(node.name, self._follow(expansion))

    def _take_list(self, result: StepResult) -> list[Command]:
        node = self.graph[result.node]
        error = self._lists.other_length(node, result.outputs)
        if error is not None:
            return self._take_failure(replace(result, failure=self._describe(error, node)))
        self.ledger.end(self._ending(result, Outcome.EXECUTED))
        return self.state.succeeded(node.name, result.token, self._expand(node, result.outputs))

    # -- events ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait for something to happen and take it in."""
        retry = self.state.next_retry
        wait = POLL if retry is None else min(POLL, max(0.0, retry - time.monotonic()))
        if self.state.finished:
            return
        if self._unseen:
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
            return self._take_result(event.result)
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

    def _take_result(self, result: StepResult) -> list[Command]:
        name = result.node
        if not self.state.is_current(name, result.token):
            return []
        if result.lost:
            self.lookups.doubt(result.lost)
            makers = self.ledger.makers_of(frozenset(result.lost), self.graph.producers[name])
            if self._may_repeat(name):
                # Where no node made it, it is a constant: computing the key anew puts it again.
                self.keys.unbind(name)
                facts = result.failure.facts if result.failure is not None else ()
                self.ledger.warn(describe_damage(f"An artifact that {name!r} needs", facts))
                self.claiming.release(name)
                return self.state.lost(name, result.token, makers)
        if result.outcome is Outcome.EXECUTED:
            return self._take_success(result)
        if result.outcome is Outcome.SKIPPED:
            return self._take_skip(result)
        return self._take_failure(result)

    def _take_success(self, result: StepResult) -> list[Command]:
        name = result.node
        if self.graph[name].hidden:
            return self._take_list(result)
        self.dispatcher.pace.note(self.graph[name].step_name, result.seconds)
        self.ledger.end(self._ending(result, Outcome.EXECUTED))
        if result.checkpoints:
            # Not before the result is durable: until then a killed driver's successor needs them.
            self.ledger.flush()
            self.remove_checkpoints(result.key)
        return self.state.succeeded(name, result.token)

    def _take_skip(self, result: StepResult) -> list[Command]:
        self.ledger.end(self._ending(result, Outcome.SKIPPED))
        return self.state.skipped(result.node, result.token)

    def _take_failure(self, result: StepResult) -> list[Command]:
        name, failure = result.node, result.failure
        if failure is not None:
            self._lists.failed(self.graph[name], failure)
        now = time.monotonic()
        retryable = failure is not None and failure.retryable
        commands = self.state.failed(name, result.token, retryable=retryable, now=now)
        outcome = self.state.outcome(name)
        if outcome is None and failure is not None:
            delay = max(0.0, self.state.nodes[name].retry_at - now)
            self.listener.node_retried(name, result.attempt, failure, delay)
        elif outcome is not None:
            self.ledger.end(self._ending(result, outcome))
        return commands

    def _ending(self, result: StepResult, outcome: Outcome) -> Ending:
        """Return the ending of a node that a worker reported on."""
        node = self.graph[result.node]
        lookup = self._lookup_of(node)
        del self._lookups[node.name]
        told = outcome in (Outcome.EXECUTED, Outcome.FAILED)
        charged = self.state.nodes[node.name].attempts
        return Ending(
            node,
            outcome,
            attempts=result.attempt if outcome in (Outcome.EXECUTED, Outcome.SKIPPED) else charged,
            reason=lookup.miss.reason if lookup.miss is not None and told else None,
            detail=lookup.miss.detail if lookup.miss is not None and told else result.skipped,
            keyed=lookup.keyed,
            found=lookup.found,
            result=result,
            failure=mention_champion(result.failure, node, self.graph, self._gone_from)
            if outcome is Outcome.FAILED
            else None,
            outputs=result.outputs if outcome is Outcome.EXECUTED else (),
        )

    def _gone_from(self, ref: Ref) -> Sequence[str]:
        """Return the project's code that an output names, and that is no longer there."""
        artifact = self.ledger.artifacts.get(ref)
        return self.lookups.gone_names([artifact]) if artifact is not None else ()

    def _lookup_of(self, node: Node) -> Lookup:
        """Return what was decided on a node; one that rode in a packet is explained now, by the same decision."""
        known = self._lookups.get(node.name)
        if known is None:
            keyed = self.keys.key(node, self.ledger.artifacts.get)
            miss = self.lookups.explain([keyed], {})[keyed.name]
            known = self._lookups[node.name] = Lookup(keyed, None, None, miss)
        return known
