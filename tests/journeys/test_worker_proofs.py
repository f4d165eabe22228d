"""Workers that are not as the driver is: the code of this run runs there, or the step is refused and both are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dask_cluster import dask_cluster
from tests.journeys.project import OrdersProject

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

PIPELINE = '''
"""Steps that reach what a worker may have otherwise."""

import os

import cleaning
import fk_tiny
import flowkit as fk


@fk.step
def shadowed(text: str) -> float:
    return cleaning.strip_currency(text)


@fk.step
def installed(number: int) -> int:
    return fk_tiny.scaled(number)


@fk.step(env=("FK_MODE",))
def declared(number: int) -> str:
    return f"{os.environ['FK_MODE']} {number}"


@fk.step(env=("OMP_NUM_THREADS",))
def threads(number: int) -> int:
    return number


@fk.step
def control(number: int) -> int:
    return number + 1


@fk.pipeline
def proofs() -> None:
    shadowed("$2")
    installed(1)
    declared(1)
    threads(1)
    control(1)
'''


def install(folder: Path, version: str, factor: int) -> Path:
    """Install a small distribution as an index's would be, and return the folder to be put on the import path."""
    site = folder / "site-packages"
    information = site / f"fk_tiny-{version}.dist-info"
    information.mkdir(parents=True)
    (site / "fk_tiny.py").write_text(f"def scaled(number):\n    return number * {factor}\n")
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fk-tiny\nVersion: {version}\n")
    (information / "RECORD").write_text(f"fk_tiny.py,,\n{information.name}/METADATA,,\n{information.name}/RECORD,,\n")
    return site


@pytest.fixture
def project(tmp_path: Path) -> OrdersProject:
    project = OrdersProject.make(tmp_path / "orders")
    (project.root / "pipelines" / "proofs.py").write_text(PIPELINE)
    return project


def test_a_worker_runs_the_code_of_this_run_or_refuses_and_names_both(project: OrdersProject, tmp_path: Path) -> None:
    """A shadowed module does not count there; another version and another variable are refused, each by its name."""
    root = Path(__file__).parents[2]
    here, there = install(tmp_path / "here", "1.0", 10), install(tmp_path / "there", "2.0", 20)
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    (shadow / "cleaning.py").write_text("def strip_currency(text):\n    return -1.0\n")
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.add_worker(PYTHONPATH=f"{shadow}:{there}:{root}", FK_MODE="theirs", OMP_NUM_THREADS="1")

        run = project.flowkit(
            "run", "proofs", "--scheduler", cluster.address, "--json",
            PYTHONPATH=f"{here}:{root}", FK_MODE="ours",
        )  # fmt: skip

    assert run.code == 1, run.out + run.err
    outcomes = {name: node["outcome"] for name, node in run.nodes.items()}
    assert outcomes == {
        "shadowed": "executed", "installed": "failed", "declared": "failed",
        "threads": "executed", "control": "executed",
    }  # fmt: skip
    installed, declared = (run.nodes[name]["error"] for name in ("installed", "declared"))
    assert "'fk-tiny'" in installed["message"]
    assert dict(installed["facts"])["package fk-tiny"] == "1.0 for this run, 2.0 there"
    assert dict(declared["facts"])["variable FK_MODE"] == "another value"
    assert "ours" not in str(declared)
    assert "theirs" not in str(declared)
    assert all("tcp://" in dict(error["facts"])["worker"] for error in (installed, declared))
    value = project.flowkit("artifact", "show", "last:shadowed", "--json")
    assert "2.0" in value.out, value.out + value.err
