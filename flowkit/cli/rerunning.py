"""`rerun`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flowkit.cli import options
from flowkit.cli.completers import complete_run
from flowkit.cli.looking import open_store
from flowkit.cli.opening import open_record
from flowkit.cli.running import execute, how_to_run, prepare
from flowkit.lineage.history import run_summary
from flowkit.project import Project


@click.command(epilog=options.example("flowkit rerun", "flowkit rerun 20261120 --force train+"))
@click.argument("run", default="last", shell_complete=complete_run)
@options.select
@options.env
@options.store
@how_to_run
def rerun(
    run: str,
    select: str | None,
    env: str | None,
    store: Path | None,
    workers: int | None,
    scheduler: str | None,
    **how: Any,
) -> int:
    """Repeat a recorded run with today's code.

    RUN is a run's id, its beginning, or 'last' (the default). Its parameters and its environment are those of that
    run; what has not changed since is reused.
    """
    prepare(**how)
    with open_store(env, store) as view:
        record = run_summary(view.reader, run).record
    project = Project.containing(Path.cwd())
    opened = open_record(record, project, store=store, workers=workers, scheduler=scheduler)
    return execute(opened, select=select, **how)
