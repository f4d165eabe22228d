"""The docstrings of the public names: what the reference is made from."""

from __future__ import annotations

import doctest
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowkit

from .blocks import ROOT

NAMES = [name for name in flowkit.__all__ if not name.startswith("_")]
DATA = frozenset({"Untracked"})
"""Names that are no function or class: the reference describes them itself."""
GIVEN = frozenset({"Run", "Promotion"})
"""Classes that a person is given and never makes."""

RUN_EXAMPLES = """
import doctest, sys
import flowkit
failed = 0
for name in sys.argv[1:]:
    for example in doctest.DocTestFinder().find(getattr(flowkit, name), name, globs={}):
        failed += doctest.DocTestRunner().run(example).failed
sys.exit(failed > 0)
"""


@pytest.mark.parametrize("name", sorted(set(NAMES) - DATA))
def test_a_docstring_says_what_a_caller_needs(name: str) -> None:
    """A public name has a docstring that describes each argument that it does not just pass on, and an example."""
    value = getattr(flowkit, name)
    text = inspect.getdoc(value) or ""
    assert text
    parameters = {parameter.lstrip("*") for parameter in inspect.signature(value).parameters} - {"function"}
    told = text.split("Args:")[-1] + text.split("\n\n")[0]
    if name not in GIVEN:
        assert {parameter for parameter in parameters if parameter not in told} == set()
        assert "Example:" in text


@pytest.mark.slow
def test_the_examples_of_docstrings_come_out_as_shown(tmp_path: Path) -> None:
    """What stands behind `>>>` in the docstring of a public name gives what stands below it."""
    (tmp_path / "pyproject.toml").write_text("")
    names = sorted(set(NAMES) - DATA)
    done = subprocess.run(
        [sys.executable, "-c", RUN_EXAMPLES, *names],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FLOWKIT_WORKERS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_examples_are_found() -> None:
    """The finder sees examples through the lazy names; without any, the test above would prove nothing."""
    finder = doctest.DocTestFinder()
    with_examples = {
        name
        for name in set(NAMES) - DATA
        if any(test.examples for test in finder.find(getattr(flowkit, name), name, globs={}))
    }
    assert len(with_examples) > len(NAMES) / 2
