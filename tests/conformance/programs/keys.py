"""Prints the cache keys of programs, in a process of its own: `python -m … FILE FOLDER ORDER`.

FILE holds programs as JSON, FOLDER is where they are put, ORDER seeds the order in which files are written, modules are
imported and containers are filled.
"""

from __future__ import annotations

import importlib
import json
import random
import sys
from pathlib import Path
from typing import Any

import flowkit as fk
from flowkit.project import Project
from tests.conformance.programs.model import MODULES, ROOT
from tests.conformance.programs.trial import forget, write

KEYED = """import flow
import flowkit as fk


@fk.step
def weigh(x: float, weights: dict[str, float], names: set[str], nested: dict[str, dict[str, int]]) -> float:
    return x


@fk.pipeline
def keyed(x: float, weights: dict[str, float], names: set[str], nested: dict[str, dict[str, int]]) -> None:
    weigh(x, weights, names, nested)
"""


def keys_of(files: dict[str, str], steps: list[str], root: Path, chosen: random.Random) -> dict[str, str | None]:
    """Return the cache key of every step of a program, written and imported in an order of its own."""

    def shuffled(items: Any) -> list[Any]:
        found = list(items)
        chosen.shuffle(found)
        return found

    calls = "".join(f"    flow.{step}(x)\n" for step in steps)
    for name, text in shuffled([*files.items(), ("keyed.py", KEYED + calls)]):
        write(root / name, text)
    sys.path.insert(0, str(root))
    forget(ROOT, everything=True)
    sys.modules.pop("keyed", None)
    try:
        for module in shuffled(name for name in MODULES if "." not in name):
            importlib.import_module(module)
        letters = "abcdefgh"
        parameters = {
            "x": 1.5,
            "weights": {name: float(letters.index(name)) for name in shuffled(letters)},
            "names": set(shuffled(letters)),
            "nested": {name: dict.fromkeys(shuffled("xyz"), 1) for name in shuffled("pqr")},
        }
        with fk.Session(store=root / "store", inline=True, project=Project(root), durable=False) as session:
            report = session.plan(importlib.import_module("keyed").keyed, parameters)
        return {node.node: node.cache_key for node in report.nodes}
    finally:
        sys.path.remove(str(root))


def main() -> None:
    """Print the keys of each program as a JSON list."""
    file, folder, order = sys.argv[1:]
    chosen = random.Random(int(order))
    sys.dont_write_bytecode = True
    programs = json.loads(Path(file).read_text())
    found = [keys_of(*program, Path(folder, str(number)), chosen) for number, program in enumerate(programs)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
