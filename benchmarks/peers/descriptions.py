"""Which peers and works there are, and how each peer is configured. It runs and installs nothing.

A peer is configured as its documentation recommends for one machine: caches on, every result persisted where it can,
two workers where it has them, telemetry off by its own means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flowkit

PLACE = Path(__file__).resolve().parent
PROGRAMS = PLACE / "programs"
REQUIREMENTS = PLACE / "requirements"


@dataclass(frozen=True, slots=True)
class Peer:
    """A framework that does the works.

    Attributes:
        program: What does a work: called with the work's name and size in a folder that holds it, it prints
            `{"answer": …}` as its last line.
        about: How it is configured, in a sentence.
        distribution: Whose version is told; None where there is none.
        version: What is told where there is no distribution.
        requirements: What its environment is made of; None for the interpreter that runs the benchmark.
        environment: Variables of its processes. `{folder}` stands for the project, `{home}` for a folder that outlives
            projects.
        files: Its configuration in a project, by path.
    """

    name: str
    program: Path
    about: str
    distribution: str | None = None
    version: str = ""
    requirements: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """Something that every peer does.

    Attributes:
        size: What its program is told: calls, or rows.
        steps: How many calls of steps a first run makes.
        answer: What it comes to, up to the rounding of floats.
    """

    name: str
    about: str
    size: int
    steps: int
    answer: float


def _peer(name: str, distribution: str, about: str, **more: Any) -> Peer:
    return Peer(
        name, PROGRAMS / f"with_{name}.py", about, distribution, requirements=REQUIREMENTS / f"{name}.txt", **more
    )


FLOWKIT = Peer(
    "flowkit",
    PROGRAMS / "with_flowkit.py",
    "a session with 2 workers; store, verification and lineage as they are by default",
    version=flowkit.__version__,
    environment={"PYTHONPATH": str(PLACE.parent.parent)},
)

PEERS = (
    FLOWKIT,
    _peer(
        "prefect",
        "prefect",
        "tasks with persisted results, cached by their inputs and source; threads, 2 workers; the server that it "
        "starts for a run by itself, its database made before",
        environment={
            "PREFECT_HOME": "{home}/prefect",
            "PREFECT_LOCAL_STORAGE_PATH": "{folder}/results",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        },
    ),
    _peer(
        "dagster",
        "dagster",
        "assets materialized in one process, each kept by the file system's IO manager; its executor of several "
        "processes starts one for each step, which is far slower here",
        environment={"DAGSTER_HOME": "{folder}/dagster"},
        files={"dagster/dagster.yaml": "telemetry:\n  enabled: false\n"},
    ),
    _peer(
        "luigi",
        "luigi",
        "a task and a pickle a step; the local scheduler, one worker: with two it forks a process for each task, which "
        "takes longer for trivial steps",
    ),
    _peer(
        "hamilton",
        "sf-hamilton",
        "the driver with its cache, which keeps a pickle a node; one after the other",
    ),
    _peer(
        "redun",
        "redun",
        "redun run; its SQLite backend, the local executor with 2 workers",
        files={
            ".redun/redun.ini": "[backend]\ndb_uri = sqlite:///redun.db\n\n"
            "[executors.default]\ntype = local\nmax_workers = 2\n"
        },
    ),
    _peer("joblib", "joblib", "Memory over every function, called one after the other"),
)

WORKS = (
    Work("chain", "100 trivial steps, each taking what the one before gave", size=100, steps=100, answer=99),
    Work("fan", "200 trivial steps, all but the last apart", size=200, steps=200, answer=2_607_099),
    Work(
        "table",
        "a table of 10 columns and 1,000,000 rows, five steps that add a column each, and a sum",
        size=1_000_000,
        steps=7,
        answer=6248906.945934418,
    ),
    Work(
        "breast-cancer",
        "read, validate, add features, split, train four models, pick the best, judge it",
        size=569,
        steps=10,
        answer=0.956140350877193,
    ),
)
