"""A program on disk, imported afresh after every edit and fingerprinted."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowkit.fingerprint.code import CodeFingerprinter
from flowkit.project import Project
from tests.conformance.programs.meaning import snapshot
from tests.conformance.programs.model import MODULES, ROOT, Program, path_of

_TOPS = frozenset(module.partition(".")[0] for module in MODULES)


@dataclass(frozen=True)
class State:
    """What is known of a program as it was imported.

    Attributes:
        fingerprints: By step: the digest, and why it cannot be fingerprinted, if so.
        parts: By step: what its fingerprint is made of, as `flowkit why` compares it.
        values: By node of a definition: what its global holds.
    """

    fingerprints: dict[str, tuple[str, str | None]]
    parts: dict[str, list[tuple[str, str]]]
    values: dict[str, Any]


class Trial:
    """One program in a folder of its own.

    Args:
        program: The program.
        root: The folder, new or empty.
    """

    def __init__(self, program: Program, root: Path) -> None:
        self.program = program
        self.root = root
        self.texts = program.files()
        for name, text in self.texts.items():
            write(root / name, text)
        forget(ROOT, everything=True)

    def state(self) -> State:
        """Import what is not imported and return what is to be known of it."""
        modules = {module: importlib.import_module(module) for module in MODULES}
        fingerprinter = CodeFingerprinter(Project(self.root))
        fingerprints, parts = {}, {}
        # As a run asks for all of them, before any step runs.
        with fingerprinter.at_one_moment():
            for step in self.program.steps:
                found = fingerprinter.of_step(getattr(modules[ROOT], step.name).specification)
                fingerprints[step.name] = (found.digest, found.uncacheable)
                parts[step.name] = sorted((part.name, part.digest) for part in found.parts)
        values = {
            item.node: snapshot(vars(modules[item.module]).get(item.name, "nothing"))
            for item in self.program.items
            if item.kind != "step"
        }
        return State(fingerprints, parts, values)

    @contextmanager
    def edited(self, module: str, text: str) -> Iterator[None]:
        """Change one file, and change it back."""
        path = self.root / path_of(module)
        write(path, text)
        forget(module)
        try:
            yield
        finally:
            write(path, self.texts[path_of(module)])
            forget(module)


def write(path: Path, text: str) -> None:
    """Write a file, line ends as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(text.encode())
    os.replace(new, path)


def forget(module: str, everything: bool = False) -> None:
    """Forget the modules that import one at their top, and itself; of a package always all."""
    kept = {"near": {"pack", "marks"}, ROOT: {"pack", "marks", "near"}}.get(module, set())
    kept = set() if everything else kept
    for name in [name for name in sys.modules if name.partition(".")[0] in _TOPS - kept]:
        del sys.modules[name]
    importlib.invalidate_caches()


@contextmanager
def trial_of(program: Program) -> Iterator[Trial]:
    """Put a program on disk and on the import path, and take it away again."""
    root = Path(tempfile.mkdtemp(prefix="program"))
    before, writes = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    try:
        yield Trial(program, root)
    finally:
        forget(ROOT, everything=True)
        sys.path[:] = before
        sys.dont_write_bytecode = writes
        sys.path_importer_cache.pop(str(root), None)
        shutil.rmtree(root)
