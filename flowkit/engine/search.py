"""Looks the nodes of a run up, wave by wave, so that workers begin before the last one was looked up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from flowkit.engine.claiming import Claiming
from flowkit.engine.commands import Command
from flowkit.engine.growth import Growth
from flowkit.engine.keys import KeyedNode, KeyMaker
from flowkit.engine.ledger import Ledger
from flowkit.engine.lists import is_gathered
from flowkit.engine.lookup import Lookup, Lookups
from flowkit.engine.recording import Ending, reused
from flowkit.engine.registry_nodes import RegistryNodes
from flowkit.engine.run_state import RunState
from flowkit.errors import CodecError, EncodingError, FlowkitError
from flowkit.graph.graph import Node
from flowkit.records import Failure, FailureKind, Outcome, Reason

FIRST_WAVE, WAVE = 64, 256
"""How many nodes are looked up before it is seen whether anything must run, and then between two looks at workers."""

_REASONS = {FailureKind.INPUT: Reason.INPUT, FailureKind.LOST: Reason.LOST}
"""Why a node would have run that could not even be launched; what else can be wrong with it is a parameter."""


class Search(Struct):
    """The nodes of one run that are to be looked up, and what was decided on those that run.

    Attributes:
        describe: Gives the failure that an error makes of a node.
        start_executor: Makes the executor start its workers; called once, when the first node must run.
    """

    state: RunState
    ledger: Ledger
    keys: KeyMaker
    lookups: Lookups
    claiming: Claiming
    registry: RegistryNodes
    growth: Growth
    describe: Callable[[FlowkitError, Node], Failure]
    start_executor: Callable[[], None]
    _unseen: deque[str] = field(default_factory=deque)
    _decided: dict[str, Lookup] = field(default_factory=dict)
    _started: bool = False

    @property
    def waits(self) -> bool:
        """Whether there are nodes that were not looked up yet."""
        return bool(self._unseen)

    def add(self, node: str) -> None:
        """Queue a node whose inputs are all known."""
        self._unseen.append(node)

    def give_up(self) -> None:
        """Look nothing up any more."""
        self._unseen.clear()

    def next_wave(self, seen: int) -> list[str]:
        """Return the nodes to look up now: all that there are, unless workers could be at work meanwhile.

        Args:
            seen: How many have been looked up since workers were last looked at.
        """
        most = FIRST_WAVE if not seen else len(self._unseen)
        if self._started:
            most = max(0, WAVE - seen)
        return [self._unseen.popleft() for _ in range(min(most, len(self._unseen)))]

    def look_up(self, names: Sequence[str]) -> list[Command]:
        """Compute the keys of nodes and look for results, in one query for all."""
        commands: list[Command] = []
        keyed: list[KeyedNode] = []
        for name in names:
            node = self.state.graph[name]
            if node.step is None:
                commands += self._look_up_registry(node)
                continue
            if is_gathered(node):
                commands += self.state.reused(name, self.growth.expand_gathered(node))
                continue
            try:
                keyed.append(self.keys.key(node, self.ledger.artifacts.get))
            except FlowkitError as error:
                commands += self._fail(node, error)
        self.ledger.flush_if_pending({node.key for node in keyed})
        moment = self.claiming.look_around() if keyed else None
        for lookup in self.lookups.find(keyed) if keyed else ():
            if lookup.entry is None:
                self.claiming.missed(lookup.keyed.name, moment)
            commands += self.take(lookup)
        return commands

    def look_again(self, nodes: Sequence[KeyedNode]) -> list[Lookup]:
        """Decide anew on nodes that were to run; return the lookups of those for which there is a result by now."""
        self.ledger.flush_if_pending({node.key for node in nodes})
        again = self.lookups.find(nodes) if nodes else []
        self._decided.update({lookup.keyed.name: lookup for lookup in again})
        return [lookup for lookup in again if lookup.entry is not None]

    def take(self, lookup: Lookup) -> list[Command]:
        """Do what was decided on a node: reuse it, or keep in mind why it runs."""
        name = lookup.keyed.name
        if lookup.entry is None:
            self._decided[name] = lookup
            if not self._started:
                self._started = True
                self.start_executor()
            return self.state.missed(name, lookup.keyed.key)
        self._decided.pop(name, None)
        node = self.state.graph[name]
        self.ledger.end(reused(lookup, node))
        return self.state.reused(name, self.growth.expand(node, lookup.entry.outputs))

    def of(self, node: Node) -> Lookup:
        """Return what was decided on a node; one that rode in a packet is explained now, by the same decision."""
        known = self._decided.get(node.name)
        if known is None:
            keyed = self.keys.key(node, self.ledger.artifacts.get)
            miss = self.lookups.explain([keyed], {})[keyed.name]
            known = self._decided[node.name] = Lookup(keyed, None, None, miss)
        return known

    def forget(self, node: str) -> None:
        """Drop what was decided on a node that has ended."""
        del self._decided[node]

    def _look_up_registry(self, node: Node) -> list[Command]:
        try:
            return self.registry.look_up(node)
        except FlowkitError as error:
            return self._fail(node, error)

    def _fail(self, node: Node, error: FlowkitError) -> list[Command]:
        """End a node that could not even be launched."""
        if isinstance(error, (EncodingError, CodecError)):
            error = error.with_facts(("called", str(node.location)))
        failure = self.describe(error, node)
        reason = _REASONS.get(failure.kind, Reason.PARAMETER)
        self.growth.lists.failed(node, failure)
        self.ledger.end(Ending(node, Outcome.FAILED, reason=reason, detail=failure.message, failure=failure))
        return self.state.unrunnable(node.name)
