"""What becomes of a node by what its attempt came to: it ends, is tried again, or waits for what was lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from flowkit.engine.champion_failure import mention_champion
from flowkit.engine.claiming import Claiming
from flowkit.engine.commands import Command
from flowkit.engine.growth import Growth
from flowkit.engine.ledger import Ledger
from flowkit.engine.packets import Pace
from flowkit.engine.presence import describe_damage
from flowkit.engine.progress import Listener
from flowkit.engine.recording import Ending
from flowkit.engine.run_state import RunState
from flowkit.engine.search import Search
from flowkit.errors import FlowkitError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Node
from flowkit.records import Digest, Failure, NodeRecord, Outcome, StepResult

MOST_REPEATS = 5
"""How often a node runs anew, at no charge, because a collector removed what it needs or gave."""


class Attempts(Struct):
    """Takes in what workers report of the attempts of one run.

    Attributes:
        pace: Is told how long steps took.
        describe: Gives the failure that an error makes of a node.
        remove_checkpoints: Removes what a node kept that has succeeded, by its key.
        refusals: Gives the successes that could not be recorded since the last call, as the failures they became.
    """

    state: RunState
    ledger: Ledger
    search: Search
    growth: Growth
    claiming: Claiming
    pace: Pace
    listener: Listener
    describe: Callable[[FlowkitError, Node], Failure]
    remove_checkpoints: Callable[[Digest], None] = lambda key: None
    refusals: Callable[[], Iterable[NodeRecord]] = tuple
    _repeats: dict[str, int] = field(default_factory=dict)

    def take(self, result: StepResult) -> list[Command]:
        """Take in the end of an attempt; a late one, whose node has another attempt by now, changes nothing."""
        name = result.node
        if not self.state.is_current(name, result.token):
            return []
        if result.lost:
            self.search.lookups.doubt(result.lost)
            if self._may_repeat(name):
                return self._wait_for_lost(result)
        if result.outcome is Outcome.EXECUTED:
            return self._take_success(result)
        if result.outcome is Outcome.SKIPPED:
            self.ledger.end(self._ending(result, Outcome.SKIPPED))
            return self.state.skipped(name, result.token)
        return self._take_failure(result)

    def take_refusals(self) -> list[Command]:
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

    def _wait_for_lost(self, result: StepResult) -> list[Command]:
        """Have the inputs made again that are gone, and then the node run."""
        name = result.node
        makers = self.ledger.makers_of(frozenset(result.lost), self.state.graph.producers[name])
        # Where no node made it, it is a constant: computing the key anew puts it again.
        self.search.keys.unbind(name)
        facts = result.failure.facts if result.failure is not None else ()
        self.ledger.warn(describe_damage(f"An artifact that {name!r} needs", facts))
        self.claiming.release(name)
        return self.state.lost(name, result.token, makers)

    def _take_success(self, result: StepResult) -> list[Command]:
        name = result.node
        node = self.state.graph[name]
        if node.hidden:
            return self._take_list(result)
        self.pace.note(node.step_name, result.seconds)
        self.ledger.end(self._ending(result, Outcome.EXECUTED))
        if result.checkpoints:
            # Not before the result is durable: until then a killed driver's successor needs them.
            self.ledger.flush()
            self.remove_checkpoints(result.key)
        return self.state.succeeded(name, result.token)

    def _take_list(self, result: StepResult) -> list[Command]:
        node = self.state.graph[result.node]
        error = self.growth.lists.other_length(node, result.outputs)
        if error is not None:
            return self._take_failure(replace(result, failure=self.describe(error, node)))
        self.ledger.end(self._ending(result, Outcome.EXECUTED))
        return self.state.succeeded(node.name, result.token, self.growth.expand(node, result.outputs))

    def _take_failure(self, result: StepResult) -> list[Command]:
        name, failure = result.node, result.failure
        if failure is not None:
            self.growth.lists.failed(self.state.graph[name], failure)
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
        node = self.state.graph[result.node]
        lookup = self.search.of(node)
        self.search.forget(node.name)
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
            failure=self._failure(result, node) if outcome is Outcome.FAILED else None,
            outputs=result.outputs if outcome is Outcome.EXECUTED else (),
        )

    def _failure(self, result: StepResult, node: Node) -> Failure | None:
        return mention_champion(result.failure, node, self.state.graph, self._gone_from)

    def _gone_from(self, ref: Ref) -> Sequence[str]:
        """Return the project's code that an output names, and that is no longer there."""
        artifact = self.ledger.artifacts.get(ref)
        return self.search.lookups.gone_names([artifact]) if artifact is not None else ()
