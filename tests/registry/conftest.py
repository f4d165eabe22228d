from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkit.lineage.writer import LineageWriter
from tests.lineage.samples import make_run, open_writer


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "lineage.db"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its schema and nothing else, made once: migrations would be most of these tests' time."""
    path = tmp_path_factory.mktemp("empty") / "lineage.db"
    open_writer(path).close()
    return path


@pytest.fixture
def writer(database: Path, empty_database: Path) -> Iterator[LineageWriter]:
    """A writer in whose database the run `run-1` of `taxi` has begun."""
    shutil.copy(empty_database, database)
    with open_writer(database) as writer:
        writer.begin_run(make_run())
        yield writer
