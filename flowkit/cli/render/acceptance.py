"""What `accept` shows: each edit with the nodes that it touches, and what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from flowkit.cache.reason import Change
from flowkit.cli.render.explanation import colour_diff, describe_change
from flowkit.cli.render.formats import counted
from flowkit.cli.render.output import tell
from flowkit.engine.accepting.proposals import AcceptReport
from flowkit.engine.accepting.unedited import Proposal

_MOST_NAMED = 8
_THEY_ARE = {False: "it is", True: "they are"}


def print_proposals(report: AcceptReport) -> None:
    """Print what would be accepted: every edit once, below the nodes that it touches."""
    for number, (changes, proposals) in enumerate(_by_edit(report.proposals)):
        for line in (*([""] if number else []), *_describe(changes, proposals)):
            click.echo(colour_diff(line))


def print_accepted(report: AcceptReport) -> None:
    """Print what was accepted, and what needed no acceptance."""
    rows = list(zip(report.proposals, report.audit, strict=True))
    for proposal, audit in rows[:_MOST_NAMED]:
        tell(f"accepted: {proposal.name} keeps its result of run {proposal.entry.run} (audit row {audit})")
    if len(rows) > _MOST_NAMED:
        tell(f"accepted: {counted(len(rows) - _MOST_NAMED, 'more node')} (audit rows to {rows[-1][1]})")
    if report.reused:
        tell(f"nothing to accept: {_names(report.reused)} would be reused as {_THEY_ARE[len(report.reused) > 1]}")


def _by_edit(proposals: Sequence[Proposal]) -> list[tuple[tuple[Change, ...], list[Proposal]]]:
    groups: dict[tuple[Change, ...], list[Proposal]] = {}
    for proposal in proposals:
        groups.setdefault(proposal.changes, []).append(proposal)
    return list(groups.items())


def _describe(changes: Sequence[Change], proposals: Sequence[Proposal]) -> Iterator[str]:
    yield f"{_names([proposal.name for proposal in proposals])}  to be accepted"
    runs = dict.fromkeys(proposal.entry.run for proposal in proposals)
    yield f"  result of run {', '.join(list(runs)[:_MOST_NAMED])}"
    former = dict.fromkeys(proposal.entry.node for proposal in proposals if proposal.entry.node != proposal.name)
    if former:
        yield f"  which was called {_names(list(former))}"
    for change in changes:
        yield ""
        yield from describe_change(change)
    if not changes:
        yield "  only its name has changed"
    for note in dict.fromkeys(note for proposal in proposals for note in proposal.notes):
        yield f"note: {note}"


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {counted(more, 'more node')}" if more > 0 else shown
