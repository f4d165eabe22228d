"""A notebook, executed by a real kernel: steps that are defined in cells, run, edited and run again."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.docs.blocks import ROOT, blocks_of

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

STEPS = """
import os

import flowkit as fk

FACTOR = 2


def helper(number: int) -> int:
    return number * FACTOR


@fk.step
def source(n: int = 3) -> list[int]:
    return list(range(n))


@fk.step
def doubled(numbers: list[int]) -> list[int]:
    return [helper(number) for number in numbers]


@fk.step(cache=False)
def host() -> int:
    return os.getpid()


@fk.pipeline
def counting(n: int = 3) -> None:
    doubled(source(n))
    host()
"""

RUN = """
run = session.run(counting)
print({name: run[name].outcome.value for name in run.nodes}, run["doubled"].value(), run["host"].value() != os.getpid())
"""

EDITED = """
@fk.step
def doubled(numbers: list[int]) -> list[int]:
    return [helper(number) + 1 for number in numbers]
"""


def execute(folder: Path, *cells: str) -> list[str]:
    """Return what each cell printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells])
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [
        "".join(output["text"] for output in cell["outputs"] if output.get("name") == "stdout").strip()
        for cell in notebook.cells
    ]


def project(folder: Path) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "cells"\nversion = "0"\n')
    return folder


def test_editing_a_cell_runs_only_what_changed(tmp_path: Path) -> None:
    """A step, or a helper, that a cell defines again runs its new code on warm workers; the rest is reused."""
    said = execute(
        project(tmp_path / "cells"),
        STEPS,
        "session = fk.Session(workers=1)",
        RUN,
        RUN,
        EDITED,
        RUN,
        "def helper(number: int) -> int:\n    return number * 10",
        RUN,
        "first = session.run(counting)['host'].value(); second = session.run(counting)['host'].value()\n"
        "print(first == second)",
        "print(session.last(counting)['doubled'].value(), fk.Session.last(counting).status.value)",
        "session.close()",
    )

    executed = "{'source': 'executed', 'doubled': 'executed', 'host': 'executed'} [0, 2, 4] True"
    assert said[2] == executed
    assert said[3] == executed.replace("'executed'", "'reused'", 2)
    assert said[5] == "{'source': 'reused', 'doubled': 'executed', 'host': 'executed'} [1, 3, 5] True"
    assert said[7] == "{'source': 'reused', 'doubled': 'executed', 'host': 'executed'} [1, 11, 21] True"
    assert said[8] == "True", "the second run had a step host of its own"
    assert said[9] == "[1, 11, 21] succeeded"


def test_a_failed_cell_says_why_and_the_next_edit_mends_it(tmp_path: Path) -> None:
    """A failed run is returned; `.value()` of its node raises with the reason; the mended cell runs that node alone."""
    said = execute(
        project(tmp_path / "broken"),
        STEPS,
        "helper = lambda number: number / 0\nrun = fk.run(counting)\nprint(run.status.value, run['source'].outcome)",
        "try:\n    run['doubled'].value()\nexcept fk.FlowkitError as error:\n    print(error)",
        "helper = lambda number: number\nrun = fk.run(counting)\n"
        "print(run.status.value, run['source'].outcome.value, run['doubled'].value())",
        "class Own(Exception):\n    pass\n\ndef helper(number):\n    raise Own('mine')\n",
        "try:\n    fk.run(counting)['doubled'].value()\nexcept fk.FlowkitError as error:\n    print(error)",
    )

    assert "raised Own: mine" in said[5]
    assert said[1].startswith("failed executed")
    assert "ZeroDivisionError" in said[2]
    assert said[3] == "succeeded reused [0, 1, 2]"


def test_the_guide_works_as_a_notebook(tmp_path: Path) -> None:
    """The cells of the page on notebooks, executed one after the other in one kernel, hold what they assert."""
    blocks = blocks_of(ROOT / "docs" / "how-to" / "notebook.md")
    (text,) = [block.text for block in blocks if block.language == "python"]
    cells = re.split(r"^# Cell \d.*$", text, flags=re.MULTILINE)[1:]
    assert len(cells) == 4

    execute(project(tmp_path / "explore"), *cells)
