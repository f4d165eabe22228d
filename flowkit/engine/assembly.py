"""Puts the parts of one run together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from flowkit import execution
from flowkit.engine.attempts import Attempts
from flowkit.engine.claiming import Claiming
from flowkit.engine.dispatcher import Dispatcher, LiveKeys
from flowkit.engine.growth import Growth
from flowkit.engine.keys import KeyMaker
from flowkit.engine.ledger import Ledger
from flowkit.engine.lookup import Lookups
from flowkit.engine.orders import OrderWriter
from flowkit.engine.progress import Listener
from flowkit.engine.proven import ProvenParameters
from flowkit.engine.registry_nodes import RegistryNodes
from flowkit.engine.run_state import RunState
from flowkit.engine.runner import Runner
from flowkit.engine.search import Search
from flowkit.errors import FlowkitError
from flowkit.execution.base import Executor
from flowkit.graph.graph import Graph, Node
from flowkit.records import Digest, Failure, NodeRecord, StepOptions
from flowkit.store.folder import StoreFolder

if TYPE_CHECKING:
    from flowkit.engine.promotions import Promotions


class Parts(Struct, frozen=True):
    """What one run is made of.

    Attributes:
        root: The project's root, from which places in code are told.
        folder: The store's.
        promotions: Gives the registry as this run sees it; asked for where a node needs it.
        start_executor: Makes the executor start its workers; called once, when the first node must run.
        live_keys: Gives, for the names of steps, the keys under which a result could be reused.
        forced: Nodes that never ride unasked.
        proven: Knows which parameters need no further proof; by default by the graph's own edges.
        interrupted: Whether the user asked the run to stop.
        remove_checkpoints: Removes what a node kept that has succeeded, by its key.
        refusals: Gives the successes that could not be recorded since the last call, as the failures they became.
    """

    root: Path
    folder: StoreFolder
    ledger: Ledger
    keys: KeyMaker
    lookups: Lookups
    claiming: Claiming
    executor: Executor
    promotions: Callable[[], Promotions]
    listener: Listener
    start_executor: Callable[[], None]
    live_keys: LiveKeys
    forced: frozenset[str]
    proven: ProvenParameters | None = None
    interrupted: Callable[[], bool] = lambda: False
    remove_checkpoints: Callable[[Digest], None] = lambda key: None
    refusals: Callable[[], Iterable[NodeRecord]] = tuple


def assemble(graph: Graph, parts: Parts) -> Runner:
    """Return what drives a run of a graph."""
    ledger, keys, claiming, listener = parts.ledger, parts.keys, parts.claiming, parts.listener
    state = RunState(graph, lambda name: _options(state.graph, name), ledger.run)
    dispatcher = Dispatcher(
        graph,
        state,
        ledger,
        keys,
        OrderWriter(ledger.run, parts.folder),
        parts.executor,
        parts.live_keys,
        parts.forced,
        parts.proven,
    )
    growth = Growth(state, ledger, dispatcher, listener)

    def describe(error: FlowkitError, node: Node) -> Failure:
        return execution.describe_failure(error, execution.Circumstances(node.name, parts.root))

    registry = RegistryNodes(state, ledger, cache(parts.promotions), listener, describe)
    search = Search(state, ledger, keys, parts.lookups, claiming, registry, growth, describe, parts.start_executor)
    attempts = Attempts(
        state,
        ledger,
        search,
        growth,
        claiming,
        dispatcher.pace,
        listener,
        describe,
        parts.remove_checkpoints,
        parts.refusals,
    )
    return Runner(
        state,
        ledger,
        search,
        growth,
        attempts,
        dispatcher,
        claiming,
        parts.executor,
        registry,
        listener,
        parts.interrupted,
    )


def _options(graph: Graph, name: str) -> StepOptions:
    step = graph[name].step
    return step.options if step is not None else StepOptions()
