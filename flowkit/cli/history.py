"""`runs`: what was run."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import to_builtins
from msgspec.structs import replace

from flowkit.cli import options
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.render.formats import format_moment, format_seconds
from flowkit.cli.render.output import print_json, print_table, tell
from flowkit.config import DEFAULT_ENVIRONMENT
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors.wording import nearest_name
from flowkit.lineage.history import list_runs, run_summary
from flowkit.lineage.rows import RunRow
from flowkit.records import RunStatus

_COMMIT_SHOWN = 8
_MOST_SEARCHED = 1000
"""Among how many of the latest runs a pipeline's name is looked for that was misspelt."""


@click.command(epilog=options.example("flowkit runs --pipeline taxi -n 5"))
@click.option("--pipeline", metavar="NAME", help="List only runs of this pipeline.")
@click.option(
    "-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="List at most this many runs."
)
@options.looking_back
def runs(pipeline: str | None, limit: int, env: str | None, store: Path | None, as_json: bool) -> None:
    """List the recorded runs, latest first.

    A run whose process died is 'crashed'; what it had finished is kept and reused.
    """
    with open_store(env, store) as view:
        rows = [with_true_status(view, row) for row in list_runs(view.reader, limit, pipeline)]
        recorded = [] if rows else [row.pipeline for row in list_runs(view.reader, _MOST_SEARCHED)]
    if as_json:
        print_json({"format": JSON_FORMAT, "runs": [to_builtins(row) for row in rows]})
        return
    if not rows:
        near = nearest_name(pipeline or "", recorded)
        hint = f" Did you mean {near!r}?" if near else ""
        tell("No run is recorded yet." if pipeline is None else f"No run of {pipeline!r} is recorded.{hint}")
        return
    print_table(
        ("run", "pipeline", "env", "status", "started", "time", "commit"),
        [
            (
                row.run,
                row.pipeline,
                row.env if row.env != DEFAULT_ENVIRONMENT else None,
                row.status,
                format_moment(row.started),
                format_seconds(row.seconds),
                _describe_commit(row),
            )
            for row in rows
        ],
        right=("time",),
    )


def with_true_status(view: StoreView, row: RunRow) -> RunRow:
    """Return the row with `crashed` for a run that is recorded as running and whose driver is gone."""
    if row.status != RunStatus.RUNNING:
        return row
    return replace(row, status=run_summary(view.reader, row.run).status.value)


def _describe_commit(row: RunRow) -> str:
    if not row.git_commit:
        return ""
    return row.git_commit[:_COMMIT_SHOWN] + (" + changes" if row.git_dirty else "")
