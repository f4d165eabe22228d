"""Clusters that are there already: what becomes of them when processes die, with TLS, and with resources."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

from flowkit.execution import dask_external
from tests.dask_cluster import DaskCluster, dask_cluster, free_port
from tests.journeys.project import OrdersProject

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(120)]

BEATING = '''
"""A step that shows for a minute that it lives."""

import time
from pathlib import Path

import flowkit as fk


@fk.step(retries=1)
def beat(file: str, seconds: float, after: int) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(file, "a") as beats:
            beats.write(".")
        time.sleep(0.1)
    return 1


@fk.step
def quick() -> int:
    return 2


@fk.pipeline
def beating(file: str, seconds: float = 60.0) -> None:
    beat(file, seconds, quick())
'''

GPU = '''
"""A step that wants what few workers have."""

import flowkit as fk


@fk.step(resources={"gpu": 1})
def train() -> int:
    return 1


@fk.step
def prepare() -> int:
    return 2


@fk.pipeline
def training() -> None:
    train()
    prepare()
'''

TABLE = '''
"""A step that computes with dask.dataframe."""

import pandas as pd

import flowkit as fk


@fk.step
def total() -> int:
    import dask.dataframe as dd

    table = dd.from_pandas(pd.DataFrame({"number": range(100)}), npartitions=4)
    return int(table["number"].sum().compute())


@fk.pipeline
def adding() -> None:
    total()
'''

SHORT_OF = """
import sys
import flowkit.engine.dispatcher
import flowkit.execution.dask_external
from flowkit.cli.main import main

flowkit.engine.dispatcher.NEED_SECONDS = 1.0
flowkit.execution.dask_external._WORKER_SECONDS = 1.0
sys.exit(main())
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path / "cluster") as cluster:
        yield cluster


def wait_until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def wait_for_beats(project: OrdersProject, beats: Path) -> None:
    """Wait until the step runs, and what the one before it gave is committed."""
    wait_until(beats.exists, 30, "the step never began")
    wait_until(
        lambda: project.ask("artifact", "show", "last:quick").code == 0, 30, "the step before was never committed"
    )


def is_still(beats: Path) -> bool:
    before = beats.stat().st_size
    time.sleep(1)
    return beats.stat().st_size == before


def start_run(
    project: OrdersProject, *arguments: str, program: Sequence[str] = ("-m", "flowkit")
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *program, "run", *arguments],
        cwd=project.root,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def make_project(folder: Path, name: str, source: str) -> OrdersProject:
    project = OrdersProject.make(folder)
    (project.root / "pipelines" / f"{name}.py").write_text(source)
    return project


def test_a_killed_drivers_step_ends_and_its_worker_goes_on(tmp_path: Path, cluster: DaskCluster) -> None:
    """A step whose driver was killed stops; the same worker then runs what had not been committed."""
    cluster.add_worker()
    project = make_project(tmp_path / "beating", "beating", BEATING)
    beats = tmp_path / "beats"
    target = ("beating", "-p", f"file={beats}", "--scheduler", cluster.address)
    driver = start_run(project, *target)
    wait_until(beats.exists, 30, "the step never began")

    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()

    wait_until(lambda: is_still(beats), 15, "the step goes on without a driver")
    again = project.flowkit("run", *target, "-p", "seconds=0.1", "--json")
    assert again.code == 0, again.err
    assert "beat" in again.named("executed")
    assert {node["outcome"] for node in again.nodes.values()} <= {"executed", "reused"}


@pytest.mark.long
def test_a_worker_that_gives_no_answer_does_not_refuse_the_run(tmp_path: Path, cluster: DaskCluster) -> None:
    """A worker that dies after it was listed and before it has answered is passed over, and another one is taken."""
    dying = cluster.add_worker()
    project = OrdersProject.make(tmp_path / "orders")
    first = project.flowkit("run", "orders", "--json", "--scheduler", cluster.address)
    assert first.code == 0, first.err
    dying.send_signal(signal.SIGSTOP)
    try:
        run = start_run(project, "orders", "--force", "*", "--json", "--scheduler", cluster.address)
        wait_until(lambda: any(project.root.rglob("probe-*")), 30, "no worker was asked")
        cluster.add_worker()
        time.sleep(0.5)
    finally:
        dying.kill()

    out, err = run.communicate(timeout=30)

    assert run.returncode == 0, err
    assert [node["outcome"] for node in json.loads(out)["nodes"]] == ["executed"] * 4


def test_a_cluster_without_workers_is_told_within_a_minute(tmp_path: Path, cluster: DaskCluster) -> None:
    """Whether there was none or the last one left: exit code 4, the need and the command; what is done stays."""
    project = make_project(tmp_path / "beating", "beating", BEATING)
    beats = tmp_path / "beats"
    target = ("beating", "-p", f"file={beats}", "--scheduler", cluster.address)
    short = ("-c", SHORT_OF)
    none = start_run(project, *target, program=short).communicate(timeout=60)
    worker = cluster.add_worker()
    # The run waits for one second only, a busy machine may take longer to start a worker.
    wait_until(lambda: "Registered to" in cluster.output_of(worker), 60, "the worker never registered")
    run = start_run(project, *target, program=short)
    wait_for_beats(project, beats)

    worker.kill()
    out, err = run.communicate(timeout=60)
    again = project.flowkit("run", "beating", "-p", f"file={beats}", "-p", "seconds=0.1", "--json", "--workers", "1")

    assert run.returncode == 4, out + err
    for said in (none[1], err):
        assert "Error: No worker was there within 1 s." in said
        assert "at least one worker with one thread" in said
        assert f"dask worker {cluster.address}" in said
        assert "Traceback" not in said
    assert dask_external._WORKER_SECONDS + dask_external._CONNECT_SECONDS <= 60
    assert (again.named("reused"), again.named("executed")) == (["quick"], ["beat"])


def test_only_flowkit_speaks_of_a_lost_scheduler(tmp_path: Path, cluster: DaskCluster) -> None:
    """The run ends with exit code 4 and one error; the step ends with its worker; the next run goes on from commits."""
    cluster.add_worker()
    project = make_project(tmp_path / "beating", "beating", BEATING)
    beats = tmp_path / "beats"
    run = start_run(project, "beating", "-p", f"file={beats}", "--scheduler", cluster.address)
    wait_for_beats(project, beats)

    cluster.scheduler.kill()
    _, err = run.communicate(timeout=30)

    assert run.returncode == 4
    assert err.startswith(f"Error: The connection to the Dask scheduler at {cluster.address} is lost.")
    assert "Traceback" not in err
    assert "distributed" not in err
    wait_until(lambda: is_still(beats), 15, "the step goes on without a scheduler")
    again = project.flowkit("run", "beating", "-p", f"file={beats}", "-p", "seconds=0.1", "--json", "--workers", "1")
    assert (again.named("reused"), again.named("executed")) == (["quick"], ["beat"])


def make_certificates(folder: Path) -> dict[str, Path]:
    """Make an authority, and a certificate that it has signed."""
    folder.mkdir()
    names = {name: folder / f"{name}.pem" for name in ("ca", "ca-key", "cert", "key")}
    request = folder / "request.pem"
    new_key = ("-newkey", "rsa:2048", "-nodes", "-subj")
    for command in (
        ("req", "-x509", "-days", "2", *new_key, "/CN=authority", "-keyout", names["ca-key"], "-out", names["ca"]),
        ("req", "-new", *new_key, "/CN=127.0.0.1", "-keyout", names["key"], "-out", request),
        ("x509", "-req", "-days", "2", "-in", request, "-CA", names["ca"], "-CAkey", names["ca-key"],
         "-CAcreateserial", "-out", names["cert"]),
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    return names


def test_a_cluster_with_tls_runs_steps_that_compute_there(tmp_path: Path) -> None:
    """With certificates a run succeeds, a step's own Dask tasks included; without them it ends with exit code 4."""
    files = make_certificates(tmp_path / "certificates")
    extra = [f"--tls-{name}={files[file]}" for name, file in (("ca-file", "ca"), ("cert", "cert"), ("key", "key"))]
    named = "DASK_DISTRIBUTED__COMM__TLS__"
    variables = {
        f"{named}CA_FILE": str(files["ca"]),
        f"{named}CLIENT__CERT": str(files["cert"]),
        f"{named}CLIENT__KEY": str(files["key"]),
    }
    astray = variables | {f"{named}CA_FILE": "gone.pem"}
    project = make_project(tmp_path / "adding", "adding", TABLE)
    with dask_cluster(tmp_path / "cluster", "tls", extra) as cluster:
        cluster.add_worker()
        run = project.flowkit("run", "adding", "--json", "--scheduler", cluster.address, **variables)
        bare = project.flowkit("run", "adding", "--force", "*", "--scheduler", cluster.address)
        gone = project.flowkit("run", "adding", "--force", "*", "--scheduler", cluster.address, **astray)

    assert run.code == 0, run.err
    assert run.named("executed") == ["total"]
    assert bare.code == gone.code == 4
    assert f"no certificates for the Dask scheduler at {cluster.address}" in bare.err
    assert f"{named}CA_FILE" in bare.err
    assert "FileNotFoundError" in gone.err
    assert "Traceback" not in bare.err + gone.err


@pytest.mark.long
def test_resources_are_those_that_a_worker_was_started_with(tmp_path: Path, cluster: DaskCluster) -> None:
    """A step that asks for a GPU runs on the worker that has one; where none has, the error says how to start one."""
    plain = cluster.add_worker()
    project = make_project(tmp_path / "training", "training", GPU)
    short = subprocess.run(
        [sys.executable, "-c", SHORT_OF, "run", "training", "--scheduler", cluster.address],
        cwd=project.root,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert short.returncode == 4, short.stdout + short.stderr
    assert "No worker that step 'train' can run on" in short.stderr
    assert '--resources "gpu=1"' in short.stderr

    port = free_port()
    cluster.add_worker("--resources", "gpu=1", "--worker-port", str(port))
    run = project.flowkit("run", "training", "--verbose", "--scheduler", cluster.address)

    assert run.code == 0, run.err
    assert f"train  started on tcp://127.0.0.1:{port}" in run.out + run.err
    assert plain.poll() is None


def test_differing_versions_are_one_warning(tmp_path: Path, cluster: DaskCluster) -> None:
    """A worker with another cloudpickle is named with both versions, once, and runs the steps."""
    installed = tmp_path / "installed" / "cloudpickle-0.1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: cloudpickle\nVersion: 0.1\n")
    port = free_port()
    path = os.pathsep.join([str(installed.parent), os.environ.get("PYTHONPATH", "")])
    cluster.add_worker("--worker-port", str(port), PYTHONPATH=path)
    project = OrdersProject.make(tmp_path / "orders")

    run = project.flowkit("run", "orders", "--json", "--scheduler", cluster.address)

    assert run.code == 0, run.err
    here = version("cloudpickle")
    (told,) = run.json["warnings"]
    assert told.startswith(
        f"Versions differ on the cluster: cloudpickle is {here} here and 0.1 on tcp://127.0.0.1:{port}."
    )
    assert "VersionMismatchWarning" not in run.err
