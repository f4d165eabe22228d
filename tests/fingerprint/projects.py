"""Small projects on disk, imported afresh and fingerprinted."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from flowkit.records import CodeFingerprint

Change = Callable[[ModuleType], None]


def write_project(root: Path, files: Mapping[str, str]) -> Path:
    """Write a project's files; texts are dedented."""
    for name, content in {"pyproject.toml": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content))
    return root


@contextmanager
def imported(root: Path, module: str = "steps") -> Iterator[ModuleType]:
    """Import a project's module with nothing of it left over from before, and leave nothing behind.

    Cached bytecode is written: the files are younger than this process, so that nothing else tells what was imported.
    """
    before, writes_none = set(sys.modules), sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module(module)
    finally:
        sys.dont_write_bytecode = writes_none
        sys.path.remove(str(root))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or str(root)
            if file.startswith(str(root)):
                del sys.modules[name]


def fingerprint(
    root: Path, files: Mapping[str, str], change: Change | None = None, step: str = "run", module: str = "steps"
) -> CodeFingerprint:
    """Return the fingerprint of a step of a new project, after a change to the loaded module."""
    write_project(root, files)
    with imported(root, module) as loaded:
        if change is not None:
            change(loaded)
        return CodeFingerprinter(Project(root)).of_step(getattr(loaded, step).specification)


def variants(text: str) -> tuple[str, str]:
    """Return a text twice: with the first and with the second side of every `<<first||second>>` in it."""
    first, second = (re.sub(r"<<(.*?)\|\|(.*?)>>", side, text, flags=re.DOTALL) for side in (r"\1", r"\2"))
    return textwrap.dedent(first), textwrap.dedent(second)


def two_files(before: str, body: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files of two projects whose step's module differs in the marked places."""
    pairs = zip(variants(before), variants(body), strict=True)
    first, second = ({"steps.py": steps_file(*pair)} for pair in pairs)
    return first, second


def two_projects(before: str, body: str, others: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the files of two projects whose other modules differ in the marked places."""
    step = {"steps.py": steps_file(textwrap.dedent(before), body)}
    sides = [{name: variants(text)[side] for name, text in others.items()} for side in (0, 1)]
    return step | sides[0], step | sides[1]


def steps_file(before: str, body: str = "return helper(x)", decorator: str = "@fk.step") -> str:
    """Return the text of a module with a step `run` after other code."""
    text = textwrap.dedent(before).strip("\n")
    lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return f"import flowkit as fk\n\n{text}\n\n\n{decorator}\ndef run(x: float) -> float:\n{lines}\n"
