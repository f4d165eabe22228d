"""Says what a run would do now, by the same lookups that a run makes; it runs nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from flowkit.engine.keys import KeyedNode, KeyMaker
from flowkit.engine.lookup import Lookup, Lookups, describe_origin
from flowkit.engine.promotions import Promotions
from flowkit.engine.report import NodeReport
from flowkit.errors import FlowkitError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Graph, Node, NodeKind
from flowkit.records import Artifact, Forecast, Outcome, Output, Reason


@dataclass(slots=True)
class Planner:
    """Plans one graph.

    Attributes:
        warnings: What a plan has to say beside its nodes, such as of a remote that could not be asked.
        reports: What would become of each node.
        lookups: What was decided on each node whose inputs are known, by name: what `why` explains.
    """

    graph: Graph
    keys: KeyMaker
    finder: Lookups
    promotions: Promotions
    forced: Collection[str]
    warnings: list[str]
    reports: dict[str, NodeReport] = field(default_factory=dict)
    lookups: dict[str, Lookup] = field(default_factory=dict)
    _artifacts: dict[Ref, Artifact] = field(default_factory=dict)
    _absent: set[str] = field(default_factory=set)

    @property
    def nodes(self) -> tuple[NodeReport, ...]:
        """What would become of each node, in the graph's order."""
        return tuple(self.reports[node.name] for node in self.graph)

    def plan(self) -> None:
        """Decide on every node."""
        reports = self.reports
        for wave in self._waves():
            keyed: list[KeyedNode] = []
            for node in wave:
                found = self._forecast_without_key(node, reports)
                if found is not None:
                    reports[node.name] = found
                    continue
                try:
                    keyed.append(self.keys.key(node, self._artifacts.get))
                except FlowkitError as error:
                    reports[node.name] = _report(node, Forecast.RUN, Reason.INPUT, error.message)
            for lookup in self.finder.find(keyed):
                reports[lookup.keyed.name] = self._take(lookup)

    def _waves(self) -> Iterator[list[Node]]:
        """Yield nodes in groups, each after all that its nodes need."""
        depth: dict[str, int] = {}
        for node in self.graph:
            depth[node.name] = 1 + max((depth[name] for name in self.graph.producers[node.name]), default=-1)
        waves: list[list[Node]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for node in self.graph:
            waves[depth[node.name]].append(node)
        yield from waves

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

    def _forecast_without_key(self, node: Node, reports: dict[str, NodeReport]) -> NodeReport | None:
        """Return the forecast of a node that cannot be looked up: of the registry, or waiting for what is to run."""
        if node.kind is NodeKind.CHAMPION:
            return self._forecast_champion(node)
        waiting = [name for name in self.graph.producers[node.name] if reports[name].outcome is not Forecast.REUSE]
        if node.kind is NodeKind.PROMOTE:
            return self._forecast_promotion(node, [name for name in waiting if name not in self._absent])
        if not waiting:
            return None
        if node.name in self.forced:
            return _report(node, Forecast.RUN, Reason.FORCED, "it was asked for with --force")
        if node.step is not None and not node.step.options.cache:
            return _report(node, Forecast.RUN, Reason.UNCACHED, "it is declared with cache=False")
        if all(name in self._absent for name in waiting):
            self._absent.add(node.name)
            return _report(node, Forecast.UNKNOWN, None, f"{waiting[0]} would be skipped")
        return _report(node, Forecast.UNKNOWN, None, f"it depends on what {waiting[0]} will give")

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
            return _report(node, Forecast.REUSE, None, "the alias holds this model already")
        return _report(node, Forecast.RUN, Reason.UNCACHED, "a promotion is decided at every run")


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
