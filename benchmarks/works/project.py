"""`fingerprint-project`: the fingerprints of all 500 steps of a project of 200 modules, each reaching some 50 parts.

The programs tell CPU seconds without the project's import: of the first time in a process (`first`), with nothing kept
of earlier processes and with all of it, and of a later run in the same process (`again`).

`look-up-2000`: the key and the lookup of nodes whose results are stored, in CPU microseconds a node.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.generated import write_project
from benchmarks.measure import Limit, Variant, Work, python, run_program
from benchmarks.programs_of import COMMAND

_PROGRAM = "fingerprinting_project.py"
COLD, KEPT = "nothing kept", "all kept"


def _forget(folder: Path) -> None:
    write_project(folder)
    shutil.rmtree(folder / ".kept", ignore_errors=True)


def _keep(folder: Path) -> None:
    if not (folder / ".kept").exists():
        write_project(folder)
        run_program(python(_PROGRAM, "cold"), folder)


def _run_layers(folder: Path) -> None:
    if not (folder / ".flowkit").exists():
        run_program(python("-c", COMMAND, "run", "layers.py:layers", "--workers", "2"), folder)


PROJECT = Work(
    name="fingerprint-project",
    about="fingerprints of 500 steps in 200 modules, with and without what earlier processes found out",
    variants=(
        Variant(COLD, lambda folder: python(_PROGRAM, "cold"), _forget),
        Variant(KEPT, lambda folder: python(_PROGRAM, "kept"), _keep),
    ),
    beside=COLD,
    limits=(
        Limit(COLD, most=1.5, figure="first"),
        Limit(KEPT, most=0.1, figure="first"),
        Limit(KEPT, most=0.1, figure="again"),
    ),
    profiles=True,
)

LOOK_UP = Work(
    name="look-up-2000",
    about="key and lookup of 2,000 known nodes, in microseconds a node",
    variants=(Variant("flowkit", lambda folder: python("looking_up.py"), _run_layers),),
    beside="flowkit",
    limits=(Limit("flowkit", most=40, figure="both"),),
    profiles=True,
)
