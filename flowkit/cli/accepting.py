"""`accept`: keep a result after an edit that does not change it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flowkit.cli import options
from flowkit.cli.completers import complete_node
from flowkit.cli.opening import open_session, open_target
from flowkit.cli.render.acceptance import print_accepted, print_proposals
from flowkit.cli.render.output import print_json, tell
from flowkit.cli.signals import read_line
from flowkit.errors import AcceptanceError


@click.command(
    epilog=options.example(
        "flowkit accept pipelines/taxi.py train --reason 'renamed a helper'",
        "flowkit accept pipelines/taxi.py fit --from train --yes",
    )
)
@options.target
@click.argument("nodes", metavar="NODE...", nargs=-1, required=True, shell_complete=complete_node)
@click.option(
    "--from",
    "former",
    metavar="OLDNODE",
    help="The name that the node had before its function was renamed; its result is what is kept.",
)
@click.option("--reason", default="", metavar="TEXT", help="Say why the result is the same, for the audit log.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask: for scripts, and where there is no terminal.")
@options.parameters
@options.env
@options.store
@options.json_output
def accept(
    target: str,
    nodes: tuple[str, ...],
    former: str | None,
    reason: str,
    yes: bool,
    parameters: tuple[str, ...],
    env: str | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Keep a result after an edit that does not change it.

    What a refactoring touched would run again, as its code is another. This shows the edit and, if you say that it
    changes nothing, lets the latest result stand for the code as it is now; the audit log keeps who said so and when.
    It refuses where an input, a parameter, the environment or anything else than code has changed.

    NODE is a node's name, or a selection like that of --select: 'train' (all of a mapped call), 'train[0]', 'train+'.
    With --json, and where there is no terminal to ask on, --yes is needed. A 'no' leaves with exit code 130.
    """
    opened = open_target(target, parameters, env, store=store)
    with open_session(opened) as session:
        report = session.propose(opened.pipeline, opened.parameters, nodes, former)
        if report.proposals:
            if not as_json:
                print_proposals(report)
            if not yes:
                _ask(as_json)
            report = session.accept(opened.pipeline, report, reason)
    if as_json:
        print_json(report.to_json())
    else:
        print_accepted(report)


def _ask(as_json: bool) -> None:
    """Have a person say that the edit changes nothing.

    Raises:
        AcceptanceError: There is nobody to ask.
        click.Abort: They said no, or nothing more.
    """
    if as_json or sys.stdin is None or not sys.stdin.isatty():
        raise AcceptanceError.for_unanswered()
    tell("\nDoes this edit leave the result as it is? [y/N]: ", nl=False)
    while (answer := read_line(sys.stdin).strip().lower()) not in ("y", "yes"):
        if answer in ("", "n", "no"):
            raise click.Abort
        tell("Error: invalid input\nDoes this edit leave the result as it is? [y/N]: ", nl=False)
