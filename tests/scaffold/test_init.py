"""`flowkit init`: what it writes, what it refuses, and that the new project works from nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from flowkit.cli.main import run_command
from flowkit.scaffold.origin import is_on_this_machine, own_requirement, requirement_of
from flowkit.scaffold.project import TEMPLATES

ROOT = Path(__file__).parents[2]
FILES = {
    ".github/workflows/test.yml",
    ".gitignore",
    "Makefile",
    "README.md",
    "pipelines/__init__.py",
    "pipelines/diabetes.py",
    "pyproject.toml",
    "tests/__init__.py",
    "tests/test_diabetes.py",
}


def files_in(folder: Path) -> set[str]:
    """Return the files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def perform(folder: Path, *command: str, **variables: str) -> str:
    """Run a command there and return what it printed; it must succeed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_writes_the_project_and_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file is there and named, no placeholder is left, and the next commands are told."""
    assert run_command(["init", str(tmp_path / "deep" / "my churn")]) == 0
    root = tmp_path / "deep" / "my churn"
    assert files_in(root) == FILES
    assert not [path for path in FILES if "{{" in (root / path).read_text()]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert project["name"] == "my-churn"
    assert project["dependencies"][0].startswith("flowkit-pipelines @ file://")
    printed = capsys.readouterr().out
    assert "make run && make test" in printed
    assert "change it in pyproject.toml" in printed


def test_json_lists_what_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The current folder is the default, and files beside the new ones may be there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    assert run_command(["init", "--name", "churn", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["name"], told["root"]) == (1, "churn", str(tmp_path))
    assert set(told["files"]) == FILES


@pytest.mark.parametrize("taken", ["README.md", "pipelines", "tests/test_diabetes.py"])
def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str) -> None:
    """A file in the way is named, and then nothing at all is written; its content stays."""
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("mine")
    assert run_command(["init", str(tmp_path)]) == 2
    assert taken in capsys.readouterr().err
    assert files_in(tmp_path) == {taken}
    assert (tmp_path / taken).read_text() == "mine"


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 101, 'x"\ny = 1'])
def test_a_name_that_no_project_may_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The name goes into TOML, so only what a distribution may be called is taken."""
    assert run_command(["init", str(tmp_path / "p"), f"--name={name}"]) == 2
    assert "cannot be called" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "p").write_text("a file")
    assert run_command(["init", str(tmp_path / "p" / "q")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("recorded", "wanted"),
    [
        ({"url": "file:///src/fk", "dir_info": {"editable": True}}, "flowkit-pipelines @ file:///src/fk"),
        ({"url": "file:///src/fk", "dir_info": {}}, "flowkit-pipelines @ file:///src/fk"),
        (
            {
                "url": "https://h.example/fk.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "m"},
            },
            "flowkit-pipelines @ git+https://h.example/fk.git@abc",
        ),
        (
            {"url": "https://h.example/m.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "py"},
            "flowkit-pipelines @ git+https://h.example/m.git@abc#subdirectory=py",
        ),
        (
            {"url": "ssh://git@h.example/fk.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "flowkit-pipelines @ git+ssh://git@h.example/fk.git@abc",
        ),
        (
            {"url": "https://me:secret@h.example/f.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "flowkit-pipelines @ git+https://h.example/f.git@abc",
        ),
        (
            {"url": "https://token@h.example/f.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "flowkit-pipelines @ git+https://h.example/f.git@abc",
        ),
        (
            {"url": "https://${TOKEN}@h.example/f.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "flowkit-pipelines @ git+https://${TOKEN}@h.example/f.git@abc",
        ),
        (
            {"url": "file:///w/fk-1-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "12"}}},
            "flowkit-pipelines @ file:///w/fk-1-py3-none-any.whl#sha256=12",
        ),
        ({}, "flowkit-pipelines==1.2"),
    ],
)
def test_what_was_installed_is_what_a_new_project_requires(recorded: dict[str, object], wanted: str) -> None:
    """Each kind of record of PEP 610 gives a requirement that installs the same, without secrets."""
    assert requirement_of(recorded, "1.2") == wanted
    assert is_on_this_machine(wanted) == ("file:///" in wanted)


def test_a_source_tree_is_required_as_its_folder() -> None:
    """A tree on the path is what runs, whatever else is installed."""
    assert own_requirement(ROOT / "flowkit", "1") == f"flowkit-pipelines @ {ROOT.as_uri()}"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_new_project_works_from_nothing(tmp_path: Path) -> None:
    """`make test` and `make run` in an environment that pip makes; style and types pass; the model is promoted.

    The wheel that pip builds holds the templates and the marker for type checkers, so a project can make a project.
    """
    tools = Path(sys.executable).parent
    churn = tmp_path / "churn"
    perform(tmp_path, sys.executable, "-m", "flowkit", "init", "churn", PYTHONPATH=str(ROOT))
    # What is imported is compiled then; compiling all that is installed takes longer than the rest of this.
    clean = {"PYTHONPATH": "", "PYTHON": sys.executable, "PIP_NO_COMPILE": "0", "PYTHONDONTWRITEBYTECODE": ""}
    assert "6 passed" in perform(churn, "make", "test", **clean)
    assert "diabetes:1 → diabetes@champion  accepted" in perform(churn, "make", "run", **clean)
    assert "reused" in perform(churn, "make", "run", **clean)
    perform(churn, "make", "types", "lint", **clean)
    python = str(churn / ".venv" / "bin" / "python")
    perform(churn, str(tools / "pyright"), "--pythonpath", python, **clean)
    told = perform(tmp_path, python, "-m", "flowkit", "init", "second", "--json", **clean)
    assert json.loads(told)["requirement"] == f"flowkit-pipelines @ {ROOT.as_uri()}"
    assert files_in(tmp_path / "second") == FILES


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_wheel_holds_the_templates_and_the_marker(tmp_path: Path) -> None:
    """What is no Python module travels too."""
    perform(ROOT, sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), ".")
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "flowkit/py.typed" in names
    assert {f"flowkit/templates/project/{path}" for path in files_in(TEMPLATES)} <= names
