from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkit.store import LocalStore, StoreFolder


@pytest.fixture
def folder(tmp_path: Path) -> StoreFolder:
    return StoreFolder.create_or_open(tmp_path / ".flowkit")


@pytest.fixture(params=[0, 64 << 20], ids=["disk", "memory"])
def store(request: pytest.FixtureRequest, folder: StoreFolder) -> LocalStore:
    return LocalStore(folder, memory_bytes=request.param)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="flowkit-store-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
