from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from flowkit.lineage.schema import SCHEMA_VERSION
from tests.commands import ROOT, Tell, caller

STORES = ROOT / "tests" / "golden" / "stores"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store: two files, a promoted model and a refused one, a failure, a log."""
    folder = tmp_path / "project"
    shutil.copytree(STORES / "project", folder)
    with tarfile.open(max(STORES.glob("schema-*.tar.xz"), key=lambda path: path.name)) as archive:
        archive.extractall(folder, filter="tar")
    (folder / "store").rename(folder / ".flowkit")
    monkeypatch.chdir(folder)
    assert SCHEMA_VERSION < 10, "sort the names above by number"
    return folder


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command in this process."""
    return caller(capsys)


@pytest.fixture
def backup(project: Path, tell: Tell) -> Path:
    """A backup of the project's store."""
    assert tell("backup", "good.tar").code == 0
    return project / "good.tar"
