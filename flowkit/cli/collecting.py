"""`gc`: drops what is not to be kept, and what was left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from flowkit.authoring.quantities import parse_duration, parse_size
from flowkit.cli import options
from flowkit.cli.looking import StoreView, open_store
from flowkit.cli.render.collection import CollectionProgress, print_collection
from flowkit.cli.render.output import print_json
from flowkit.config import Settings
from flowkit.engine.provenance import current_user
from flowkit.errors import StepDefinitionError
from flowkit.housekeeping.collecting.collect import Collection, collect, foresee
from flowkit.housekeeping.collecting.decision import Retention
from flowkit.lineage.writer import LineageWriter


def _reads(read: Callable[[str, str], float]) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """Return a callback that reads what an option was given, as `read` does."""

    def callback(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
        try:
            return None if text is None else read(text, option.opts[0])
        except StepDefinitionError as error:
            raise click.BadParameter(error.message, context, option) from None

    return callback


@click.command(
    epilog=options.example("flowkit gc --keep-runs 5 --dry-run", "flowkit gc --keep-for 30d --max-bytes 50GB")
)
@click.option(
    "--keep-runs",
    "runs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep all that the latest N successful runs of each pipeline, and the runs since, made or used.",
)
@click.option(
    "--keep-for",
    "age",
    callback=_reads(parse_duration),
    metavar="AGE",
    help="Keep what a run used within this time, such as 30d or 12h; logs of older runs go.",
)
@click.option(
    "--max-bytes",
    "size",
    callback=_reads(parse_size),
    metavar="SIZE",
    help="Drop more until the store is no larger, such as 50GB: first what is large for the seconds that making it "
    "again takes, with all upstream that is gone too; never what cannot be made again.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and why the rest stays; change nothing.")
@options.looking_back
def gc(
    runs: int | None,
    age: float | None,
    size: int | None,
    dry_run: bool,
    env: str | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Drop what is not to be kept, and what was left behind.

    With --keep-runs and --keep-for an artifact stays that one of them keeps. Without any of the three options those of
    [tool.flowkit.retention] hold; where there are none either, only leftovers go: files that nothing names, and what
    killed processes left. The content of models in use, what is pinned and what a run needs that goes on never goes.

    A dropped artifact stays in history, and is made again when a run needs it.
    """
    with open_store(env, store) as view:
        retention = _retention(view.settings, runs, age, size)
        done = foresee(view.folder, retention) if dry_run else _collect(view, retention)
        place = str(view.folder.path)
    if as_json:
        print_json(done.to_json(place))
    else:
        print_collection(done, place)


def _retention(settings: Settings, runs: int | None, age: float | None, size: int | None) -> Retention:
    """Return what is to stay: each part as it is given, else as the project's settings say."""
    kept = settings.retention
    return Retention(
        runs if runs is not None else _whole(kept.get("runs")),
        age if age is not None else kept.get("age"),
        size if size is not None else _whole(kept.get("bytes")),
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _collect(view: StoreView, retention: Retention) -> Collection:
    with (
        LineageWriter(view.folder.database, present=view.folder.holds) as writer,
        CollectionProgress() as progress,
    ):
        return collect(view.folder, writer, retention, who=current_user(), told=progress.told)
