"""Writes the orders that step hosts receive."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping

from flowkit import execution
from flowkit.authoring.step import Step
from flowkit.engine.keys import BoundNode, PreparedStep
from flowkit.execution.base import NodeOrder, StepOrder
from flowkit.graph.arguments import Ref, refs_of
from flowkit.records import ArgumentPart, Artifact, Digest, Outcome, StepSpecification
from flowkit.store.folder import StoreFolder


class OrderWriter:
    """Writes node orders for one run.

    Args:
        run: The run's id, under which logs are filed.
        folder: The store's folder.
    """

    def __init__(self, run: str, folder: StoreFolder) -> None:
        self._run = run
        self._folder = folder
        self._steps: dict[StepSpecification, StepOrder] = {}

    def write(
        self,
        bound: BoundNode,
        *,
        attempt: int,
        token: str,
        artifacts: Mapping[Ref, Artifact],
        outcomes: Mapping[str, Outcome | None],
        parts: Mapping[str, ArgumentPart],
        key: Digest | None,
        live_keys: Collection[Digest],
        validated: frozenset[str],
    ) -> NodeOrder:
        """Return the order for one attempt.

        Args:
            bound: The node with its constants read.
            attempt: Counted from 1.
            token: What the result must bear.
            artifacts: Every artifact made so far in this run.
            outcomes: How nodes ended so far; a skipped producer gives `None` or is left out.
            parts: The key's share of every argument that is known.
            key: The cache key, where it is known.
            live_keys: Keys under which a result could be reused.
            validated: Parameters whose contract the producer has kept already.
        """
        refs = {ref for argument in bound.arguments.values() for ref in refs_of(argument)}
        return NodeOrder(
            node=bound.node.name,
            attempt=attempt,
            token=token,
            step=self._order_step(bound.prepared),
            arguments=bound.arguments,
            parts=parts,
            inputs={ref: artifacts[ref] for ref in refs if ref in artifacts},
            skipped=frozenset(ref for ref in refs if outcomes.get(ref.node) is Outcome.SKIPPED),
            key=key,
            live_keys=frozenset(live_keys),
            log=self._folder.log_place(self._run, bound.node.name, attempt),
            validated=validated,
        )

    def _order_step(self, prepared: PreparedStep) -> StepOrder:
        known = self._steps.get(prepared.step)
        if known is None:
            known = self._steps[prepared.step] = order_step(prepared)
        return known


def order_step(prepared: PreparedStep) -> StepOrder:
    """Return how a host finds a step: by name in its module, or by value where the module cannot be imported."""
    step = prepared.step
    if step.unpacks:
        return _order_unpacking(prepared)
    travels_by_name = is_importable(step)
    return StepOrder(
        name=step.name,
        module=step.module,
        qualname=step.qualname,
        code=prepared.code.digest,
        environment=prepared.environment.digest,
        options=step.options,
        pickled=None if travels_by_name else execution.pickle_step(step),
        sources={} if travels_by_name else execution.sources_around(step),
    )


def _order_unpacking(prepared: PreparedStep) -> StepOrder:
    """Return how a host takes a list apart: the annotations of list and elements travel by value."""
    step = prepared.step
    return StepOrder(
        name=step.name,
        module=step.module,
        qualname=step.qualname,
        code=prepared.code.digest,
        environment=prepared.environment.digest,
        options=step.options,
        pickled=execution.pickle_unpacking(step),
        unpacks=True,
    )


def is_importable(step: StepSpecification) -> bool:
    """Whether another process would find this very step by its module and name."""
    if step.module == "__main__" or "<" in step.qualname:
        return False
    found: object = sys.modules.get(step.module)
    for name in step.qualname.split("."):
        found = getattr(found, name, None)
    return isinstance(found, Step) and found.function is step.function
