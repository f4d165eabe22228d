"""What a command that looks back opens: the store of the project around the current folder, for reading only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from flowkit.config import Settings, load_settings
from flowkit.lineage.lost_database import refuse_lost_database
from flowkit.lineage.reader import Reader
from flowkit.project import Project
from flowkit.store.folder import StoreFolder


class StoreView(Struct, frozen=True):
    """A store opened for reading."""

    project: Project
    settings: Settings
    folder: StoreFolder
    reader: Reader


@contextmanager
def open_store(env: str | None, store: Path | None) -> Iterator[StoreView]:
    """Yield the store of the current project.

    Args:
        env: What `--env` was given.
        store: What `--store` was given.

    Raises:
        StoreError: There is none, or it cannot be read.
    """
    project = Project.containing(Path.cwd())
    settings = load_settings(project, env, {"store": store})
    folder = StoreFolder.open(settings.store)
    refuse_lost_database(folder)
    with Reader(folder.database) as reader:
        yield StoreView(project, settings, folder, reader)
