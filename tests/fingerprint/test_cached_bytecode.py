"""Bytecode that Python has cached never speaks for a text that it was not made from."""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from flowkit.targets import load_target
from tests.fingerprint.projects import imported, write_project

PIPELINE = """
from typing import Annotated

import flowkit as fk
import pandas as pd

from helpers import LIMIT, T, helper

@fk.step
def constant() -> int:
    return LIMIT

@fk.step
def called() -> int:
    return helper()

@fk.step
def checked() -> Annotated[pd.DataFrame, T]:
    return pd.DataFrame({"x": [7]})

@fk.pipeline
def main() -> None:
    constant(); called(); checked()
"""
HELPERS = """
import pandera.pandas as pa
LIMIT = 1
def helper(): return 1
class T(pa.DataFrameModel):
    x: int = pa.Field(ge=1)
"""


def _edit_keeping_times(file: Path, old: str, new: str) -> None:
    """Write a text of the same size, as a copy that keeps times would."""
    status = os.stat(file)
    text = file.read_text()
    assert old in text
    assert len(old) == len(new)
    file.write_text(text.replace(old, new))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _run(root: Path, *options: str) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "flowkit", "run", "main.py", "--json", *options]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return {node["node"]: node["outcome"] for node in json.loads(done.stdout)["nodes"]}


@pytest.fixture
def python_imports(monkeypatch):
    """Imports are Python's own and write bytecode, whatever was set before or is set by the test."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    hooks = [hook for hook in sys.path_hooks if hook.__module__ != "flowkit.source_imports"]
    monkeypatch.setattr(sys, "path_hooks", hooks)
    monkeypatch.setattr(sys, "path_importer_cache", {})


@pytest.mark.parametrize(
    "options",
    [pytest.param(("--inline",), marks=pytest.mark.slow), pytest.param((), marks=[pytest.mark.slow, pytest.mark.long])],
    ids=["inline", "workers"],
)
def test_an_edit_that_keeps_size_and_times_runs_again(options, tmp_path):
    """The new text runs, and nothing is reused or refused because of the old one's bytecode."""
    write_project(tmp_path, {"main.py": PIPELINE, "helpers.py": HELPERS})
    compileall.compile_dir(tmp_path, quiet=1)
    assert set(_run(tmp_path, *options).values()) == {"executed"}
    for old, new in (("LIMIT = 1", "LIMIT = 2"), ("return 1", "return 2"), ("ge=1", "ge=2")):
        _edit_keeping_times(tmp_path / "helpers.py", old, new)
    assert set(_run(tmp_path, *options).values()) == {"executed"}
    assert set(_run(tmp_path, *options).values()) == {"reused"}


def test_a_file_without_a_module_name_is_loaded_from_its_text(python_imports, tmp_path):
    """A script whose name is no identifier has bytecode of its own, which is left alone."""
    text = "import flowkit as fk\nLIMIT = 1\n@fk.pipeline\ndef main() -> None: ...\n"
    file = write_project(tmp_path, {"my-main.py": text}) / "my-main.py"
    compileall.compile_file(file, quiet=1)
    _edit_keeping_times(file, "LIMIT = 1", "LIMIT = 2")
    with imported(tmp_path, "json"):
        target = load_target(str(file))
    assert target.pipeline.function.__globals__["LIMIT"] == 2


CONTRACT = """
import flowkit as fk
import pandas as pd, pandera.pandas as pa
from typing import Annotated
class T(pa.DataFrameModel):
    x: int = pa.Field(ge=1)
@fk.step
def run(x: float) -> Annotated[pd.DataFrame, T]:
    return pd.DataFrame({"x": [7]})
"""


def test_a_contract_is_proven_by_bytecode_of_the_same_text(python_imports, tmp_path):
    """An ordinary import of a contract can be verified, from its text and again from its bytecode."""
    write_project(tmp_path, {"steps.py": CONTRACT})
    found = []
    for _ in range(2):
        with imported(tmp_path) as module:
            found.append(CodeFingerprinter(Project(tmp_path)).of_step(module.run.specification))
    assert [item.uncacheable for item in found] == [None, None]
    assert found[0].digest == found[1].digest


@pytest.mark.parametrize("when", ["before the import", "after the import"])
def test_a_contract_is_not_proven_by_another_text(when, python_imports, tmp_path):
    """The text on disk is not that of the class, though its size and times are those of the bytecode."""
    file = write_project(tmp_path, {"steps.py": CONTRACT}) / "steps.py"
    os.utime(file, (1_000_000_000, 1_000_000_000))
    compileall.compile_file(file, quiet=1)
    assert Path(importlib.util.cache_from_source(str(file))).is_file()
    if when == "before the import":
        _edit_keeping_times(file, "ge=1", "ge=2")
    with imported(tmp_path) as module:
        if when == "after the import":
            _edit_keeping_times(file, "ge=1", "ge=2")
        found = CodeFingerprinter(Project(tmp_path)).of_step(module.run.specification)
    assert found.uncacheable is not None
    assert "source cannot be verified" in found.uncacheable
