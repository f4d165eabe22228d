"""Edit real files, run again in a fresh process, and look at which nodes executed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.ids import PACKAGE
from tests.journeys.project import OrdersProject

ORDERS = "pipelines/orders.py"


@pytest.fixture
def project(tmp_path: Path) -> OrdersProject:
    project = OrdersProject.make(tmp_path / "orders")
    first = project.run()
    assert first.code == 0, first.err
    assert first.named("executed") == ["read", "amounts", "total", "count"]
    return project


EDITS = [
    ("a constant in a helper", "cleaning.py", 'lstrip("$")', 'lstrip("$€")', ["amounts"], "code"),
    ("an operator in a step", ORDERS, "* scale", "/ scale", ["amounts"], "code"),
    ("a global that a step reads", "cleaning.py", "RATE = 2", "RATE = 3", ["count"], "code"),
    ("a default", ORDERS, "scale: float = 1.0) -> list", "scale: float = 9.0) -> list", ["amounts"], "code"),
    ("the data", "data/orders.txt", "$3", "$4", ["read", "amounts", "total", "count"], "input"),
    ("a type from int to bool", "cleaning.py", "RATE = 2", "RATE = True", ["count"], "code"),
]


@pytest.mark.parametrize(("what", "file", "old", "new", "executed", "reason"), EDITS, ids=[edit[0] for edit in EDITS])
def test_an_edit_runs_what_it_reaches(
    project: OrdersProject, what: str, file: str, old: str, new: str, executed: list[str], reason: str
) -> None:
    """Exactly the steps that reach what was edited run again, and what they feed where their bytes changed."""
    project.edit(file, old, new)

    again = project.run()

    assert set(executed) <= set(again.named("executed"))
    assert next(name for name in again.named("executed") if again.nodes[name]["reason"] == reason) == executed[0]
    untouched = {"read", "amounts", "count"} - set(executed)
    assert untouched <= set(again.named("reused"))


NO_EDITS = [
    ("a comment", "cleaning.py", "RATE = 2", "# what a rate is\nRATE = 2"),
    ("white space", "pipelines/orders.py", "return sum(numbers)", "return  sum( numbers )"),
    ("a docstring", "cleaning.py", "    return float", '    """Return the number."""\n    return float'),
    ("lines moved", "pipelines/orders.py", "@fk.step\ndef read", "\n\n\n@fk.step\ndef read"),
    ("an unrelated function", "cleaning.py", "text.upper()", "text.lower()"),
    ("an option", "pipelines/orders.py", "@fk.step\ndef total", '@fk.step(retries=2, tags=("x",))\ndef total'),
]


@pytest.mark.parametrize(("what", "file", "old", "new"), NO_EDITS, ids=[edit[0] for edit in NO_EDITS])
def test_what_does_not_count_runs_nothing(project: OrdersProject, what: str, file: str, old: str, new: str) -> None:
    """Layout, comments, docstrings, unrelated code and options that do not change the result."""
    project.edit(file, old, new)

    assert project.run().named("executed") == []


def test_the_projects_folder_and_the_working_directory_do_not_count(project: OrdersProject, tmp_path: Path) -> None:
    """A project that was moved, run from elsewhere, still hits."""
    moved = OrdersProject(tmp_path / "elsewhere" / "orders")
    shutil.copytree(project.root, moved.root)

    run = moved.flowkit("run", str(moved.root / "pipelines/orders.py"), "--inline", "--json", cwd=tmp_path)

    assert run.code == 0, run.err
    assert run.named("executed") == []


def test_a_parameter_runs_only_what_it_reaches(project: OrdersProject) -> None:
    """`-p scale=2` runs the amounts and their total; going back hits again."""
    changed = project.run("-p", "scale=2")
    back = project.run()

    assert changed.named("executed") == ["amounts", "total"]
    assert changed.nodes["amounts"]["detail"] == "scale: 1.0 → 2.0"
    assert back.named("executed") == []


def test_why_shows_the_helper_that_changed_as_a_diff(project: OrdersProject) -> None:
    """The reason comes with the reached function and both of its texts."""
    project.edit("cleaning.py", 'lstrip("$")', 'lstrip("$€")')

    why = project.flowkit("why", "pipelines/orders.py", "amounts", "--json")

    assert why.code == 0, why.err
    assert why.json["reason"] == "code"
    (change,) = why.json["changes"]
    assert change["name"] == "helper cleaning:strip_currency"
    assert '-    return float(text.lstrip("$"))' in change["diff"]
    assert '+    return float(text.lstrip("$€"))' in change["diff"]


def test_a_broken_step_is_mended_and_rerun(project: OrdersProject) -> None:
    """The failed run prints the user's frames and the command that goes on; only what failed and what it feeds runs."""
    project.edit("pipelines/orders.py", "return sum(numbers)", 'raise RuntimeError("no total today")')
    project.edit("data/orders.txt", "$3", "$5")
    failed = project.flowkit("run", "pipelines/orders.py", "--inline")

    assert failed.code == 1
    said = failed.out + failed.err
    assert 'raise RuntimeError("no total today")' in said
    assert PACKAGE not in said
    command = next(line for line in said.splitlines() if "flowkit rerun" in line)

    project.edit("pipelines/orders.py", 'raise RuntimeError("no total today")', "return sum(numbers)")
    run_id = command.split("flowkit rerun")[1].split()[0].rstrip(".,`")
    again = project.flowkit("rerun", run_id, "--inline", "--json")

    assert again.code == 0, again.err
    assert again.named("executed") == ["total"]
