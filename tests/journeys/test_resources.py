"""Steps that ask for processors and resources, on real workers."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.project import OrdersProject

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DEMANDING = '''
"""Steps that say when they ran."""

import multiprocessing
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_info

import flowkit as fk


def square(number: int) -> int:
    return number * number


def span(seconds: float) -> list[float]:
    began = time.time()
    time.sleep(seconds)
    return [began, time.time()]


@fk.step(cpus=2)
def wide(number: int) -> list[float]:
    return span(0.4)


@fk.step
def narrow(number: int) -> list[float]:
    return span(0.4)


@fk.step(resources={"gpu": 1})
def on_gpu(number: int) -> list[float]:
    return span(0.4)


@fk.step
def one_thread() -> int:
    np.ones((8, 8)) @ np.ones((8, 8))
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@fk.step(cpus=2)
def two_threads() -> int:
    np.ones((8, 8)) @ np.ones((8, 8))
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


@fk.step(cpus=2)
def parallel() -> list[float]:
    with multiprocessing.Pool(2) as pool:
        squares = pool.map(square, range(4))
    X = np.arange(40.0).reshape(20, 2)
    forest = RandomForestClassifier(4, n_jobs=2, random_state=0).fit(X, np.arange(20) % 2)
    return [float(sum(squares)), float(forest.score(X, np.arange(20) % 2))]


@fk.pipeline
def wides() -> None:
    for number in range(3):
        wide(number)
        narrow(number)


@fk.pipeline
def gpus() -> None:
    for number in range(3):
        on_gpu(number)


@fk.pipeline
def threads() -> None:
    one_thread()
    two_threads()
    parallel()
'''


@pytest.mark.long
def test_cpus_are_slots(tmp_path: Path) -> None:
    """A step of two processors has both slots of two workers for itself, and everything runs."""
    project = _project(tmp_path)

    run = project.flowkit("run", "pipelines/demanding.py:wides", "--json", "--workers", "2")

    assert run.code == 0, run.err
    spans = _values(project, run.nodes)
    wide = [spans[name] for name in spans if name.startswith("wide")]
    assert len(spans) == 6
    for one in wide:
        assert all(other is one or other[0] >= one[1] or other[1] <= one[0] for other in spans.values())


def test_a_resource_is_shared_by_as_many_as_there_are(tmp_path: Path) -> None:
    """With one gpu configured its steps run one after the other; without, nothing runs and the remedy is named."""
    project = _project(tmp_path)

    refused = project.flowkit("run", "pipelines/demanding.py:gpus", "--workers", "2")
    run = project.flowkit(
        "run", "pipelines/demanding.py:gpus", "--json", "--workers", "2", FLOWKIT_RESOURCES='{"gpu": 1}'
    )
    again = project.flowkit("run", "pipelines/demanding.py:gpus", "--json", "--workers", "2")

    assert refused.code == 2
    assert "Step 'on_gpu' asks for more" in refused.err
    assert "resources = {gpu = 1}" in refused.err
    assert run.code == 0, run.err
    spans = sorted(_values(project, run.nodes).values())
    assert len(spans) == 3
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert again.code == 0, "what is reused needs nothing"


def test_more_cpus_than_workers_are_refused(tmp_path: Path) -> None:
    """Nothing runs, and the message names the step, what it wants, what there is and the remedy."""
    project = _project(tmp_path)

    refused = project.flowkit("run", "pipelines/demanding.py:wides", "--workers", "1")

    assert refused.code == 2
    for words in ("Step 'wide'", "2 cpus", "1 cpu", "--workers 2"):
        assert words in refused.err
    assert project.flowkit("runs", "--json").json["runs"] == []


def test_threads_are_the_cpus_of_the_step_and_pools_work(tmp_path: Path) -> None:
    """BLAS has as many threads as the step has processors; process pools and n_jobs work in it."""
    project = _project(tmp_path)

    run = project.flowkit("run", "pipelines/demanding.py:threads", "--json", "--workers", "2")

    assert run.code == 0, run.err
    values = _values(project, run.nodes)
    share = max(1, (os.cpu_count() or 1) // 2)
    assert (values["one_thread"], values["two_threads"]) == (share, 2 * share)
    assert values["parallel"][0] == 14


def _project(tmp_path: Path) -> OrdersProject:
    project = OrdersProject.make(tmp_path / "demanding")
    (project.root / "pipelines" / "demanding.py").write_text(DEMANDING)
    return project


def _values(project: OrdersProject, nodes: dict[str, dict[str, object]]) -> dict[str, Any]:
    values = {}
    for name in nodes:
        out = project.flowkit("artifact", "show", f"last:{name}").out
        # Below the artifact's digest and its maker.
        values[name] = json.loads(out.split("\n", 2)[2])
    return values
