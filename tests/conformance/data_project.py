"""A project in which every case of changed data has steps of its own, so that two runs of it serve all cases.

What is edited on disk between the runs: expressions in the pipeline's text, files, folders and links, wiring.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.data_rewirings import REWIRINGS
from tests.conformance.data_tables import IMPORTS, PARAMETERS, VALUES, Difference
from tests.conformance.project_folder import Project
from tests.journeys.project import Outcome

VALUE_STEPS = """

@fk.step
def make_{n}() -> {hint}:
    return {value}


@fk.step
def make_same_{n}() -> {hint}:
    {same}


@fk.step
def take_{n}(value: {hint}) -> str:
    return type(value).__name__
"""

EVERYTHING = '''"""All cases of data in one run."""

import flowkit as fk
from pipelines.parameters import parameters
from pipelines.rewirings import rewirings
from pipelines.values import values


@fk.pipeline
def everything() -> None:
    values()
    parameters()
    rewirings()
'''

PARAMETER_STEP = """

@fk.step
def keep_{n}(value: {hint}) -> str:
    return type(value).__name__
"""


def write_values(project: Project, cases: Sequence[Difference], *, edited: bool) -> None:
    """Write the pipeline of values: each case has a producer and its consumer, and the same of an equal value.

    The producer of the equal value is edited as well, and gives what it gave before.
    """
    steps, calls = [], []
    for n, case in enumerate(cases):
        value = case.after if edited else case.before
        same = f"value: Any = {case.before}\n    return value" if edited else f"return {case.before}"
        steps.append(VALUE_STEPS.format(n=n, hint=case.hint, value=value, same=same))
        calls += [f"take_{n}(make_{n}())", f'take_{n}.named("take_same_{n}")(make_same_{n}())']
    _write_pipeline(project, "values", steps, calls)


def write_parameters(project: Project, cases: Sequence[Difference], *, edited: bool) -> None:
    """Write the pipeline of parameters: each case has a step that is called with one, and with the first one beside."""
    steps = [PARAMETER_STEP.format(n=n, hint=case.hint) for n, case in enumerate(cases)]
    calls = []
    for n, case in enumerate(cases):
        calls.append(f"keep_{n}({case.after if edited else case.before})")
        calls.append(f'keep_{n}.named("keep_same_{n}")({case.before})')
    _write_pipeline(project, "parameters", steps, calls)


def _write_pipeline(project: Project, name: str, steps: Sequence[str], calls: Sequence[str]) -> None:
    body = "".join(f"    {call}\n" for call in calls)
    project.write(f"pipelines/{name}.py", f"{IMPORTS}{''.join(steps)}\n\n@fk.pipeline\ndef {name}() -> None:\n{body}")


def write_data(project: Project) -> None:
    """Write the files and folders that cases are about."""
    data = project.root / "data"
    for name in ("byte", "anew"):
        (data / name).write_bytes(bytes(range(200)))
    for name in ("below", "added", "empty", "renamed", "swapped", "links", "deep", "beside"):
        (data / name / "sub").mkdir(parents=True)
        (data / name / "x").write_text("the content of x")
        (data / name / "z").write_text("that of z is another")
    (data / "links" / "l").symlink_to("x")
    (data / "linked").symlink_to("beside/x")
    (data / "where").symlink_to("beside")
    for name in ("same.txt", "equal.txt"):
        (data / name).write_text("one and the same")
    for name in ("folder", "twin"):
        shutil.copytree(data / "beside", data / name)


def write_rewirings(project: Project, *, edited: bool) -> None:
    """Write the pipeline of files and wiring, before or after its edits."""
    steps = []
    for case in REWIRINGS:
        assert case.edit is None or case.edit[0] in case.steps
        steps.append(case.steps.replace(*case.edit) if edited and case.edit else case.steps)
    calls = [line for case in REWIRINGS for line in (case.after if edited and case.after else case.before)]
    _write_pipeline(project, "rewirings", steps, calls)


def make_edited(root: Path) -> Outcome:
    """Run the three pipelines as one, edit all that they are about, run them again, and return what that run did."""
    project = Project.make(root)
    write_data(project)
    project.write("pipelines/everything.py", EVERYTHING)
    for edited in (False, True):
        write_values(project, VALUES, edited=edited)
        write_parameters(project, PARAMETERS, edited=edited)
        write_rewirings(project, edited=edited)
        if edited:
            for case in REWIRINGS:
                case.change(project.root / "data")
        done = project.run("everything")
    return done
