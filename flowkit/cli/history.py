"""`runs` and `logs`: what was run, and what nodes printed."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from flowkit.cli import options
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.render.formats import format_moment, format_seconds
from flowkit.cli.render.output import print_json, print_table
from flowkit.config import DEFAULT_ENVIRONMENT
from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import NotRecordedError
from flowkit.lineage.history import details_of, find_run, list_runs, nodes_of, run_summary
from flowkit.lineage.liveness import is_driven
from flowkit.lineage.rows import RunRow
from flowkit.records import RunStatus

_COMMIT_SHOWN = 8


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
        rows = [_with_true_status(view, row) for row in list_runs(view.reader, limit, pipeline)]
    if as_json:
        print_json({"format": JSON_FORMAT, "runs": [asdict(row) for row in rows]})
        return
    if not rows:
        click.echo("No run is recorded yet." if pipeline is None else f"No run of {pipeline!r} is recorded.")
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


@click.command(epilog=options.example("flowkit logs last train"))
@click.argument("run")
@click.argument("node", required=False)
@options.looking_back
def logs(run: str, node: str | None, env: str | None, store: Path | None, as_json: bool) -> None:
    """Print what a node printed.

    RUN is a run's id, its beginning, or 'last'. Without NODE the nodes of the run are listed, with where their logs
    are.
    """
    with open_store(env, store) as view:
        identity = find_run(view.reader, run)
        if node is not None and not as_json:
            _print_log(_log_of(view, identity, node))
            return
        rows = [row for row in nodes_of(view.reader, identity) if node in (None, row.node)]
        details = details_of(view.reader, identity)
    if node is not None and not rows:
        raise NotRecordedError.for_node(identity, node, sorted(details))
    if as_json:
        listed = [{**asdict(row), "log": details[row.node].log} for row in rows]
        print_json({"format": JSON_FORMAT, "nodes": listed})
        return
    print_table(
        ("node", "outcome", "time", "log"),
        [(row.node, row.outcome, format_seconds(row.seconds), details[row.node].log) for row in rows],
        right=("time",),
    )


def _with_true_status(view: StoreView, row: RunRow) -> RunRow:
    """Return the row with `crashed` for a run that is recorded as running and whose driver is gone."""
    if row.status != RunStatus.RUNNING:
        return row
    driver = run_summary(view.reader, row.run).record.driver
    return row if is_driven(view.folder.runs, row.run, driver) else replace(row, status=RunStatus.CRASHED.value)


def _describe_commit(row: RunRow) -> str:
    if not row.git_commit:
        return ""
    return row.git_commit[:_COMMIT_SHOWN] + (" + changes" if row.git_dirty else "")


def _log_of(view: StoreView, run: str, node: str) -> Path:
    """Return the file that holds what a node printed; of a reused node, of the run that executed it.

    Raises:
        NotRecordedError: There is no such node, or it printed nothing.
    """
    details = details_of(view.reader, run)
    if node not in details:
        raise NotRecordedError.for_node(run, node, list(details))
    found = details[node]
    if found.from_run is not None and found.from_node is not None:
        found = details_of(view.reader, found.from_run)[found.from_node]
    outcome = next(row.outcome for row in nodes_of(view.reader, run) if row.node == node)
    if found.log is None:
        raise NotRecordedError.for_log(run, node, outcome, lost="")
    path = (view.folder.path / found.log).resolve()
    if not path.is_relative_to(view.folder.runs.resolve()) or not path.is_file():
        raise NotRecordedError.for_log(run, node, outcome, lost=found.log)
    return path


def _print_log(path: Path) -> None:
    # Bytes as they are: a step may print what no encoding has.
    sys.stdout.flush()
    with open(path, "rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()
