"""Performs `promote` and `champion` nodes with the registry."""

from __future__ import annotations

from dataclasses import dataclass

from flowkit.engine.report import PromotionReport
from flowkit.graph.graph import Node
from flowkit.records import Output, Promotion

Metrics = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Champion:
    """The model that an alias points to."""

    output: Output
    detail: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What a promotion came to.

    Attributes:
        output: The decision as an artifact, for nodes that take it.
        changed: Whether anything was written; False where the alias held this model already.
    """

    report: PromotionReport
    output: Output
    changed: bool
    detail: str


def _report(node: Node, promotion: Promotion) -> PromotionReport:
    return PromotionReport(
        node=node.name,
        model=promotion.model,
        version=promotion.version,
        alias=promotion.alias,
        accepted=promotion.accepted,
        reason=promotion.reason,
        gates=promotion.verdicts,
    )
