"""A copied project gives steps all that they find by relative paths, at another path, and goes without a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.execution import project_copy
from flowkit.execution.project_copy import ProjectCopy


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "work/shop"
    (root / "data/deep").mkdir(parents=True)
    (root / ".flowkit/blobs").mkdir(parents=True)
    (root / ".flowkit/lineage.db").touch()
    (root / "pipelines/__pycache__").mkdir(parents=True)
    (root / "pipelines/__pycache__/shop.pyc").touch()
    (root / "env").mkdir()
    (root / "env/pyvenv.cfg").touch()
    (root / "pipelines/shop.py").write_text("X = 1\n")
    (root / "data/deep/small.csv").write_text("a\n1\n")
    (root / "data/large.bin").write_bytes(bytes(2_000_000))
    (root / "data/link").symlink_to("deep")
    (root.parent / "beside.txt").write_text("beside")
    return root


def test_relative_paths_lead_to_the_same_content_within_and_out_of_a_copy(project: Path) -> None:
    """Small files are copies, large ones and links lead to the real ones, and so do paths out of the project.

    A folder lists the same names as the real one: for the store and for compiled code there are empty folders.
    """
    with ProjectCopy(project, [project / ".flowkit"]) as copy:
        root = copy.root
        assert root != project
        assert root.name == project.name
        small = root / "data/deep/small.csv"
        assert small.read_text() == "a\n1\n"
        assert not small.is_symlink()
        assert small.stat().st_mtime_ns == (project / "data/deep/small.csv").stat().st_mtime_ns
        assert (root / "data/large.bin").resolve() == project / "data/large.bin"
        assert (root / "data/link/small.csv").read_text() == "a\n1\n"
        assert (root / "../beside.txt").read_text() == "beside"
        assert sorted(os.listdir(root)) == [".flowkit", "data", "env", "pipelines"]
        assert os.listdir(root / ".flowkit") == []
        assert (root / "env").is_symlink()
        assert sorted(os.listdir(root / "pipelines")) == ["__pycache__", "shop.py"]
        small.write_text("changed")
        assert [len(files) for _, _, files in os.walk(root / "data")] == [1, 1]
    assert not root.exists()
    assert (project / "data/deep/small.csv").read_text() == "a\n1\n"
    assert (project / "data/large.bin").stat().st_size == 2_000_000


def test_an_input_has_another_path_with_its_own_base_name(project: Path, tmp_path: Path) -> None:
    """Files of the project and from elsewhere are handed over under other paths; what is missing stays missing."""
    with ProjectCopy(project) as copy:
        for path in (
            project / "data/deep/small.csv",
            project / "data",
            project.parent / "beside.txt",
            project / "../beside.txt",
            Path("/etc/passwd"),
        ):
            place = copy.place_of(path)
            assert place != path
            assert place.name == path.name
            assert place.exists()
            assert place.is_dir() or place.read_bytes() == path.read_bytes()
        for path in (tmp_path / "missing.csv", Path("/"), project / "..", project / "no/such/file"):
            assert copy.place_of(path) == path


def test_large_projects_are_linked_rather_than_copied(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many entries a folder is one link, and after so many bytes every file is."""
    monkeypatch.setattr(project_copy, "MOST_ENTRIES", 2)
    monkeypatch.setattr(project_copy, "MOST_COPIED", 0)
    with ProjectCopy(project, [project / ".flowkit"]) as copy:
        assert (copy.root / "pipelines").is_symlink()
        assert (copy.root / "pipelines/shop.py").read_text() == "X = 1\n"
        assert (copy.root / "data/deep/small.csv").read_text() == "a\n1\n"


def test_temporary_files_in_the_project_are_not_copied_into_themselves(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where TMPDIR lies in the project, the copy leaves itself out."""
    monkeypatch.setattr("tempfile.tempdir", str(project / "data"))
    with ProjectCopy(project) as copy:
        inner = copy.root / "data"
        assert not [name for name in os.listdir(inner) if name.startswith("flowkit-verify-")]


@pytest.mark.slow
def test_the_copy_of_a_killed_verification_is_removed_by_the_next(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A copy whose owner is dead goes when the next one is made, or the next run starts; those of the living stay."""
    program = (
        "import sys, time; from pathlib import Path; from flowkit.execution.project_copy import ProjectCopy\n"
        "with ProjectCopy(Path(sys.argv[1])) as copy:\n"
        "    print(copy.root, flush=True); time.sleep(60)"
    )
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    owners = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(project)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    try:
        killed, living = (Path((owner.stdout or sys.stdin).readline().strip()) for owner in owners)
        owners[0].kill()
        owners[0].wait()
        assert killed.is_dir()

        with ProjectCopy(project):
            assert not killed.exists()
            assert living.is_dir()
        assert [path for path in folder.iterdir() if path not in living.parents] == []
    finally:
        for owner in owners:
            owner.kill()
            owner.communicate()
