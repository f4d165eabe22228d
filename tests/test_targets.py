"""Targets: each form finds its pipeline, under the module's own name, and each mistake is told with its remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.errors import FlowkitError, TargetError
from flowkit.project import Project
from flowkit.targets import load_target, project_of
from tests.ids import PACKAGE

ONE = """
import flowkit as fk

@fk.step
def load() -> int:
    return 1

@fk.pipeline
def {name}() -> None:
    load()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in its own folder, which is the current one; modules and path are put back afterwards."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) is None or str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def _write(project: Path, path: str, text: str) -> Path:
    file = project / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize("text", ["trips:back", "one:back", "trips:one"])
def test_a_name_below_pipelines_takes_a_pipeline_s_name_too(project: Path, text: str) -> None:
    """Where no module is called so, `name:pipeline` starts from the name of a file or of a pipeline in it."""
    _write(project, "pipelines/eu/trips.py", ONE.format(name="one") + ONE.format(name="back").replace("import", "#"))
    wanted = text.partition(":")[2]
    assert load_target(text).text == f"pipelines/eu/trips.py:{wanted}"


def test_a_module_goes_before_a_name_below_pipelines(project: Path) -> None:
    """`taxi:taxi` is the module where there is one."""
    _write(project, "lone_module.py", ONE.format(name="taxi"))
    _write(project, "pipelines/lone_module.py", ONE.format(name="taxi"))
    assert load_target("lone_module:taxi").text == "lone_module:taxi"


@pytest.mark.parametrize(
    "text",
    ["pipelines/taxi.py", "pipelines/taxi.py:taxi", "./pipelines/taxi.py", "taxi", "pipelines/../pipelines/taxi.py"],
)
def test_each_form_finds_the_pipeline(project: Path, text: str) -> None:
    """A file, a file with a name, and a bare name lead to one pipeline, one root and one recorded target."""
    _write(project, "pipelines/taxi.py", ONE.format(name="taxi"))
    pipeline, found, target = load_target(text)
    assert (pipeline.name, found.root, target) == ("taxi", project, "pipelines/taxi.py:taxi")
    assert pipeline.function.__module__ == "pipelines.taxi"
    assert sys.path[0] == str(project)


def test_a_module_target(project: Path) -> None:
    """`package.module:name` is imported with the root on the path, and recorded as it is."""
    _write(project, "pipelines/taxi.py", ONE.format(name="taxi"))
    assert load_target("pipelines.taxi:taxi").text == "pipelines.taxi:taxi"


def test_a_recorded_target_starts_at_the_root(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was recorded loads again from any folder, given its project."""
    _write(project, "pipelines/taxi.py", ONE.format(name="taxi"))
    monkeypatch.chdir("/")
    assert load_target("pipelines/taxi.py:taxi", Project(project)).text == "pipelines/taxi.py:taxi"


def test_the_root_is_that_of_the_target(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The project is the one around the file, not the one around the current folder."""
    _write(project, "pipelines/taxi.py", ONE.format(name="taxi"))
    monkeypatch.chdir("/")
    assert load_target(str(project / "pipelines/taxi.py")).project.root == project
    assert project_of(f"{project}/pipelines/taxi.py:taxi").root == project


def test_a_pipeline_is_found_by_its_name_without_importing_its_neighbours(project: Path) -> None:
    """A bare name is looked up in the files' text: neighbours are not run, and a broken one does not matter."""
    _write(project, "pipelines/broken.py", "import flowkit as fk\n@fk.pipeline\ndef (")
    _write(project, "pipelines/loud.py", "raise SystemExit('imported')  # pipeline")
    _write(project, "pipelines/deep/daily.py", ONE.format(name="sales"))
    named = ONE.format(name="other").replace("@fk.pipeline", "@fk.pipeline(name='by-name')")
    _write(project, "pipelines/named.py", named)
    assert load_target("sales").text == "pipelines/deep/daily.py:sales"
    assert load_target("by-name").pipeline.name == "by-name"


def test_a_bare_name_prefers_the_pipeline_of_that_name_in_its_file(project: Path) -> None:
    """`taxi` in a file `taxi.py` with several pipelines is the one called so."""
    _write(project, "pipelines/taxi.py", ONE.format(name="taxi") + "\n@fk.pipeline\ndef small() -> None:\n    load()\n")
    assert load_target("taxi").pipeline.name == "taxi"
    assert load_target("small").pipeline.name == "small"
    with pytest.raises(TargetError) as caught:
        load_target("pipelines/taxi.py")
    assert caught.value.message == "'pipelines/taxi.py' has 2 pipelines."
    assert dict(caught.value.facts)["pipelines"] == "taxi, small"
    assert "pipelines/taxi.py:taxi" in caught.value.hint


def test_an_imported_pipeline_is_not_a_file_s_own(project: Path) -> None:
    """A pipeline imported from elsewhere does not make a file ambiguous, but can be named."""
    _write(project, "pipelines/part.py", ONE.format(name="part"))
    whole = "import flowkit as fk\nfrom pipelines.part import part\n@fk.pipeline\ndef whole() -> None:\n    part()\n"
    _write(project, "pipelines/whole.py", whole)
    assert load_target("pipelines/whole.py").pipeline.name == "whole"
    assert load_target("pipelines/whole.py:part").pipeline.name == "part"


@pytest.mark.parametrize("path", ["pipelines/my-taxi.py", "2024/taxi.py", "pipelines/class.py", "json/taxi.py"])
def test_a_file_that_cannot_be_a_module_is_loaded_from_its_path(project: Path, path: str) -> None:
    """A name that is no identifier, a keyword, or one that another module owns does not stop a pipeline."""
    _write(project, path, ONE.format(name="taxi"))
    pipeline, _, target = load_target(path)
    module = pipeline.function.__module__
    assert target == f"{path}:taxi"
    assert module.startswith("flowkit_target_")
    assert str(project) not in module
    assert sys.modules[module].taxi is pipeline


def test_a_file_outside_of_the_root(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file without a project around it belongs to the current folder, and is recorded by its whole path."""
    file = tmp_path_factory.mktemp("elsewhere") / "taxi.py"
    file.write_text(ONE.format(name="taxi"))
    pipeline, found, target = load_target(str(file), Project(project))
    assert (found.root, target) == (project, f"{file}:taxi")
    assert load_target(str(file), Project(project)).pipeline is pipeline


def test_classes_have_one_identity(project: Path) -> None:
    """A class reached through the target and through an import of its module is one class."""
    _write(project, "pipelines/taxi.py", "class Trip: pass\n" + ONE.format(name="taxi"))
    code = (
        "import json, flowkit.targets as t; found = t.load_target('pipelines/taxi.py').pipeline;"
        "import pipelines.taxi as m; print(json.dumps([m.taxi is found, m.Trip.__module__]))"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, env={"PYTHONPATH": str(root)}, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == [True, "pipelines.taxi"]


MISTAKES: list[tuple[str, dict[str, str], str, list[str]]] = [
    ("pipelines/tax.py", {"pipelines/taxi.py": ""}, "There is no file 'pipelines/tax.py'", ["'pipelines/taxi.py'"]),
    ("pipelines/", {"pipelines/taxi.py": ""}, "is not a Python file", ["pipelines/taxi.py"]),
    ("txi", {"pipelines/taxi.py": ONE.format(name="ride")}, "There is no pipeline 'txi'", ["did you mean 'taxi'?"]),
    ("x", {"pipelines/a/x.py": "", "pipelines/b/x.py": ""}, "'x' could be 2 pipelines", ["pipelines/a/x.py"]),
    ("pipelines/none.py", {"pipelines/none.py": "x = 1"}, "'pipelines/none.py' has no pipeline", ["@fk.pipeline"]),
    (
        "pipelines/taxi.py:tax",
        {"pipelines/taxi.py": ONE.format(name="taxi")},
        "'pipelines/taxi.py' has no pipeline 'tax'",
        ["did you mean 'taxi'?"],
    ),
    (
        "x:ride",
        {"pipelines/a/x.py": "", "pipelines/b/x.py": ""},
        "'x:ride' could be 2 pipelines",
        ["pipelines/a/x.py:ride, pipelines/b/x.py:ride"],
    ),
    (
        "taxi:tax",
        {"pipelines/taxi.py": ONE.format(name="taxi")},
        "'pipelines/taxi.py' has no pipeline 'tax'",
        ["did you mean 'taxi'?"],
    ),
    ("no.such:taxi", {}, "There is no module 'no.such'", ["package"]),
    ("a b:taxi", {}, "There is no module 'a b'", []),
    (
        "pipelines/bad.py",
        {"pipelines/bad.py": "x = 1\ndef f(:\n    pass\n"},
        "'pipelines/bad.py' is not valid Python",
        ["pipelines/bad.py:2", "  line   def f(:\n               ^"],
    ),
    (
        "pipelines/raises.py",
        {"pipelines/raises.py": "import helper\n", "helper.py": "def f():\n    raise ValueError('no')\nf()\n"},
        "'pipelines/raises.py' cannot be imported: ValueError: no",
        ["pipelines/raises.py:1  import helper", "helper.py:3  f()", "helper.py:2  raise ValueError('no')"],
    ),
    (
        "pipelines/needs.py",
        {"pipelines/needs.py": "import not_there_at_all\n"},
        "ModuleNotFoundError: No module named 'not_there_at_all'",
        ["pipelines/needs.py:1", "install what gives 'not_there_at_all'"],
    ),
    ("pipelines/quits.py", {"pipelines/quits.py": "raise SystemExit(3)\n"}, "sys.exit(3)", ["pipelines/quits.py:1"]),
]


@pytest.mark.parametrize(("text", "files", "message", "also"), MISTAKES, ids=[case[0] for case in MISTAKES])
def test_each_mistake_names_the_place_and_the_remedy(
    project: Path, text: str, files: dict[str, str], message: str, also: list[str]
) -> None:
    """A target that cannot be loaded says what was looked for, where, and what to write; only the user's frames."""
    for path, content in files.items():
        _write(project, path, content)
    with pytest.raises(TargetError) as caught:
        load_target(text)
    assert message in caught.value.message
    for part in also:
        assert part in str(caught.value)
    assert PACKAGE not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_bad_step_is_told_by_flowkit_itself(project: Path) -> None:
    """An error that flowkit found in a step's declaration comes through as it is."""
    _write(project, "pipelines/bad.py", "import flowkit as fk\n@fk.step\ndef load():\n    return 1\n")
    with pytest.raises(FlowkitError, match="no annotation for the return value"):
        load_target("pipelines/bad.py")


def test_an_interrupt_while_importing_is_not_swallowed(project: Path) -> None:
    """Ctrl-C during a long import stops the program."""
    _write(project, "pipelines/slow.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_target("pipelines/slow.py")
