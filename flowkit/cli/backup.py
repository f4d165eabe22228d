"""`backup`: a copy of the store in one file, and a store made of such a file."""

from __future__ import annotations

from pathlib import Path

import click

import flowkit
from flowkit.cli import options
from flowkit.cli.render.backups import BytesProgress, print_backup, print_restored
from flowkit.cli.render.output import print_json
from flowkit.config import load_settings
from flowkit.errors import BackupUseError
from flowkit.housekeeping.backups.making import make_backup
from flowkit.housekeeping.backups.restoring import restore_backup
from flowkit.project import Project
from flowkit.store.folder import StoreFolder


@click.command(epilog=options.example("flowkit backup /mnt/safe/taxi.tar", "flowkit backup --restore taxi.tar"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--restore", is_flag=True, help="Make a store of FILE, in a folder that is not there or is empty.")
@click.option("--force", is_flag=True, help="Replace FILE where it exists, once the new backup is whole.")
@click.option(
    "--allow-missing", is_flag=True, help="Leave out what is gone from the store or damaged, instead of refusing."
)
@options.looking_back
def backup(
    file: Path, restore: bool, force: bool, allow_missing: bool, env: str | None, store: Path | None, as_json: bool
) -> int:
    """Copy the store into one file, or make a store of such a file.

    The backup holds the database as it is at one moment, all content that it names, and the logs; runs may go on
    meanwhile. FILE is a tar archive, compressed where its name ends in .gz. Every value is hashed on the way: where one
    is gone or damaged no backup is made, and the exit code is 4.

    With --restore all of FILE is checked before it becomes the store, on this or another machine. Values are reused
    there, and runs that had not ended are crashed. A store can run code when its values are loaded: restore only what
    you would trust as your own store.
    """
    project = Project.containing(Path.cwd())
    place = load_settings(project, env, {"store": store}).store
    if restore:
        if force or allow_missing:
            raise BackupUseError.for_force_on_restore()
        return _restore(file, place, as_json=as_json)
    with BytesProgress() as progress:
        report = make_backup(
            StoreFolder.open(place), file, flowkit.__version__, progress.told, force=force, partly=allow_missing
        )
    if as_json:
        print_json(report.to_json())
    else:
        print_backup(report)
    return 0


def _restore(file: Path, place: Path, *, as_json: bool) -> int:
    with BytesProgress() as progress:
        report = restore_backup(file, place, progress.told)
    if as_json:
        print_json(report.to_json())
    else:
        print_restored(report)
    return 0
