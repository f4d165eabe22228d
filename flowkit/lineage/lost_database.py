"""A store whose database is lost: found before a new one is made in its place."""

from __future__ import annotations

from flowkit.errors import LineageError
from flowkit.lineage.connection import opening
from flowkit.store.folder import StoreFolder


def refuse_lost_database(folder: StoreFolder) -> None:
    """Refuse a store that has content and no database: a new one would forget its runs, models and audit log.

    Raises:
        LineageError: It is such a store.
    """
    database = folder.database
    with opening(database):
        lost = not database.exists() or (database.is_file() and database.stat().st_size == 0)
        if lost and any(folder.blobs.glob("*/*")):
            raise LineageError.for_lost_database(database, empty=database.exists())
