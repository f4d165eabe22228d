"""Throw-away projects: a folder with a `pyproject.toml` and copies of the programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE_ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"
STORE = ".flowkit"


@contextmanager
def throw_away_folder(prefix: str) -> Iterator[Path]:
    """Yield a folder that is there for the block; what still writes into it as it is removed does no harm."""
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as place:
        yield Path(place)


def make_project(folder: Path) -> Path:
    """Make a project at `folder` and return it."""
    shutil.copytree(PROGRAMS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "pyproject.toml").write_text('[project]\nname = "benchmark"\nversion = "0"\n')
    return folder


def forget_results(folder: Path) -> None:
    """Remove a project's store, so that the next run is a first one."""
    shutil.rmtree(folder / STORE, ignore_errors=True)


def is_filled(folder: Path) -> bool:
    """Whether a project has a store, left by an earlier run."""
    return (folder / STORE).exists()


def write_functions(folder: Path, count: int, modules: int = 8) -> None:
    """Write a package `many` of `count` functions over several modules, each reaching earlier ones, and a step.

    The functions have constants, defaults, branches, comprehensions and calls within and across modules, as a
    project's helpers have. The step `many.step:top` reaches all of them. What is there already stays.
    """
    package = folder / "many"
    if package.exists():
        return
    package.mkdir()
    (package / "__init__.py").write_text("")
    per_module = count // modules
    for module in range(modules):
        (package / f"part{module}.py").write_text(_module_text(module, per_module))
    calls = " + ".join(f"part{module}.compute_{per_module - 1}(x)" for module in range(modules))
    imports = ", ".join(f"part{module}" for module in range(modules))
    (package / "step.py").write_text(
        f"import flowkit as fk\nfrom many import {imports}\n\n\n@fk.step\ndef top(x: int) -> int:\n    return {calls}\n"
    )


def _module_text(module: int, functions: int) -> str:
    header = f"import math\n\nfrom many import part{module - 1}\n\n" if module else "import math\n\n"
    scale = f"SCALE = {{'a': {module}.5, 'b': [1, 2, {module}]}}\n"
    return header + scale + "".join(_function_text(module, number) for number in range(functions))


def _function_text(module: int, number: int) -> str:
    inner = f"compute_{number - 1}(x - 1)" if number else "x"
    across = f" + part{module - 1}.compute_{number}(x)" if module else ""
    return f'''

def compute_{number}(x: int, factor: float = {number}.25, *, label: str = "{module}-{number}") -> int:
    """Return a number that depends on everything before it."""
    if x <= 0:
        return len(label) + {number}
    parts = [math.floor(part * factor) for part in range(x % 7) if part != {number}]
    total = sum(parts) + int(SCALE["a"]) + {inner}{across}
    for index, part in enumerate(sorted(parts, key=lambda value: -value)):
        total += part if index % 2 else -part
    return total
'''
