from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import Tell, caller
from tests.old_stores import make_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store: two files, a promoted model and a refused one, a failure, a log."""
    folder = make_project(tmp_path / "project")
    monkeypatch.chdir(folder)
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
