"""Turns what happened to a node into the record that lineage keeps and the report that people see."""

from __future__ import annotations

from msgspec import Struct

from flowkit.cache.key import compute_entry_key
from flowkit.engine.keys import KeyedNode
from flowkit.engine.lookup import Lookup
from flowkit.engine.origins import describe_origin
from flowkit.engine.report import NodeReport
from flowkit.graph.graph import Node
from flowkit.records import Entry, Execution, Failure, NodeRecord, Outcome, Output, Reason, StepResult


class Ending(Struct, frozen=True):
    """Everything known of how a node ended.

    Attributes:
        keyed: Its key, where one could be computed.
        found: The lookup before it ran; None where it rode in a packet or never got that far.
        result: What its last attempt gave.
        entry: What it was reused from.
        entry_id: The store's number of that, where nothing else of it is known: of a champion.
        from_run: The run that it was reused from, where `entry` is not known.
    """

    node: Node
    outcome: Outcome
    attempts: int = 0
    reason: Reason | None = None
    detail: str | None = None
    keyed: KeyedNode | None = None
    found: Entry | None = None
    result: StepResult | None = None
    entry: Entry | None = None
    failure: Failure | None = None
    outputs: tuple[Output, ...] = ()
    entry_id: int | None = None
    from_run: str | None = None


def record_node(run: str, ending: Ending) -> NodeRecord:
    """Return the record of a node that ended."""
    result = ending.result
    return NodeRecord(
        run=run,
        node=ending.node.name,
        step=ending.node.step_name,
        map_index=ending.node.map_index,
        outcome=ending.outcome,
        reason=ending.reason,
        detail=ending.detail,
        attempts=ending.attempts,
        started=result.started if result is not None else None,
        seconds=result.seconds if result is not None else None,
        worker=result.worker if result is not None else "",
        peak_memory=result.peak_memory if result is not None else 0,
        log=result.log if result is not None else None,
        failure=ending.failure,
        execution=_execution(ending),
        entry=ending.entry.id if ending.entry is not None else ending.entry_id,
    )


def _execution(ending: Ending) -> Execution | None:
    keyed, result = ending.keyed, ending.result
    adopted = ending.entry if ending.entry is not None and ending.entry.id is None else None
    told = ending.outcome in (Outcome.EXECUTED, Outcome.FAILED, Outcome.SKIPPED)
    if keyed is None or not (told or adopted is not None):
        return None
    step = keyed.bound.prepared.step
    succeeded = ending.outcome is Outcome.EXECUTED or adopted is not None
    observed = result.observed if result is not None else ()
    return Execution(
        parts=keyed.current.parts,
        cache_key=keyed.key,
        entry_key=compute_entry_key(keyed.key, observed),
        code=keyed.current.code,
        environment=keyed.current.environment,
        inputs=keyed.inputs,
        outputs=ending.outputs if succeeded else (),
        metrics=_metrics(ending) if succeeded else (),
        observed=observed,
        supersedes=ending.found.generation if ending.found is not None else None,
        cached=(
            succeeded
            and step.options.cache
            and keyed.current.code.uncacheable is None
            and (result is None or result.uncached is None)
        ),
        created=adopted.created if adopted is not None else None,
        producers=keyed.producers,
        tries_accepted=ending.found is not None and ending.found.accepted is not None,
        ages=step.options.max_age is not None,
        uncached=result.uncached if result is not None else None,
    )


def _metrics(ending: Ending) -> tuple[tuple[str, float], ...]:
    if ending.result is not None:
        return ending.result.metrics
    return ending.entry.metrics if ending.entry is not None else ()


def report_node(ending: Ending) -> NodeReport:
    """Return what a run says of a node that ended."""
    result, entry = ending.result, ending.entry
    return NodeReport(
        node=ending.node.name,
        step=ending.node.step_name,
        index=ending.node.map_index,
        outcome=ending.outcome,
        reason=ending.reason,
        detail=ending.detail,
        cache_key=ending.keyed.key if ending.keyed is not None else None,
        attempts=ending.attempts,
        seconds=result.seconds if result is not None else None,
        from_run=entry.run if entry is not None else ending.from_run,
        log=result.log if result is not None else None,
        error=ending.failure,
        outputs=ending.outputs,
        metrics=_metrics(ending),
    )


def reused(lookup: Lookup, node: Node) -> Ending:
    """Return the ending of a node whose lookup found a result."""
    entry = lookup.entry
    return Ending(
        node,
        Outcome.REUSED,
        detail=describe_origin(entry) if entry is not None else None,
        keyed=lookup.keyed,
        found=lookup.found,
        entry=entry,
        outputs=entry.outputs if entry is not None else (),
    )
