"""A run of the past, put together from its record: what it says holds whatever became of the code since."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from flowkit.authoring.pipeline import Pipeline
from flowkit.authoring.step import Step
from flowkit.engine.report import NodeReport, PromotionReport, RunReport
from flowkit.engine.workspace import Workspace
from flowkit.lineage.history import LAST, artifacts_of, details_of, find_run, metrics_of, nodes_of, run_summary
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import NodeRow
from flowkit.records import Outcome, Reason, RunSummary, StepSpecification
from flowkit.registry.models import promotions_of
from flowkit.results import Run


class RecordedNodes:
    """The annotations by which outputs of recorded nodes are read: today's, where a step of that name can be found.

    Args:
        steps: The step of each node, by the node's name.
        known: Steps that the pipeline's module knows, by name.
    """

    def __init__(self, steps: Mapping[str, str], known: Mapping[str, StepSpecification]) -> None:
        self._steps = steps
        self._known = known

    def declared(self, name: str) -> RecordedOutputs | None:
        """Return the outputs of the node called `name`; None where there is none."""
        return RecordedOutputs(self._known.get(self._steps[name])) if name in self._steps else None


class RecordedOutputs:
    """The annotations of one node's outputs."""

    def __init__(self, step: StepSpecification | None) -> None:
        self._hints = {output.name: output.hint for output in step.outputs} if step is not None else {}
        self._result = step.hint if step is not None else Any

    @property
    def result_hint(self) -> Any:
        """Today's return annotation, `Any` where there is none."""
        return self._result

    def output_hint(self, name: str) -> Any:
        """Return today's annotation of an output, `Any` where there is none: it is then read as what was stored."""
        return self._hints.get(name, Any)


def reopen_last(pipeline: Pipeline[..., Any], workspace: Workspace) -> Run:
    """Return the latest recorded run of a pipeline.

    Raises:
        NotRecordedError: There is none.
    """
    reader = workspace.reader
    with reader.at_one_moment():
        summary = run_summary(reader, find_run(reader, LAST, pipeline.name))
        report = _report_of(reader, summary)
    steps = {node.node: node.step for node in report.nodes}
    return Run(report, RecordedNodes(steps, dict(_steps_around(pipeline))), workspace)


def _report_of(reader: Reader, summary: RunSummary) -> RunReport:
    record = summary.record
    nodes = _nodes_of(reader, record.run)
    return RunReport(
        run=record.run,
        pipeline=record.pipeline,
        env=record.env,
        status=summary.status,
        exit_code=summary.exit_code if summary.exit_code is not None else 0,
        started=record.started,
        seconds=summary.seconds or 0.0,
        parameters={name: json.loads(text) if text else None for name, text in record.parameters},
        git_commit=record.git_commit,
        git_dirty=record.git_dirty,
        nodes=nodes,
        promotions=_promotions_of(reader, record.run, nodes),
    )


def _nodes_of(reader: Reader, run: str) -> tuple[NodeReport, ...]:
    details, outputs = details_of(reader, run), artifacts_of(reader, run)
    metrics: dict[str, list[tuple[str, float]]] = {}
    for metric in metrics_of(reader, run):
        value = float("nan") if metric.value is None else metric.value
        metrics.setdefault(metric.node, []).append((metric.name, value))
    recorded = nodes_of(reader, run)
    # Elements were recorded as they ended; each map stands where its first one does.
    place: dict[str, int] = {}
    for row in recorded:
        place.setdefault(_call_of(row), len(place))
    recorded = tuple(sorted(recorded, key=lambda row: (place[_call_of(row)], row.map_index or 0)))
    return tuple(
        NodeReport(
            node=row.node,
            step=row.step,
            index=row.map_index,
            outcome=Outcome(row.outcome),
            reason=Reason(row.reason) if row.reason is not None else None,
            detail=row.detail,
            cache_key=row.cache_key,
            attempts=row.attempts,
            seconds=row.seconds,
            from_run=details[row.node].from_run,
            log=details[row.node].log,
            error=details[row.node].failure,
            outputs=outputs.get(row.node, ()),
            metrics=tuple(metrics.get(row.node, ())),
        )
        for row in recorded
    )


def _call_of(row: NodeRow) -> str:
    return row.node if row.map_index is None else row.node.rpartition("[")[0]


def _promotions_of(reader: Reader, run: str, nodes: tuple[NodeReport, ...]) -> tuple[PromotionReport, ...]:
    deciding = [node.node for node in nodes if node.step == "promote" and node.outcome is Outcome.EXECUTED]
    decided = promotions_of(reader, run)
    return tuple(
        PromotionReport(node, one.model, one.version, one.alias, one.accepted, one.reason, one.verdicts)
        for node, one in zip(deciding, decided, strict=False)
    )


def _steps_around(pipeline: Pipeline[..., Any]) -> Iterator[tuple[str, StepSpecification]]:
    """Yield the steps that the pipeline's module names, and those of the modules that it names."""
    for value in pipeline.function.__globals__.values():
        for found in vars(value).values() if isinstance(value, ModuleType) else (value,):
            if isinstance(found, Step):
                yield found.specification.name, found.specification
