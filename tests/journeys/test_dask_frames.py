"""Steps that compute with Dask on the run's own cluster, and tables that are dask DataFrames."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.project import OrdersProject
from tests.journeys.test_workers import cluster as cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

HELPERS = '''
"""What partitions are worked on with."""


def widen(part):
    return part.assign(double=part.number * 2)
'''

FRAMES = '''
"""Tables that no process holds as a whole."""

import os
import time
from typing import Annotated

import dask
import dask.dataframe as dd
import pandas as pd
import pandera.pandas as pa

import flowkit as fk
import helpers
from helpers import widen


class Numbers(pa.DataFrameModel):
    number: int = pa.Field(ge=0)


class Doubled(Numbers):
    double: int


@fk.step
def make(rows: int, parts: int) -> Annotated[dd.DataFrame, Numbers]:
    return dd.from_pandas(pd.DataFrame({"number": range(rows)}), npartitions=parts)


@fk.step
def double(table: Annotated[dd.DataFrame, Numbers]) -> Annotated[dd.DataFrame, Doubled]:
    return table.map_partitions(widen)


@fk.step
def total(table: dd.DataFrame) -> int:
    return int(table.double.sum().compute())


@fk.step
def whole(table: pd.DataFrame) -> list[int]:
    return [len(table), int(table.index[-1]), int(table.double.sum())]


@fk.step
def again(table: dd.DataFrame) -> int:
    return int(table.map_partitions(helpers.widen).double.sum().compute())


@fk.pipeline
def frames(rows: int = 1000, parts: int = 4) -> None:
    table = double(make(rows, parts))
    total(table)
    whole(fk.as_type(table, pd.DataFrame))
    again(fk.as_type(fk.as_type(table, pd.DataFrame), dd.DataFrame))


@fk.step
def where() -> list[int]:
    tasks = [dask.delayed(os.getpid)() for _ in range(2)]
    kept = dask.delayed(os.getpid)().persist()
    return [os.getpid(), *dask.compute(*tasks), kept.compute(), dask.compute(tasks[0], scheduler="threads")[0]]


@fk.pipeline
def places() -> None:
    where()
'''

FAULTS = '''
"""Computations that fail, die, and take too long."""

import os
import time
from typing import Annotated

import dask
import dask.dataframe as dd
import pandas as pd
import pandera.pandas as pa

import flowkit as fk


class Small(pa.DataFrameModel):
    number: int = pa.Field(lt=5)


def rows():
    return dd.from_pandas(pd.DataFrame({"number": range(10)}), npartitions=2)


def explode(part):
    raise ValueError("seven is too many")


def die(part):
    os._exit(3)


def mark(seconds, file):
    open(file, "x").close()
    time.sleep(seconds)


@fk.step
def raises() -> int:
    return int(rows().map_partitions(explode, meta={"number": int}).number.sum().compute())


@fk.step
def breaks() -> Annotated[dd.DataFrame, Small]:
    return rows()


@fk.step
def differs() -> dd.DataFrame:
    return rows().map_partitions(lambda part: part.astype(float) if part.number.iloc[0] else part, meta={"number": int})


@fk.step
def lazy() -> object:
    return rows()


@fk.step
def dies() -> int:
    return len(rows().map_partitions(die, meta={"number": int}).compute())


@fk.step
def begins() -> int:
    return dask.compute(dask.delayed(abs)(-1))[0]


@fk.step(timeout="3s")
def late(folder: str, after: int) -> None:
    dask.compute([dask.delayed(mark)(3600, f"{folder}/{number}") for number in range(8)])


@fk.step(timeout="40s")
def behind(folder: str, after: int) -> None:
    end = time.monotonic() + 5
    while not os.listdir(folder) and time.monotonic() < end:
        time.sleep(0.02)
    dask.compute([dask.delayed(mark)(0, f"{folder}/behind-{number}") for number in range(2)])


@fk.pipeline
def faults() -> None:
    raises(), breaks(), differs(), lazy()


@fk.pipeline
def death() -> None:
    dies()


@fk.pipeline
def lateness(folder: str) -> None:
    began = begins()
    late(folder, began), behind(folder, began)
'''

OVERLAP = '''
"""A step that waits for tasks, which wait for another step."""

import time
from pathlib import Path

import dask

import flowkit as fk


def wait_for(file):
    while not Path(file).exists():
        time.sleep(0.05)


@fk.step
def waits(folder: str) -> int:
    dask.compute(dask.delayed(wait_for)(f"{folder}/done"))
    return 1


@fk.step
def helps(folder: str, number: int) -> int:
    time.sleep(0.1)
    if number == 3:
        Path(folder, "done").touch()
    return number


@fk.pipeline
def overlap(folder: str) -> None:
    waits(folder)
    for number in range(4):
        helps(folder, number)

'''


def frames_project(root: Path, **files: str) -> OrdersProject:
    project = OrdersProject.make(root)
    (root / "helpers.py").write_text(HELPERS)
    for name, text in files.items():
        (root / "pipelines" / f"{name}.py").write_text(text)
    return project


def value(project: OrdersProject, node: str) -> Any:
    (project.root / "out.json").unlink(missing_ok=True)
    shown = project.flowkit("artifact", "export", f"last:{node}", "out.json")
    assert shown.code == 0, shown.err
    return json.loads((project.root / "out.json").read_text())


@pytest.mark.long
def test_plain_dask_runs_on_the_runs_cluster(tmp_path: Path) -> None:
    """`dask.compute`, `.persist()` and delayed calls run in another process; a scheduler named by the step is kept."""
    project = frames_project(tmp_path / "frames", frames=FRAMES)

    run = project.flowkit("run", "pipelines/frames.py:places", "--json", "--workers", "1")

    assert run.code == 0, run.err
    host, first, second, kept, own = value(project, "where")
    assert first == second == kept != host
    assert own == host


@pytest.mark.long
def test_partitions_leave_no_trace(tmp_path: Path) -> None:
    """Steps hand dask DataFrames on; another partitioning of the same rows reuses all that follows."""
    project = frames_project(tmp_path / "frames", frames=FRAMES)

    first = project.flowkit("run", "pipelines/frames.py:frames", "--json", "--workers", "2")
    second = project.flowkit("run", "pipelines/frames.py:frames", "--json", "--workers", "2", "-p", "parts=7")

    assert first.code == 0, first.err
    assert sorted(first.named("executed")) == ["again", "double", "make", "total", "whole"]
    assert second.named("executed") == ["make"]
    assert value(project, "total") == value(project, "again") == 999_000
    assert value(project, "whole") == [1000, 999, 999_000]


@pytest.mark.long
def test_inline_computes_in_the_driver(tmp_path: Path) -> None:
    """With --inline the same pipeline gives the same artifacts, computed by threads of the driver."""
    project = frames_project(tmp_path / "frames", frames=FRAMES)

    inline = project.flowkit("run", "pipelines/frames.py:frames", "--json", "--inline")
    forced = project.flowkit("run", "pipelines/frames.py:frames", "--json", "--workers", "2", "--force", "*")

    assert inline.code == 0, inline.err
    assert forced.code == 0, forced.err
    made = [{name: node["outputs"][0]["artifact"] for name, node in run.nodes.items()} for run in (inline, forced)]
    assert made[0] == made[1]


@pytest.mark.long
def test_an_external_cluster_computes_with_the_code_of_each_run(tmp_path: Path, cluster: str) -> None:
    """Long-lived Dask workers that cannot import the project compute with its helpers, after an edit with the new."""
    project = frames_project(tmp_path / "frames", frames=FRAMES)

    first = project.flowkit("run", "pipelines/frames.py:frames", "--json", "--scheduler", cluster)
    assert first.code == 0, first.err
    before = value(project, "total")
    project.edit("helpers.py", "number * 2", "number * 10")
    second = project.flowkit("run", "pipelines/frames.py:frames", "--json", "--scheduler", cluster)

    assert second.code == 0, second.err
    assert sorted(second.named("executed")) == ["again", "double", "total", "whole"]
    assert value(project, "total") == value(project, "again") == 5 * before


def test_each_fault_of_a_computation_is_told_of_its_step(tmp_path: Path) -> None:
    """What fails in a task, breaks a contract or makes no table fails its step, with the person's own lines."""
    project = frames_project(tmp_path / "faults", faults=FAULTS)

    run = project.flowkit("run", "pipelines/faults.py:faults", "--json", "--workers", "2")

    errors = {name: json.dumps(node["error"]) for name, node in run.nodes.items()}
    assert run.code == 1
    assert "seven is too many" in errors["raises"]
    assert "breaks the contract Small" in errors["breaks"]
    assert "differ in the dtype of column 'number'" in errors["differs"]
    assert "lazy dask collection" in errors["lazy"]
    assert "in explode" in errors["raises"]
    assert not any("site-packages" in error for error in errors.values())


@pytest.mark.long
def test_a_dead_compute_worker_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A worker that dies under a task fails the step with the remedy; no process of it lives on."""
    project = frames_project(tmp_path / "faults", faults=FAULTS)

    run = project.flowkit("run", "pipelines/faults.py:death", "--json", "--workers", "1")

    assert run.nodes["dies"]["error"]["message"] == "A Dask worker died while it computed for step 'dies'."
    assert "repartition" in run.nodes["dies"]["error"]["hint"]
    assert compute_processes(project.root) == []


@pytest.mark.long
def test_a_timeout_takes_the_tasks_along(tmp_path: Path) -> None:
    """A step that is killed while it waits has its tasks withdrawn: no more begin, and what runs delays nobody."""
    project = frames_project(tmp_path / "faults", faults=FAULTS)
    marks = tmp_path / "marks"
    marks.mkdir()

    run = project.flowkit("run", "pipelines/faults.py:lateness", "--json", "--workers", "2", "-p", f"folder={marks}")

    assert run.code == 1
    assert "3" in run.nodes["late"]["error"]["message"]
    assert sorted(run.named("executed")) == ["begins", "behind"]
    assert len(list(marks.glob("behind-*"))) == 2
    assert len(list(marks.iterdir())) <= 4
    assert compute_processes(project.root) == []


def test_a_step_that_waits_for_tasks_holds_no_slot(tmp_path: Path) -> None:
    """With one slot, tasks that wait for what other steps do are no deadlock: those steps run meanwhile."""
    project = frames_project(tmp_path / "overlap", overlap=OVERLAP)

    run = project.flowkit("run", "pipelines/overlap.py:overlap", "--json", "--workers", "1", "-p", f"folder={tmp_path}")

    assert run.code == 0, run.err
    assert len(run.named("executed")) == 5


def test_whole_table_checks_are_refused_before_anything_runs(tmp_path: Path) -> None:
    """A contract that partitions cannot prove one by one does not check."""
    text = FRAMES.replace("number: int = pa.Field(ge=0)", "number: int = pa.Field(unique=True)")
    project = frames_project(tmp_path / "frames", frames=text)

    checked = project.flowkit("check", "pipelines/frames.py:frames")

    assert checked.code == 2
    assert "cannot be checked partition by partition: unique values of number" in checked.err


def test_runs_without_dask_start_and_import_nothing_of_it(tmp_path: Path) -> None:
    """A step host that computes nothing with Dask never imports it."""
    project = frames_project(tmp_path / "plain")
    project.edit("pipelines/orders.py", "return sum(numbers)", "import sys; return float('dask' in sys.modules)")

    run = project.flowkit("run", "pipelines/orders.py", "--json", "--workers", "1")

    assert run.code == 0, run.err
    assert value(project, "total") == 0.0


BIG = '''
"""A table larger than what its steps may use."""

import dask.dataframe as dd
import numpy as np
import pandas as pd

import flowkit as fk

ROWS = 500_000
COLUMNS = [f"c{number}" for number in range(10)]


def draw(number):
    values = np.random.default_rng(number).integers(0, 50, (ROWS, len(COLUMNS)))
    return pd.DataFrame(values.astype("f8"), columns=COLUMNS).assign(group=number % 5)


def derive(part):
    return part[["group"]].assign(total=part[COLUMNS].sum(axis=1), c0=part.c0)


@fk.step(memory="700MB")
def big(parts: int) -> dd.DataFrame:
    return dd.from_map(draw, range(parts))


@fk.step(memory="700MB")
def derived(rows: dd.DataFrame) -> dd.DataFrame:
    return rows.map_partitions(derive)


@fk.step(memory="700MB")
def sums(rows: dd.DataFrame) -> dict[str, float]:
    totals = rows.groupby("group").total.sum().compute()
    return {str(group): float(total) for group, total in totals.items()}


@fk.pipeline
def large(parts: int = 28) -> None:
    sums(derived(big(parts)))
'''


def test_a_table_larger_than_the_steps_memory_limit(tmp_path: Path) -> None:
    """1.2 GB of rows go through steps of 700 MB: made, derived from, grouped, each stored and read by chunks."""
    project = frames_project(tmp_path / "large", large=BIG)

    run = project.flowkit("run", "pipelines/large.py", "--json", "--workers", "1")

    assert run.code == 0, run.err + run.out
    made = run.nodes["big"]["outputs"][0]["bytes"]
    assert made > 1_200_000_000
    assert len(value(project, "sums")) == 5


def compute_processes(root: Path) -> list[str]:
    """Return the processes that compute for steps of this project and that still live a moment later."""
    for _ in range(50):
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        left = [line for line in listed.splitlines() if "compute_cluster" in line and str(root) in line]
        if not left:
            break
        time.sleep(0.1)
    return left
