"""`diff`: what differs between two runs."""

from __future__ import annotations

from pathlib import Path

import click

from flowkit.cli import options
from flowkit.cli.completers import complete_run
from flowkit.cli.looking import open_store
from flowkit.cli.render.comparison import comparison_to_json, print_comparison
from flowkit.cli.render.output import print_json
from flowkit.engine.explaining.runs import compare_runs
from flowkit.errors import NotRecordedError
from flowkit.lineage.history import find_run, list_runs
from flowkit.lineage.reader import Reader
from flowkit.store.local import LocalStore


@click.command(epilog=options.example("flowkit diff 20261120T06 last", "flowkit diff last"))
@click.argument("earlier", metavar="RUN", shell_complete=complete_run)
@click.argument("later", metavar="[RUN]", default=None, required=False, shell_complete=complete_run)
@options.looking_back
def diff(earlier: str, later: str | None, env: str | None, store: Path | None, as_json: bool) -> None:
    """Say what differs between two runs.

    Parameters, the code of each step as a diff, files that came in, packages, what each node gave (of a table: which
    columns changed), metrics and promotions. RUN is a run's id, its beginning, or 'last'. With one RUN it is compared
    with the run of its pipeline before it.
    """
    with open_store(env, store) as view:
        found = find_run(view.reader, earlier)
        pair = (found, find_run(view.reader, later)) if later is not None else (_before(view.reader, found), found)
        compared = compare_runs(view.reader, *pair, LocalStore(view.folder))
    if as_json:
        print_json(comparison_to_json(compared))
    else:
        print_comparison(compared)


def _before(reader: Reader, run: str) -> str:
    """Return the run of the same pipeline that began before `run`.

    Raises:
        NotRecordedError: It is the pipeline's first.
    """
    runs = list_runs(reader, -1)
    pipeline = next(row.pipeline for row in runs if row.run == run)
    same = [row.run for row in runs if row.pipeline == pipeline]
    place = same.index(run) + 1
    if place == len(same):
        raise NotRecordedError.for_no_run_before(run, pipeline)
    return same[place]
