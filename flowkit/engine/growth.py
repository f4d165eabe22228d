"""The graph of a run as it grows: a list becomes known, and its elements take the places of what stood for them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from flowkit.engine.dispatcher import Dispatcher
from flowkit.engine.ledger import Ledger
from flowkit.engine.lists import Lists
from flowkit.engine.progress import Listener
from flowkit.engine.run_state import RunState
from flowkit.graph.expansion import Expansion
from flowkit.graph.graph import Node
from flowkit.records import Output


class Growth(Struct, frozen=True):
    """Takes the lists of one run apart; whoever works with its graph follows. The state machine is told by the caller.

    Attributes:
        lists: What is known of them.
    """

    state: RunState
    ledger: Ledger
    dispatcher: Dispatcher
    listener: Listener
    lists: Lists = field(default_factory=Lists)

    def expand(self, node: Node, outputs: Sequence[Output]) -> Expansion | None:
        """Return what becomes of the graph by what a node gave; None where that is nothing new."""
        return self._follow(self.lists.expand(self.state.graph, node, outputs)) if node.hidden else None

    def expand_gathered(self, node: Node) -> Expansion | None:
        """Return what becomes of the graph where a collected list is mapped again; None in a run that is cancelled."""
        return self._follow(self.lists.expand_gathered(self.state.graph, node, self.ledger.artifacts))

    def _follow(self, expansion: Expansion | None) -> Expansion | None:
        if expansion is None or self.state.cancelled:
            return None
        self.dispatcher.follow(expansion.graph)
        self.listener.run_grown(expansion.graph)
        return expansion
