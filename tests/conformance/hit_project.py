"""A project in which every case of a harmless change has steps of its own, so that few runs of it serve all cases."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.data_project import write_parameters, write_values
from tests.conformance.hit_tables import EQUAL_PARAMETERS, EQUAL_VALUES, HARMLESS, HEAD
from tests.conformance.project_folder import Project
from tests.journeys.project import Outcome

HITS = '''"""All cases of harmless changes in one run."""

from pathlib import Path

import flowkit as fk
{imports}
from pipelines.parameters import parameters
from pipelines.values import values


@fk.pipeline
def hits() -> None:
    values()
    parameters()
{calls}
'''


def write_hits(project: Project, *, edited: bool) -> None:
    """Write all texts, before or after their edits; files are changed as well."""
    write_values(project, EQUAL_VALUES, edited=edited)
    write_parameters(project, EQUAL_PARAMETERS, edited=edited)
    calls = []
    for case in HARMLESS:
        text = HEAD + (case.after if edited and case.after else case.before)
        project.write(f"harmless/{case.step}.py", text)
        calls.append(f"    {case.step}{case.call_after if edited and case.call_after else case.call}")
    project.write("harmless/unrelated.py", f"VALUE = {2 if edited else 1}\n")
    if edited:
        project.write("harmless/new.py", "import harmless.unrelated\n")
        for case in HARMLESS:
            case.change(project.root)
    imports = "\n".join(f"from harmless.{case.step} import {case.step}" for case in HARMLESS)
    project.write("pipelines/hits.py", HITS.format(imports=imports, calls="\n".join(calls)))


def make_hits(root: Path) -> tuple[Project, Outcome]:
    """Run the project, make every harmless change, run it again, and return what that run did."""
    project = Project.make(root)
    for name in ("touched", "copied"):
        project.write(f"data/{name}", "content")
    for name in ("below", "recopied"):
        project.write(f"data/{name}/x", "content of x")
        project.write(f"data/{name}/sub/y", "content of y")
    write_hits(project, edited=False)
    project.run("hits")
    write_hits(project, edited=True)
    return project, project.run("hits", "-v")


@dataclass(frozen=True)
class Known:
    """What identifies the result of a node: the key it is found by, and the digests of what it gave."""

    key: str
    artifacts: tuple[str, ...]


def known_nodes(done: Outcome) -> dict[str, Known]:
    """Return what identifies the result of each node of a run."""
    return {name: Known(node["cache_key"], _artifacts_of(node)) for name, node in done.nodes.items()}


def _artifacts_of(node: dict[str, Any]) -> tuple[str, ...]:
    return tuple(output["artifact"] for output in node["outputs"])
