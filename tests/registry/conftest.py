from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkit.lineage.writer import LineageWriter
from tests.lineage.samples import make_run, open_writer


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "lineage.db"


@pytest.fixture
def writer(database: Path) -> Iterator[LineageWriter]:
    """A writer in whose database the run `run-1` of `taxi` has begun."""
    with open_writer(database) as writer:
        writer.begin_run(make_run())
        yield writer
