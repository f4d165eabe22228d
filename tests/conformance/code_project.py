"""One project of many steps on disk, each with a change of its own, run by fresh processes before and after."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.commands import ROOT, spawn
from tests.fingerprint.projects import variants

PIPELINE = "pipelines/cases.py"
SIGNATURE = "(x: float) -> str"


FOLDER = Path(__file__).with_name("code_cases")


@dataclass(frozen=True)
class CodeCase:
    """A step, and an edit after which its earlier result must not be reused.

    It is read from a section of a file in `code_cases`: what stands before the step in its module; lines that begin
    with `>>> ` for the step's body, of which the last is what it gives, `x` being its parameter; and after `--- name`
    the other files beside the module. Every text may hold `<<before||after>>`. Lines that begin with `: ` say in what
    the case is unlike most.

    Attributes:
        number: Of the case whose rule it shows.
        what: What is edited.
        texts: The files by name.
        same_result: Whether the result does not show the edit.
        whole: Whether the edit reaches all of the module, as what is imported for its effect does.
        says: What the reason's detail must name.
        reason: Of the miss.
        variables: Environment variables of the runs.
    """

    number: int
    what: str
    texts: Mapping[str, str]
    same_result: bool = False
    whole: bool = False
    says: str = ""
    reason: str = "code"
    variables: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the test's id."""
        return f"case {self.number}: {self.what}"

    @property
    def name(self) -> str:
        """The name of its step and of the package that holds its files."""
        return _name(self.number, self.what)

    def files(self, side: int) -> dict[str, str]:
        """Return its files, before (0) or after (1) the edit."""
        return {f"{self.name}/{name}": variants(text)[side] for name, text in self.texts.items()}


def read_cases(*topics: str) -> list[CodeCase]:
    """Return the cases of files in `code_cases`."""
    texts = [(FOLDER / f"{topic}.txt").read_text() for topic in topics]
    sections = re.split(r"^# case (\d+): (.*)\n", "".join(texts), flags=re.MULTILINE)[1:]
    return [_read_case(int(number), what, text) for number, what, text in zip(*[iter(sections)] * 3, strict=True)]


def firsts(cases: Iterable[CodeCase]) -> list[CodeCase]:
    """Return the first case of each number."""
    found: dict[int, CodeCase] = {}
    for case in cases:
        found.setdefault(case.number, case)
    return list(found.values())


def _read_case(number: int, what: str, section: str) -> CodeCase:
    module, *others = re.split(r"^--- (.*)\n", section.strip("\n") + "\n", flags=re.MULTILINE)
    marked: dict[str, list[str]] = {": ": [], ">>> ": [], "": []}
    for line in module.splitlines():
        mark = next(mark for mark in marked if line.startswith(mark))
        marked[mark].append(line.removeprefix(mark))
    said: dict[str, list[str]] = defaultdict(list)
    for option in marked[": "]:
        name, _, value = option.partition(" ")
        said[name].append(value)
    step = _step(_name(number, what), marked[">>> "], said)
    texts = {"__init__.py": "", **dict(zip(others[::2], others[1::2], strict=True))}
    texts["steps.py"] = "\n".join(["import flowkit as fk", "", *marked[""], "", "", *step])
    variables = dict(value.split("=", 1) for value in said["variable"])
    reason = "".join(said["reason"]) or "code"
    return CodeCase(
        number, what, texts, bool(said["same"]), bool(said["module"]), "".join(said["says"]), reason, variables
    )


def _step(name: str, body: Sequence[str], said: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines of a case's step, and of another one that its edit does not reach."""
    *statements, result = body
    statements.append(f"return {''.join(said['result']) or f'repr({result})'}")
    signature = "".join(said["signature"]) or SIGNATURE
    lines = [*(said["declared"] or ["@fk.step"]), f"def {name}{signature}:", *(f"    {line}" for line in statements)]
    return [*lines, "", "", "@fk.step", f"def {name}_control{SIGNATURE}:", "    return repr(x)", ""]


def _name(number: int, what: str) -> str:
    return f"case{number}_" + re.sub(r"\W+", "_", what).strip("_").lower()


@dataclass(frozen=True)
class Runs:
    """The nodes of the runs before the edits, after them, and of one more that finds nothing edited."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    again: Mapping[str, Any]


def run_edited(root: Path, cases: Iterable[CodeCase], *, neighbours: bool = True) -> Runs:
    """Write the cases' project, run it, make every edit, and run it twice; each run in a process of its own.

    Args:
        root: The project's folder.
        cases: The cases.
        neighbours: Whether the other step of each module runs too.
    """
    cases = list(cases)
    write(root, {"pyproject.toml": "", PIPELINE: _pipeline(cases, ("", "_control") if neighbours else ("",))})
    found = []
    for side in (0, 1, 1):
        for case in cases:
            write(root, case.files(side))
        settings = {name: variants(text)[side] for case in cases for name, text in case.variables.items()}
        found.append(run(root, **settings))
    return Runs(*found)


def run(root: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run the project's pipeline in a process of its own and return its nodes by name."""
    done = spawn(root, "run", PIPELINE, "--inline", "--json", *arguments, **variables)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    failed = [(node["node"], node["error"]) for node in answer.get("nodes", ()) if node["outcome"] == "failed"]
    assert done.returncode == 0, failed or answer
    return {node["node"]: node for node in answer["nodes"]}


def run_program(root: Path, text: str, *arguments: str) -> Any:
    """Run a Python program in the project's folder and return the JSON that is the last line of what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write files that differ from what is there."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def numbers_tested(*modules: ModuleType) -> set[int]:
    """Return the numbers of the cases that the test functions of modules have, by the ids of their parameters."""
    ids: list[str] = []
    for module in modules:
        tests = [value for name, value in vars(module).items() if name.startswith("test_")]
        marks = [mark for test in tests for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        ids += [str(value) for mark in marks for value in mark.args[1]]
    return {int(found[1]) for found in map(re.compile(r"case (\d+): ").match, ids) if found}


def _pipeline(cases: Iterable[CodeCase], endings: Sequence[str]) -> str:
    names = [case.name for case in cases]
    lines = ["import flowkit as fk", *(f"from {name} import steps as {name}" for name in names)]
    lines += ["", "", "@fk.pipeline", "def cases() -> None:"]
    lines += [f"    {name}.{name}{ending}(2.0)" for name in names for ending in endings]
    return "\n".join(lines) + "\n"
