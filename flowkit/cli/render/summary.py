"""What stands at the end of a run: what ran, what was reused, metrics, promotions, and the commands that go on."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from msgspec.structs import replace

from flowkit.cli.opening import Opened
from flowkit.cli.render.formats import counted, format_number, format_seconds
from flowkit.cli.render.output import on_terminal, print_table, tell, terminal_width
from flowkit.cli.render.run_lines import describe_reason
from flowkit.config import DEFAULT_ENVIRONMENT, Settings
from flowkit.engine.report import NodeReport, PromotionReport, RunReport
from flowkit.errors import FlowkitError
from flowkit.project import Project
from flowkit.records import Failure, Outcome, RunStatus

MOST_ROWS = 40
"""A run of more nodes is shown by call, its mapped elements together."""
_MOST_METRICS = 20
_MOST_FAILURES = 3
_ORDER = [outcome.value for outcome in Outcome]


def print_summary(report: RunReport, opened: Opened, *, quiet: bool, verbose: bool) -> None:
    """Print the end of a run; what failed, and the command that goes on, on stderr after it."""
    if not quiet:
        if on_terminal():
            _print_nodes(report.nodes, verbose=verbose)
        _print_metrics(report.nodes)
    _print_promotions(report.promotions)
    tell(f"{report.status.value} in {format_seconds(report.seconds)}: {count_outcomes(report.nodes)}  run {report.run}")
    if not quiet:
        for text in _further(report, opened):
            tell(text)
    _print_failures(report, opened)


def count_outcomes(nodes: Sequence[NodeReport]) -> str:
    """Return `5 executed, 3 reused`."""
    counts = Counter(node.outcome.value for node in nodes)
    ordered = sorted(counts, key=lambda word: _ORDER.index(word) if word in _ORDER else len(_ORDER))
    return ", ".join(f"{counts[word]:,} {word}" for word in ordered)


def node_rows(nodes: Sequence[NodeReport], *, verbose: bool = False) -> list[tuple[str, str, str, str]]:
    """Return name, outcome, time and reason of each node; of many nodes by call, with its elements counted."""
    if verbose or len(nodes) <= MOST_ROWS:
        return [(node.node, node.outcome.value, _time(node), describe_reason(node)) for node in nodes]
    groups = [
        list(group)
        for _, group in groupby(
            nodes, lambda node: node.node.partition("[")[0] if node.index is not None else node.node
        )
    ]
    return [_group_row(group) for group in groups]


def _group_row(group: Sequence[NodeReport]) -> tuple[str, str, str, str]:
    first = group[0]
    if len(group) == 1:
        return first.node, first.outcome.value, _time(first), describe_reason(first)
    reasons = Counter(describe_reason(node) for node in group if node.outcome is not Outcome.REUSED)
    outcomes = {node.outcome.value for node in group}
    seconds = sum(node.seconds or 0.0 for node in group if node.outcome is Outcome.EXECUTED)
    return (
        f"{first.node.partition('[')[0]}[0…{len(group) - 1}]",
        outcomes.pop() if len(outcomes) == 1 else count_outcomes(group),
        format_seconds(seconds or None),
        next(iter(reasons)) if len(reasons) == 1 else "",
    )


def _time(node: NodeReport) -> str:
    return "" if node.outcome is Outcome.REUSED else format_seconds(node.seconds)


def _print_nodes(nodes: Sequence[NodeReport], *, verbose: bool) -> None:
    # A wholly reused run stays free of rich, which takes longer to load than such a run takes.
    plain = all(node.outcome is Outcome.REUSED for node in nodes)
    print_table(("node", "outcome", "time", "why"), node_rows(nodes, verbose=verbose), right=("time",), plain=plain)


def _print_metrics(nodes: Sequence[NodeReport]) -> None:
    measured = [node for node in nodes if node.metrics]
    width = max((len(node.node) for node in measured[:_MOST_METRICS]), default=0)
    for node in measured[:_MOST_METRICS]:
        values = [f"{name} {format_number(value)}" for name, value in node.metrics]
        room = terminal_width() - width - 2 if on_terminal() else None
        first, *rest = fill_lines(values, room)
        tell(f"{node.node:<{width}}  {first}")
        for line in rest:
            tell(f"{'':<{width}}  {line}")
    if len(measured) > _MOST_METRICS:
        tell(f"… metrics of {counted(len(measured) - _MOST_METRICS, 'more node')}")


def fill_lines(values: Sequence[str], room: int | None) -> list[str]:
    """Join values to lines of at most `room` characters, a value never cut; to one line without a limit."""
    lines = [""]
    for value in values:
        joined = f"{lines[-1]}  {value}" if lines[-1] else value
        if room is not None and lines[-1] and len(joined) > room:
            lines.append(value)
        else:
            lines[-1] = joined
    return lines


def _print_promotions(promotions: Sequence[PromotionReport]) -> None:
    for promotion in promotions:
        verdict = "accepted" if promotion.accepted else "refused"
        if promotion.from_run is not None and promotion.accepted:
            verdict = f"{verdict}; it is that already, by run {promotion.from_run}"
        reason = f": {promotion.reason}" if promotion.reason else ""
        tell(f"{promotion.model}:{promotion.version} → {promotion.model}@{promotion.alias}  {verdict}{reason}")
        width = max((len(verdict.gate) for verdict in promotion.gates), default=0)
        for gate in promotion.gates:
            note = f"  ({gate.note})" if gate.note else ""
            passed = "passed" if gate.passed else "failed"
            tell(f"  {gate.gate:<{width}}  {format_number(gate.observed):>10}  {passed}{note}")


def _further(report: RunReport, opened: Opened) -> list[str]:
    """Return the commands that look further into this run."""
    ran = [node for node in report.nodes if node.outcome is Outcome.EXECUTED and node.reason is not None]
    lines = []
    if ran and report.status is RunStatus.SUCCEEDED:
        lines.append(f"flowkit why {report.run} {shlex.quote(ran[0].node)}{store_options(opened.settings)}")
    lines += dict.fromkeys(
        f"flowkit models show {promotion.model}{store_options(opened.settings)}" for promotion in report.promotions
    )
    return [f"look further: {line}" for line in lines]


def _print_failures(report: RunReport, opened: Opened) -> None:
    failed = [(node, node.error) for node in report.nodes if node.error is not None and node.outcome is Outcome.FAILED]
    for node, failure in failed[:_MOST_FAILURES]:
        tell(f"\n{format_failure(_with_node(node.node, failure))}", err=True)
    if len(failed) > _MOST_FAILURES:
        others = ", ".join(node.node for node, _ in failed[_MOST_FAILURES : _MOST_FAILURES + 10])
        tell(f"\n{len(failed) - _MOST_FAILURES:,} more failed: {others}", err=True)
    for node, _ in failed[:1]:
        if node.log:
            command = f"flowkit logs {report.run} {shlex.quote(node.node)}{store_options(opened.settings)}"
            tell(f"\nWhat it printed: {command}", err=True)
    if report.status is not RunStatus.SUCCEEDED:
        tell(f"\nTo go on: {resume_command(report.run, opened)}", err=True)


def _with_node(node: str, failure: Failure) -> Failure:
    """Return the failure with the node among its facts, where neither they nor the sentence name it."""
    if repr(node) in failure.message or ("step", node) in failure.facts:
        return failure
    return replace(failure, facts=(("node", node), *failure.facts))


def format_failure(failure: Failure) -> str:
    """Return a failure in three parts, with the person's own frames below the facts."""
    text = str(FlowkitError(failure.message, failure.facts, failure.hint))
    if not failure.traceback:
        return text
    head, _, hint = text.partition("\nHint: ")
    frames = "\n".join(f"  {line}" for line in failure.traceback.rstrip().splitlines())
    return "\n".join([head, frames, *([f"Hint: {hint}"] if hint else [])])


def resume_command(run: str, opened: Opened) -> str:
    """Return the exact command that repeats a run from the current folder."""
    root = opened.project.root
    away = "" if Project.containing(Path.cwd()).root == root else f"cd {shlex.quote(str(root))} && "
    return f"{away}flowkit rerun {run}{store_options(opened.settings)}"


def store_options(settings: Settings) -> str:
    """Return the options without which another command would look into another store."""
    env = "" if settings.env == DEFAULT_ENVIRONMENT else f" --env {shlex.quote(settings.env)}"
    if settings.origin("store") != "--store":
        return env
    return f"{env} --store {shlex.quote(os.fspath(settings.store))}"
