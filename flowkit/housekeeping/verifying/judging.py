"""Judges what can be verified of a recorded run, and what running it again has shown. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec.structs import replace

from flowkit.cache.current import Current
from flowkit.cache.reason import explain_miss
from flowkit.engine.keys import KeyedNode
from flowkit.engine.origins import describe_acceptance
from flowkit.engine.placement import Demand, fits
from flowkit.engine.report import NodeReport
from flowkit.errors import StoreError
from flowkit.execution.base import Slots
from flowkit.graph.graph import Graph, Node, template_of
from flowkit.housekeeping.verifying.differences import GENERAL, Contents, describe_difference
from flowkit.housekeeping.verifying.recorded_graph import SUCCEEDED, RecordedRun
from flowkit.housekeeping.verifying.verdicts import MetricVerdict, NodeVerdict, OutputVerdict, Verdict
from flowkit.lineage.rows import NodeRow
from flowkit.records import Acceptance, FailureKind, LatestSuccess, ObservedInput, Outcome, Output, Reason

INTERRUPTED = "interrupted"
"""Why a node was not verified that the user did not wait for."""

_INTERRUPTED_CODE = 130
_DECIDED = ("promote", "champion")

_TAKE_BACK = (
    "the edit that was accepted changes the result, or the step is not deterministic: run the pipeline with "
    "--force {node} to put its own result in the place of what was kept."
)

_NOT_ITS_FAULT = {
    FailureKind.LOST: "what it takes is gone from the store or damaged",
    FailureKind.CODE: "its code is another one at another path, or in a new process",
    FailureKind.STORE: "the store failed",
}
"""Failures of another run that say nothing about the step."""


def wanted_rows(recorded: RecordedRun, graph: Graph, chosen: Collection[str] | None) -> list[NodeRow]:
    """Return the nodes of a run that a verification is about: not what was skipped or belongs to the registry.

    They are in the graph's order; what it does not have any more comes last.
    """
    names = dict.fromkeys((*graph.nodes, *recorded.rows))
    return [
        row
        for row in (recorded.rows[name] for name in names if name in recorded.rows)
        if row.step not in _DECIDED
        and row.outcome != Outcome.SKIPPED
        and (chosen is None or row.node in chosen or template_of(row.node) in chosen)
    ]


def why_never(row: NodeRow, graph: Graph, *, chosen: bool) -> str | None:
    """Return why a recorded node cannot or should not be run again, whatever its key is; None where it can.

    Args:
        row: The node as it is recorded.
        graph: The run's graph, as today's pipeline builds it.
        chosen: Whether somebody asked for this very node.
    """
    if row.outcome not in SUCCEEDED:
        return f"it {'was ' if row.outcome != Outcome.FAILED else ''}{row.outcome} in that run"
    if row.node not in graph:
        if template_of(row.node) in graph:
            return "the list whose element it is was not recorded as it is taken apart now"
        return "the pipeline has no such node any more"
    step = graph[row.node].step
    if step is None:
        return "it calls no step any more"
    if chosen:
        return None
    if not step.options.cache:
        return "cache=False: it may give something else each time; name it with --select"
    if step.options.max_age is not None:
        return "max_age: its results are declared to age; name it with --select"
    return None


def why_changed(
    row: NodeRow, keyed: KeyedNode, account: LatestSuccess, observed: tuple[ObservedInput, ...]
) -> str | None:
    """Return what of a node is not as it was recorded; None where all that counts is.

    Args:
        row: The node as it is recorded.
        keyed: Its key with today's code and files and with its recorded inputs.
        account: What its recorded key was made of.
        observed: What it then read undeclared, as that is now.
    """
    current: Current = replace(keyed.current, observed=observed)
    found = explain_miss(None, failed_before=False, latest=account, current=current)
    if found.reason is not Reason.UNCACHED:
        return f"{found.reason.value}: {found.detail}"
    return None if row.cache_key == keyed.key else "its key is another one now"


def why_no_room(node: Node, slots: Slots) -> str | None:
    """Return why a node cannot run on this machine; None where it can."""
    if node.step is None:
        return None
    demand = Demand.of(node.step.options)
    for worker, count in slots.workers.items():
        if fits(demand, count, slots.resources.get(worker, {})):
            return None
    asked = [f"cpus={demand.cpus}", *(f"{name}={amount:g}" for name, amount in demand.resources.items())]
    return f"it asks for more than this machine has: {', '.join(asked)}"


def not_verified(row: NodeRow, detail: str) -> NodeVerdict:
    """Return the verdict on a node that was not run again."""
    return NodeVerdict(row.node, row.step, row.map_index, Verdict.NOT_VERIFIED, detail)


def judge(
    row: NodeRow,
    recorded: tuple[Output, ...],
    metrics: Mapping[str, float],
    again: NodeReport,
    contents: Contents,
    accepted: Acceptance | None = None,
) -> NodeVerdict:
    """Return the verdict on a node that was run again.

    Args:
        row: The node as it is recorded.
        recorded: Its recorded outputs.
        metrics: Its recorded metrics.
        again: How it ended this time.
        contents: Gives what artifacts hold, where they differ.
        accepted: Who let the recorded outputs, which other code made, stand for the code that was run.
    """
    failure = again.error
    if again.outcome is Outcome.CANCELLED:
        return not_verified(row, INTERRUPTED)
    if failure is not None and failure.kind in _NOT_ITS_FAULT:
        return replace(not_verified(row, f"{_NOT_ITS_FAULT[failure.kind]}: {failure.message}"), failure=failure)
    verdict = NodeVerdict(row.node, row.step, row.map_index, Verdict.DIFFERENT, seconds=again.seconds)
    if failure is not None:
        return replace(verdict, detail=f"it failed this time: {failure.message}", failure=failure)
    if again.outcome is not Outcome.EXECUTED:
        return replace(verdict, detail=f"it was {again.outcome.value} this time: {again.detail}")
    outputs = tuple(_differing(recorded, again.outputs, contents))
    if not outputs:
        return replace(verdict, verdict=Verdict.SAME)
    if accepted is not None:
        # It need not be unsteady: other code gave what it is compared with.
        outputs = tuple(replace(output, hint=_TAKE_BACK.format(node=row.node)) for output in outputs)
        verdict = replace(verdict, detail=describe_acceptance(accepted))
    return replace(verdict, outputs=outputs, metrics=tuple(_differing_metrics(metrics, dict(again.metrics))))


def _differing(recorded: tuple[Output, ...], again: tuple[Output, ...], contents: Contents) -> Iterator[OutputVerdict]:
    given = {output.name: output.artifact for output in again}
    for output in recorded:
        new = given.get(output.name)
        if new is None:
            yield OutputVerdict(output.name, output.artifact, None, ("it was not given this time",), GENERAL)
        elif new.digest != output.artifact.digest:
            found = describe_difference(output.artifact, new, contents)
            yield OutputVerdict(output.name, output.artifact, new, found.lines, found.hint)


def _differing_metrics(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[MetricVerdict]:
    for name in {**before, **after}:
        old, new = before.get(name), after.get(name)
        if old != new and not (old != old and new != new):
            yield MetricVerdict(name, old, new)


def exit_code_of(nodes: Sequence[NodeVerdict]) -> int:
    """Return 4 where the store failed, 130 where somebody did not wait, 1 where a node differs, else 0."""
    if any(node.failure is not None and node.failure.kind is FailureKind.STORE for node in nodes):
        return StoreError.exit_code
    if any(node.verdict is Verdict.NOT_VERIFIED and node.detail == INTERRUPTED for node in nodes):
        return _INTERRUPTED_CODE
    return 1 if any(node.verdict is Verdict.DIFFERENT for node in nodes) else 0
