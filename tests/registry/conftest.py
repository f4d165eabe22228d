"""The registry writes into the database of lineage."""

from tests.lineage.conftest import database, empty_database, writer

__all__ = ["database", "empty_database", "writer"]
