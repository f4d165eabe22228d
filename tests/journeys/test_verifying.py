"""`verify --rerun` names what gives something else elsewhere, leaves the rest in peace, and leaves nothing behind."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.commands import edit
from tests.journeys.project import OrdersProject, Outcome

STEPS = """
import os
import random
import time
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression

import flowkit as fk
from helpers import twice

HERE = Path(__file__).resolve().parent.parent


class Held:
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and self.names == other.names

    __hash__ = None


@fk.step
def words(count: int) -> list[str]:
    return list({f"w{index}" for index in range(count)})


@fk.step
def longest(names: list[str]) -> int:
    return max(len(name) for name in names)


@fk.step
def stamped(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"id": range(rows), "at": [time.time()] * rows})


@fk.step
def place() -> str:
    return f"ran in {Path.cwd()}"


@fk.step
def given_path(source: Path) -> str:
    return str(source)


@fk.step
def pair(seed: int) -> tuple[int, list[float]]:
    return seed, [random.random()]


@fk.step
def noise(size: int) -> np.ndarray:
    return np.random.default_rng().random(size)


@fk.step
def held(count: int) -> Held:
    return Held({f"w{index}" for index in range(count)})


@fk.step
def score(rows: int) -> fk.Metrics:
    return fk.Metrics(accuracy=random.random(), rows=rows)


@fk.step
def only_there(n: int) -> int:
    if "flowkit-verify-" in os.getcwd():
        raise OSError("only in the run")
    return n


@fk.step
def skips_elsewhere(n: int) -> int:
    if "flowkit-verify-" in os.getcwd():
        raise fk.Skip("elsewhere")
    return n


@fk.step(timeout="1s")
def hangs_elsewhere(n: int) -> int:
    if "flowkit-verify-" in os.getcwd():
        time.sleep(60)
    return n


@fk.step
def reads(source: Path, n: int) -> int:
    beside = len(open("data/beside.txt").read()) + len((HERE / "data/beside.txt").read_text())
    return beside + len(source.read_text()) + len(open("../outside.txt").read()) + twice(n)


@fk.step(retries=2)
def flaky(n: int) -> int:
    tried = fk.checkpoints() / "tried"
    count = int(tried.read_text()) if tried.exists() else 0
    tried.write_text(str(count + 1))
    return n


@fk.step(cache=False)
def now() -> float:
    return time.time()


@fk.step(max_age="1h")
def prices() -> float:
    return time.time()


@fk.step
def rows_of(count: int) -> list[int]:
    return list(range(count))


@fk.step
def square(number: int) -> int:
    return number * number


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@fk.step
def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"x": np.arange(rows, dtype=float), "y": np.arange(rows) % 2})


@fk.step
def fit(rows: pd.DataFrame, jobs: fk.Untracked[int] = 1) -> LogisticRegression:
    return LogisticRegression().fit(rows[["x"]], rows["y"])


@fk.step
def login(token: fk.Secret[str]) -> int:
    return len(token.value)


@fk.step
def skipped() -> int:
    raise fk.Skip("nothing new")


@fk.step
def perhaps(n: int | None) -> int:
    return -1 if n is None else n


@fk.step
def fails(n: int) -> int:
    raise ValueError("no")


@fk.pipeline
def odd(source: Path = Path("data/source.txt"), count: int = 24) -> None:
    longest(words(count))
    stamped(3)
    place()
    given_path(source)
    pair(1)
    noise(5)
    held(count)
    score(2)
    only_there(1)
    skips_elsewhere(1)
    hangs_elsewhere(1)
    reads(source, 4)
    flaky(1)
    now()
    prices()
    squares = fk.collect(square(fk.each(rows_of(3))))
    total(fk.collect(square.named("again")(fk.each(squares))))
    model = fit(frame(20))
    login(fk.Secret("ODD_TOKEN"))
    perhaps(skipped())
    fails(1)
    fk.promote(model, to="odd@champion", metrics=score(3), gates=[fk.at_least("accuracy", 0.0)])
"""

DIFFERENT = {
    "words": "the same elements in another order",
    "stamped": "other values in column at",
    "place": "ran in",
    "given_path": "line 1: ",
    "pair": "[0]:",
    "noise": "5 of 5 elements differ",
    "held": "is equal by ==",
    "score": '["accuracy"]',
    "score#2": '["accuracy"]',
    "only_there": "only in the run",
    "skips_elsewhere": "it was skipped this time",
    "hangs_elsewhere": "exceeded its timeout",
}
"""The nodes that give something else, and what is told of each."""

NOT_VERIFIED = {"now": "cache=False", "prices": "max_age", "fails": "it failed in that run"}

SAME = {
    *("longest", "reads", "flaky", "rows_of", "total", "frame", "fit", "login", "perhaps"),
    *(f"square[{index}]" for index in range(3)),
    *(f"again[{index}]" for index in range(3)),
}


def make(root: Path) -> OrdersProject:
    project = OrdersProject.make(root / "shop")
    (root / "outside.txt").write_text("outside")
    (project.root / "pipelines/odd.py").write_text(STEPS)
    (project.root / "helpers.py").write_text("def twice(n: int) -> int:\n    return 2 * n\n")
    for name in ("source", "beside"):
        (project.root / f"data/{name}.txt").write_text(f"{name}\n")
    return project


def verify(project: OrdersProject, *options: str) -> Outcome:
    return project.flowkit("verify", "--rerun", "--json", "--workers", "2", *options, ODD_TOKEN="hush")


def dump(project: OrdersProject) -> str:
    with sqlite3.connect(project.root / ".flowkit/lineage.db") as connection:
        # What the digests of input files were is no lineage: it spares reading them again.
        return "\n".join(line for line in connection.iterdump() if '"file_digest"' not in line)


def told(node: dict[str, Any]) -> str:
    lines = [line for output in node["outputs"] for line in output["differences"]]
    return "\n".join([node["detail"] or "", *lines])


def left_in_temporary_folder() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("flowkit-verify-*")}


@pytest.mark.slow
@pytest.mark.cluster
def test_a_verification_names_what_differs_and_leaves_no_trace(tmp_path: Path) -> None:
    """Hash order, time, chance, folder, failures and timeouts are named; their consumers have the recorded inputs."""
    project, before = make(tmp_path), left_in_temporary_folder()
    run = project.flowkit("run", "odd", "--json", "--workers", "2", ODD_TOKEN="hush")
    assert run.named("failed") == ["fails"]
    recorded, runs = dump(project), sorted((project.root / ".flowkit/runs").iterdir())

    found = verify(project)

    verdicts = {name: node["verdict"] for name, node in found.nodes.items()}
    assert {name for name, verdict in verdicts.items() if verdict == "different"} == DIFFERENT.keys()
    assert {name for name, verdict in verdicts.items() if verdict == "not verified"} == NOT_VERIFIED.keys()
    assert {name for name, verdict in verdicts.items() if verdict == "same"} == SAME
    for name, words in (DIFFERENT | NOT_VERIFIED).items():
        assert words in told(found.nodes[name]), found.nodes[name]
    assert found.code == found.json["exit_code"] == 1
    metrics = found.nodes["score"]["metrics"]
    assert [metric["name"] for metric in metrics] == ["accuracy"]
    assert metrics[0]["recorded"] != metrics[0]["again"]
    assert [output["name"] for output in found.nodes["pair"]["outputs"]] == ["1"]
    assert dump(project) == recorded
    assert sorted((project.root / ".flowkit/runs").iterdir()) == runs
    assert not list((project.root / ".flowkit/checkpoints").iterdir())
    assert left_in_temporary_folder() == before
    assert project.flowkit("verify").code == 0


SMALL = """
import time
from pathlib import Path
import flowkit as fk
from helpers import twice


@fk.step
def reads(n: int) -> int:
    return twice(n) + len(Path("data/beside.txt").read_text())


@fk.step
def declared(source: Path) -> int:
    return len(source.read_text())


@fk.step(max_age="1h")
def prices() -> float:
    return time.time()


@fk.pipeline
def small(source: Path = Path("data/source.txt")) -> None:
    reads(1)
    declared(source)
    prices()
    {more}
"""


@pytest.mark.slow
@pytest.mark.cluster
def test_what_has_changed_since_is_listed_and_no_failure(tmp_path: Path) -> None:
    """Nodes whose code, files or undeclared reads are others now are not run; what is selected is, if it ages too."""
    project = make(tmp_path)
    pipeline = project.root / "pipelines/small.py"
    pipeline.write_text(SMALL.replace("{more}", "reads.named('gone')(2)"))
    project.flowkit("run", "small", "-q", "--inline")

    pipeline.write_text(SMALL.replace("{more}", ""))
    edit(project.root / "helpers.py", "2 * n", "n + n")
    (project.root / "data/source.txt").write_text("other\n")
    code = verify(project)
    edit(project.root / "helpers.py", "n + n", "2 * n")
    (project.root / "data/beside.txt").write_text("besides\n")
    observed = verify(project, "--select", "reads prices")

    assert code.code == 0
    assert {name: node["detail"] for name, node in code.nodes.items()} == {
        "reads": "code: helper helpers:twice changed",
        "declared": "input: source changed",
        "prices": "max_age: its results are declared to age; name it with --select",
        "gone": "the pipeline has no such node any more",
    }
    assert {node["verdict"] for node in code.nodes.values()} == {"not verified"}
    assert observed.nodes["reads"]["detail"] == "observed: file data/beside.txt, which it read undeclared, changed"
    assert observed.nodes["prices"]["verdict"] == "different"
    assert observed.code == 1
