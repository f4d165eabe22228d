"""Says what a run would do now, by the same lookups that a run makes; it runs nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct, field

from flowkit.engine.keys import KeyedNode, KeyMaker
from flowkit.engine.lists import is_gathered
from flowkit.engine.lookup import Finder, Lookup
from flowkit.engine.origins import describe_origin
from flowkit.engine.promotions import Promotions
from flowkit.engine.report import NodeReport
from flowkit.errors import FlowkitError
from flowkit.graph.arguments import Gather, Ref
from flowkit.graph.expansion import Expansion, expand
from flowkit.graph.graph import Graph, Node, NodeKind, is_among, list_of
from flowkit.records import Artifact, Forecast, Outcome, Output, Reason

_UNREAD = "it takes some columns of a table that is not in this store yet"


class Planner(Struct):
    """Plans one graph.

    Attributes:
        graph: Grows by the elements of lists that the store knows.
        warnings: What a plan has to say beside its nodes, such as of a remote that could not be asked.
        reports: What would become of each node.
        lookups: What was decided on each node whose inputs are known, by name: what `why` explains.
    """

    graph: Graph
    keys: KeyMaker
    finder: Finder
    promotions: Promotions
    forced: Collection[str]
    warnings: list[str]
    reports: dict[str, NodeReport] = field(default_factory=dict)
    lookups: dict[str, Lookup] = field(default_factory=dict)
    _artifacts: dict[Ref, Artifact] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)

    @property
    def nodes(self) -> tuple[NodeReport, ...]:
        """What would become of each node that people see, in the graph's order."""
        return tuple(self.reports[node.name] for node in self.graph.visible)

    def plan(self) -> None:
        """Decide on every node; where the store knows a list, on each of its elements."""
        missing = {name: len(producers) for name, producers in self.graph.producers.items()}
        wave = [name for name, count in missing.items() if count == 0]
        while wave:
            consumers = self.graph.consumers
            expansions = self._plan_wave([self.graph[name] for name in wave])
            for consumer in (consumer for name in wave for consumer in consumers[name]):
                missing[consumer] -= 1
            changed = [name for expansion in expansions for name in expansion.changed]
            for name in changed:
                missing[name] = sum(producer not in self.reports for producer in self.graph.producers[name])
            candidates = dict.fromkeys((*changed, *(consumer for name in wave for consumer in consumers[name])))
            wave = [name for name in candidates if name in self.graph and missing[name] == 0]

    def _plan_wave(self, wave: Sequence[Node]) -> list[Expansion]:
        """Decide on nodes whose producers are all decided on; return what became of the graph by lists among them."""
        keyed: list[KeyedNode] = []
        for node in wave:
            found = self._forecast_without_key(node)
            if found is not None:
                self.reports[node.name] = found
                continue
            try:
                known = self.keys.key(node, self._artifacts.get)
            except FlowkitError as error:
                self.reports[node.name] = _report(node, Forecast.RUN, Reason.INPUT, error.message)
                continue
            if self._lacks_tables(known):
                self.reports[node.name] = _report(node, Forecast.UNKNOWN, None, _UNREAD)
            else:
                keyed.append(known)
        for lookup in self.finder.find(keyed):
            self.reports[lookup.keyed.name] = self._take(lookup)
        return [self._expand(node) for node in wave if node.hidden and self._is_reused(node.name)]

    def _lacks_tables(self, node: KeyedNode) -> bool:
        """Whether a node takes some columns of a table that only the remote has: a plan fetches nothing."""
        unread = self.keys.views.unread
        return bool(unread) and any(artifact.digest in unread for _, artifact in node.inputs)

    def _is_reused(self, name: str) -> bool:
        return self.reports[name].outcome is Forecast.REUSE

    def _expand(self, node: Node) -> Expansion:
        source = list_of(node)
        if isinstance(source, Gather):
            refs = list(source.refs)
        else:
            refs = [Ref(node.name, output.name) for output in self.reports[node.name].outputs]
        expansion = expand(self.graph, node.name, refs)
        self.graph = expansion.graph
        return expansion

    def _take(self, lookup: Lookup) -> NodeReport:
        node = lookup.keyed.bound.node
        self.lookups[node.name] = lookup
        key = lookup.keyed.key
        if lookup.entry is None:
            miss = lookup.miss
            reason, detail = (miss.reason, miss.detail) if miss is not None else (None, None)
            return _report(node, Forecast.RUN, reason, detail, key)
        for output in lookup.entry.outputs:
            self._artifacts[Ref(node.name, output.name)] = output.artifact
        return _report(
            node, Forecast.REUSE, None, describe_origin(lookup.entry), key, lookup.entry.outputs, lookup.entry.run
        )

    def _forecast_without_key(self, node: Node) -> NodeReport | None:
        """Return the forecast of a node that cannot be looked up: of the registry, or waiting for what is to run."""
        if node.kind is NodeKind.CHAMPION:
            return self._forecast_champion(node)
        waiting = [name for name in self.graph.producers[node.name] if not self._is_reused(name)]
        if node.kind is NodeKind.PROMOTE:
            return self._forecast_promotion(node, [name for name in waiting if name not in self._absent])
        if not waiting:
            return _report(node, Forecast.REUSE, None, None) if is_gathered(node) else None
        if is_among(node.name, self.forced):
            return _report(node, Forecast.RUN, Reason.FORCED, "it was asked for with --force")
        if node.step is not None and not node.step.options.cache:
            return _report(node, Forecast.RUN, Reason.UNCACHED, "it is declared with cache=False")
        if all(name in self._absent for name in waiting):
            self._absent.add(node.name)
            return _report(node, Forecast.UNKNOWN, None, f"{self._maker_of(waiting[0])} would be skipped")
        return _report(node, Forecast.UNKNOWN, None, f"it depends on what {self._maker_of(waiting[0])} will give")

    def _maker_of(self, name: str) -> str:
        """Return a node by the name that people know: of what takes a list apart, what makes the list."""
        node = self.graph[name]
        if not node.hidden:
            return name
        producers = self.graph.producers[name]
        return self._maker_of(next((other for other in producers if not self._is_reused(other)), producers[0]))

    def _forecast_champion(self, node: Node) -> NodeReport:
        champion = self.promotions.find_champion(node)
        if champion is None:
            self._absent.add(node.name)
            return _report(node, Forecast.UNKNOWN, None, self.promotions.describe_absence(node))
        self._artifacts[Ref(node.name)] = champion.output.artifact
        return _report(node, Forecast.REUSE, None, champion.detail, None, (champion.output,), champion.run)

    def _forecast_promotion(self, node: Node, waiting: list[str]) -> NodeReport:
        if waiting:
            return _report(node, Forecast.UNKNOWN, None, f"it depends on what {waiting[0]} will give")
        model = node.arguments["model"]
        artifact = self._artifacts.get(model) if isinstance(model, Ref) else None
        if artifact is not None and self.promotions.holds(node, artifact):
            return _report(node, Forecast.REUSE, None, self.promotions.foresee(node, self._metrics_of(node)))
        return _report(node, Forecast.RUN, Reason.UNCACHED, "a promotion is decided at every run")

    def _metrics_of(self, node: Node) -> tuple[tuple[str, float], ...] | None:
        """Return the metrics that a `promote` node would judge; None where no earlier result gives them."""
        source = node.arguments["metrics"]
        found = self.lookups.get(source.node) if isinstance(source, Ref) else None
        return found.entry.metrics if found is not None and found.entry is not None else None


def _report(
    node: Node,
    outcome: Forecast | Outcome,
    reason: Reason | None,
    detail: str | None,
    key: str | None = None,
    outputs: tuple[Output, ...] = (),
    from_run: str | None = None,
) -> NodeReport:
    return NodeReport(
        node=node.name,
        step=node.step_name,
        index=node.map_index,
        outcome=outcome,
        reason=reason,
        detail=detail,
        cache_key=key,
        from_run=from_run,
        outputs=outputs,
    )
