"""An explanation of a node: the reason, each part that changed, and for code a unified diff."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from flowkit.cache.reason import Change
from flowkit.cli.render.output import on_terminal
from flowkit.engine.explain import WhyReport, diff_of

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_LONGEST_SIDE = 200


def print_why(report: WhyReport) -> None:
    """Print why a node runs or is reused."""
    for line in describe_why(report):
        click.echo(_colour(line))


def describe_why(report: WhyReport) -> Iterator[str]:
    """Yield the lines of an explanation; a diff's lines as they are."""
    reason = f"  {report.reason.value}" if report.reason is not None else ""
    yield f"{report.node}  {report.outcome}{reason}"
    if report.detail:
        yield f"  {report.detail}"
    if report.since:
        word = "made by" if report.reason is None and not report.changes else "compared with"
        yield f"  {word} run {report.since}"
    for change in report.changes:
        yield ""
        yield from _describe_change(change)


def _describe_change(change: Change) -> Iterator[str]:
    diff = diff_of(change)
    if diff is not None:
        yield f"{change.kind.value} {change.name} {_verb(change)}"
        yield from diff.splitlines()
        return
    yield f"{change.kind.value} {change.name} {_verb(change)}"
    for label, side in (("before", change.before), ("now", change.after)):
        if side is not None:
            yield f"  {label:<6}  {side[:_LONGEST_SIDE]}"


def _verb(change: Change) -> str:
    if change.before is None:
        return "is new"
    return "is gone" if change.after is None else "changed"


def _colour(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    if colour is None or not on_terminal() or os.environ.get("NO_COLOR"):
        return line
    return click.style(line, fg=colour)
