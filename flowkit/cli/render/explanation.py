"""An explanation of a node: the reason, each part that changed, and for code a unified diff."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from flowkit.cache.reason import Change, verb_of
from flowkit.cli.render.data import describe_data_lines, describe_inside
from flowkit.cli.render.output import on_terminal, visible
from flowkit.engine.explaining.nodes import WhyReport, diff_of
from flowkit.records import Reason

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_LONGEST_SIDE = 200
_DECLARED = ("signature", "version")


def print_why(report: WhyReport) -> None:
    """Print why a node runs or is reused."""
    for line in describe_why(report):
        click.echo(colour_diff(line))


def describe_why(report: WhyReport) -> Iterator[str]:
    """Yield the lines of an explanation; a diff's lines as they are."""
    reason = f"  {report.reason.value}" if report.reason is not None else ""
    yield f"{report.node}  {report.outcome}{reason}"
    if report.detail:
        yield f"  {report.detail}"
    if report.since:
        word = "made by" if report.outcome in ("reuse", "reused") else "compared with"
        yield f"  {word} run {report.since}" + (f", {report.accepted}" if report.accepted else "")
    for change in report.changes:
        yield ""
        yield from describe_change(change)


def describe_change(change: Change) -> Iterator[str]:
    """Yield one difference: what changed, then a diff of code, or both sides of anything else and what is inside."""
    yield f"{change.kind.value} {change.name} {verb_of(change)}"
    if change.path is not None and len(change.path) > 1 and change.path[-1] not in _DECLARED:
        yield f"  reached by  {' → '.join(change.path)}"
    if change.note is not None:
        yield f"  {change.note}"
    diff = diff_of(change)
    if diff is not None:
        yield from diff.splitlines()
        return
    same = change.kind is Reason.INPUT and change.before == change.after
    sides = (("still", change.after),) if same else (("before", change.before), ("now", change.after))
    for label, side in sides:
        if side is not None:
            yield f"  {label:<6}  {side[:_LONGEST_SIDE]}"
    yield from (f"  {line}" for line in (*describe_inside(change), *describe_data_lines(change)))


def colour_diff(line: str) -> str:
    """Return a line as it may be printed, coloured on a terminal where it belongs to a diff."""
    line = visible(line, keep="\t")
    colour = _COLOURS.get(line[:1])
    if colour is None or not on_terminal() or os.environ.get("NO_COLOR"):
        return line
    return click.style(line, fg=colour)
