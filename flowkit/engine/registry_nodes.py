"""The nodes of a run that are the registry's: a champion that is looked up, a promotion decided in the driver."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from flowkit.engine.commands import Command, Launch
from flowkit.engine.ledger import Ledger
from flowkit.engine.progress import Listener
from flowkit.engine.recording import Ending
from flowkit.engine.run_state import RunState
from flowkit.errors import FlowkitError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Node, NodeKind
from flowkit.records import Failure, Outcome, Output, Reason

if TYPE_CHECKING:
    from flowkit.engine.promotions import Decided, Promotions


class RegistryNodes(Struct, frozen=True):
    """Performs what the state machine asks of `champion` and `promote` nodes.

    Attributes:
        promotions: Gives the registry as this run sees it, the same one each time.
        describe: Gives the failure that an error makes of a node.
    """

    state: RunState
    ledger: Ledger
    promotions: Callable[[], Promotions]
    listener: Listener
    describe: Callable[[FlowkitError, Node], Failure]

    def look_up(self, node: Node) -> list[Command]:
        """Reuse the model that an alias points to; what there is none of, and a promotion, is launched.

        Raises:
            FlowkitError: There is one, and its content is gone.
        """
        champion = self.promotions().find_champion(node) if node.kind is NodeKind.CHAMPION else None
        if champion is None:
            return self.state.missed(node.name, None)
        ending = Ending(
            node,
            Outcome.REUSED,
            detail=champion.detail,
            outputs=(champion.output,),
            entry_id=champion.entry,
            from_run=champion.run,
        )
        self.ledger.end(ending)
        return self.state.reused(node.name)

    def launch(self, node: Node, command: Launch) -> list[Command]:
        """Decide a promotion, of which all that it needs is recorded; skip a champion that there is none of yet."""
        if node.kind is NodeKind.CHAMPION:
            detail = self.promotions().describe_absence(node)
            self.ledger.end(Ending(node, Outcome.SKIPPED, detail=detail))
            return self.state.skipped(node.name, command.token)
        self.listener.node_started(node.name, command.attempt, "driver")
        metrics = {
            name: self.ledger.metrics.get(ref.node)
            for name, ref in node.arguments.items()
            if name != "model" and isinstance(ref, Ref)
        }
        try:
            decided = self.promotions().decide(node, self.ledger.run, self.ledger.artifacts, metrics)
        except FlowkitError as error:
            failure = self.describe(error, node)
            self.ledger.end(Ending(node, Outcome.FAILED, attempts=1, reason=Reason.UNCACHED, failure=failure))
            return self.state.failed(node.name, command.token, retryable=False, now=time.monotonic())
        return self._take(node, command, decided)

    def _take(self, node: Node, command: Launch, decided: Decided) -> list[Command]:
        self.ledger.promotions.append(decided.report)
        outputs: tuple[Output, ...] = (decided.output,)
        if not decided.changed:
            earlier = decided.report.from_run
            self.ledger.end(Ending(node, Outcome.REUSED, detail=decided.detail, outputs=outputs, from_run=earlier))
            return self.state.reused(node.name)
        ending = Ending(
            node, Outcome.EXECUTED, attempts=1, reason=Reason.UNCACHED, detail=decided.detail, outputs=outputs
        )
        self.ledger.end(ending)
        return self.state.succeeded(node.name, command.token)
