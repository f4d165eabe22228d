"""Performs `promote` and `champion` nodes with the registry."""

from __future__ import annotations

from collections.abc import Mapping
from types import EllipsisType

from msgspec import Struct

from flowkit.codecs.registry import CodecRegistry
from flowkit.engine.presence import verify_presence
from flowkit.engine.provenance import current_user
from flowkit.engine.report import PromotionReport
from flowkit.errors import LostArtifactError, PromotionError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Node
from flowkit.lineage.reader import Reader
from flowkit.lineage.writer import LineageWriter
from flowkit.records import RETURN, Artifact, Output, Promotion
from flowkit.registry.models import champion
from flowkit.registry.promote import Candidate, foresee_refusal, promote
from flowkit.store.base import Store

Metrics = tuple[tuple[str, float], ...]


class FoundChampion(Struct, frozen=True):
    """The model that an alias points to.

    Attributes:
        entry: The store's number of the execution that made it; None where that is not recorded.
        run: The run of that execution.
    """

    output: Output
    detail: str
    entry: int | None
    run: str | None


class Decided(Struct, frozen=True):
    """What a promotion came to.

    Attributes:
        output: The decision as an artifact, for nodes that take it.
        changed: Whether it was decided now; False where the alias held this model already.
    """

    report: PromotionReport
    output: Output
    changed: bool
    detail: str


class Promotions:
    """The registry as one run sees it.

    Args:
        dry_run: Whether gates are judged without moving anything.
    """

    def __init__(
        self, reader: Reader, writer: LineageWriter, store: Store, codecs: CodecRegistry, *, dry_run: bool
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._store = store
        self._codecs = codecs
        self._dry_run = dry_run
        self._seen: dict[tuple[str, str], int | None] = {}

    def find_champion(self, node: Node) -> FoundChampion | None:
        """Return the model that a `champion` node asks for, None where there is none yet.

        Raises:
            LostArtifactError: There is one, but its content is gone or damaged: nothing here can make it again.
        """
        model, alias = node.settings["model"], node.settings["alias"]
        found = champion(self._reader, model, alias)
        self._seen[model, alias] = found.version if found is not None else None
        if found is None:
            return None
        artifact = verify_presence(self._store, found.artifact, rescue=True)
        if artifact is None:
            raise LostArtifactError.for_champion(f"{model}:{found.version}", alias, found.artifact.digest)
        if artifact is not found.artifact:
            self._writer.restamp(artifact)
        detail = f"{model}:{found.version}, the {alias}"
        return FoundChampion(Output(RETURN, artifact), detail, found.entry, found.run)

    def describe_absence(self, node: Node) -> str:
        """Say that there is no champion yet."""
        return f"there is no {node.settings['model']}@{node.settings['alias']} yet"

    def holds(self, node: Node, artifact: Artifact) -> bool:
        """Whether the alias that a `promote` node moves points to this model already."""
        found = champion(self._reader, node.settings["model"], node.settings["alias"])
        return found is not None and found.artifact.digest == artifact.digest

    def foresee(self, node: Node, metrics: Metrics | None) -> str:
        """Say what a run would find of a `promote` node whose alias holds the model already.

        Args:
            node: The `promote` node.
            metrics: The model's, as they are today; None where they are not known before a run.
        """
        held = "the alias holds this model already"
        if metrics is None:
            return held
        try:
            refusal = foresee_refusal(node.settings["gates"], dict(metrics), node.settings["model"])
        except PromotionError as error:
            return f"{held}; its gates cannot be judged: {error.message}"
        return held if refusal is None else f"{held}; today's gates would refuse it: {refusal}"

    def decide(
        self,
        node: Node,
        run: str,
        artifacts: Mapping[Ref, Artifact],
        metrics: Mapping[str, Metrics | None],
    ) -> Decided:
        """Judge a candidate and move the alias if every gate lets it pass.

        Args:
            node: The `promote` node.
            run: The run that asks.
            artifacts: What the nodes before it made.
            metrics: By parameter; None for a baseline that was skipped.

        Raises:
            PromotionError: A metric is missing or not a number; nothing was written.
            StoreError: The decision could not be recorded.
        """
        model, alias = node.settings["model"], node.settings["alias"]
        baseline = metrics.get("baseline")
        seen: int | EllipsisType | None = self._seen.get((model, alias), ...) if "baseline" in metrics else ...
        candidate = Candidate(
            model=model,
            alias=alias,
            artifact=artifacts[node.arguments["model"]],
            metrics=dict(metrics["metrics"] or ()),
            gates=node.settings["gates"],
            baseline=dict(baseline) if baseline is not None else None,
            baseline_skipped="baseline" in metrics and baseline is None,
            seen=seen,
        )
        decision = promote(self._writer, candidate, run=run, node=node.name, who=current_user(), dry_run=self._dry_run)
        promotion = decision.promotion
        artifact = self._store.put(self._codecs.encode(decision.standing or promotion, Promotion))
        detail = _describe(promotion, decision.reused)
        earlier = decision.run if decision.reused else None
        return Decided(_report(node, promotion, earlier), Output(RETURN, artifact), not decision.reused, detail)


def _describe(promotion: Promotion, reused: bool) -> str:
    name = f"{promotion.model}:{promotion.version}"
    if reused:
        doubt = "" if promotion.accepted else "; today's gates would refuse it"
        return f"{promotion.alias} is {name} already{doubt}"
    if promotion.accepted:
        return f"{name} is {promotion.alias} now" if promotion.reason is None else f"{name}: {promotion.reason}"
    return f"{name} was refused: {promotion.reason}"


def _report(node: Node, promotion: Promotion, from_run: str | None) -> PromotionReport:
    return PromotionReport(
        node=node.name,
        model=promotion.model,
        version=promotion.version,
        alias=promotion.alias,
        accepted=promotion.accepted,
        reason=promotion.reason,
        gates=promotion.verdicts,
        from_run=from_run,
    )
