"""`run`, and what is done alike where a recorded run is repeated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from flowkit.cli import options, render
from flowkit.cli.opening import Opened, open_session, open_target
from flowkit.cli.render.output import on_terminal, print_json
from flowkit.cli.render.run_lines import PlainListener, SilentListener
from flowkit.cli.render.summary import print_summary
from flowkit.cli.signals import close_undisturbed
from flowkit.engine.launch import RunInterrupted
from flowkit.execution import observing
from flowkit.graph.select import Selection
from flowkit.records import RunStatus

how_to_run = options.together(
    options.force,
    options.workers,
    options.scheduler,
    options.inline,
    options.require_promotion,
    options.json_output,
    options.quiet,
    options.verbose,
)


@click.command(epilog=options.example("flowkit run pipelines/taxi.py -p C=0.5", "flowkit run taxi --select +train"))
@options.building
@options.select
@how_to_run
def run(
    target: str,
    parameters: tuple[str, ...],
    env: str | None,
    store: Path | None,
    workers: int | None,
    scheduler: str | None,
    **how: Any,
) -> int:
    """Run what is missing, reuse the rest.

    A step is reused where its code, its inputs' content, its parameters and its environment are the same as in an
    earlier run. A failed step does not stop those that do not need it.
    """
    prepare(**how)
    opened = open_target(target, parameters, env, store=store, workers=workers, scheduler=scheduler)
    return execute(opened, **how)


def prepare(*, inline: bool, **_: Any) -> None:
    """Watch this process before the project's modules are imported, if steps will run in it.

    What `from polars import read_csv` takes from the library is then the watched reader, as in a step host.
    """
    if inline:
        observing.install_watches()


def execute(
    opened: Opened,
    *,
    select: str | None,
    force: str | None,
    inline: bool,
    require_promotion: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Run what was opened, print what becomes of it, and return the exit code."""
    listener = _listener(inline=inline, as_json=as_json, quiet=quiet, verbose=verbose)
    with open_session(opened, inline=inline) as session, listener as hearing:
        try:
            report = session.execute(
                opened.pipeline,
                opened.parameters,
                target=opened.target,
                select=Selection.parse(select) if select is not None else None,
                force=Selection.parse(force) if force is not None else None,
                require_promotion=require_promotion,
                listener=hearing,
                argv=sys.argv,
            )
        except RunInterrupted as interrupted:
            report = interrupted.report
        if report.status is RunStatus.CANCELLED:
            close_undisturbed()
    if as_json:
        print_json(report.to_json())
    else:
        print_summary(report, opened, quiet=quiet, verbose=verbose)
    return report.exit_code


def _listener(
    *, inline: bool, as_json: bool, quiet: bool, verbose: bool
) -> PlainListener | render.LiveListener | SilentListener:
    if as_json:
        return SilentListener()
    # What a step prints goes straight to the terminal when it runs inline: a live view would fight with it.
    if on_terminal() and not (inline or quiet or verbose):
        return render.LiveListener()
    return PlainListener(quiet=quiet, verbose=verbose)
