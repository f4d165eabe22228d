"""Nothing listens to the network: what flowkit opens is on loopback, and what is beyond it needs TLS."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from flowkit.errors import WorkerError
from flowkit.execution.dask_address import check_address, check_worker_address, describe_open_ports
from tests.commands import MAIN, ROOT, caller, spawn
from tests.dask_cluster import dask_cluster
from tests.journeys.test_external_clusters import make_certificates
from tests.security.listening import Sockets, is_loopback, watch
from tests.security.projects import make_project

COMPUTING = """
import time

import dask.dataframe as dd
import pandas as pd

import flowkit as fk


@fk.step
def total(rows: int) -> int:
    frame = dd.from_pandas(pd.DataFrame({"x": range(rows)}), npartitions=2)
    found = int(frame.x.sum().compute())
    time.sleep(0.3)
    return found


@fk.pipeline
def computing() -> None:
    total(10)
"""

PLAIN = """
import flowkit as fk


@fk.step
def one() -> int:
    return 1


@fk.pipeline
def plain() -> None:
    one()
"""

REFUSED = [
    "tcp://10.0.0.7:8786",
    "10.0.0.7:8786",
    "tcp://0.0.0.0:8786",
    "tcp://[::]:8786",
    "tcp://:8786",
    "tcp://scheduler.example.org:8786",
    "tcp://127.0.0.1.example.org:8786",
    "tcp://localhost.example.org:8786",
    "tcp://127.0.0.1@10.0.0.7:8786",
    "tcp://10.0.0.7:8786#@127.0.0.1:8786",
    "tcp://10.0.0.7\\@127.0.0.1.example:8786",
    "tcp://[fe80::1]:8786",
    "tcp://[::ffff:10.0.0.7]:8786",
    "tcp://[::1]x:8786",
    "tcp://[not an address]:8786",
    "tcp://2130706433:8786",
    "tcp://0x7f.1:8786",
    "ucx://10.0.0.7:8786",
    "ws://10.0.0.7:8786",
    "unknown://10.0.0.7:8786",
    f"tcp://{socket.gethostname()}-elsewhere:8786",
]

ACCEPTED = [
    "tcp://127.0.0.1:8786",
    "127.0.0.1:8786",
    "tcp://127.8.9.1:8786",
    "tcp://localhost:8786",
    "tcp://LOCALHOST:8786",
    "tcp://[::1]:8786",
    "tls://scheduler.example.org:8786",
    "tls://10.0.0.7:8786",
    "wss://10.0.0.7:8786",
    "inproc://127.0.0.1/1/1",
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_off_loopback_needs_tls(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain address is refused unless it is one of loopback for certain: a scheduler's, worker's, listener's."""
    for check in (check_address, check_worker_address):
        with pytest.raises(WorkerError, match="without TLS") as refused:
            check(address)
        assert refused.value.exit_code == 4
        assert address in refused.value.message
    assert address in str(describe_open_ports([("worker w", address)]))

    monkeypatch.setenv("FLOWKIT_ALLOW_PLAIN_TCP", "1")
    check_address(address)
    assert describe_open_ports([("worker w", address)]) is None


@pytest.mark.parametrize("address", ACCEPTED)
def test_loopback_and_tls_are_accepted(address: str) -> None:
    """Every spelling of loopback, and every encrypted address."""
    check_address(address)
    check_worker_address(address)
    assert describe_open_ports([("the scheduler", address)]) is None


class Ear:
    """A TCP port on loopback that notes whether anybody connects."""

    def __init__(self) -> None:
        self.heard = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.heard += 1
            connection.close()


def test_nothing_is_sent_to_a_refused_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with exit code 4 before it connects, though this address would have led to the port."""
    host = "0.0.0.0"
    make_project(tmp_path, plain=PLAIN)
    with Ear() as ear:
        socket.create_connection((host, ear.port)).close()
        while not ear.heard:
            pass
        monkeypatch.chdir(tmp_path)
        run = caller(capsys)("run", "plain", "--scheduler", f"tcp://{host}:{ear.port}")

        assert run.code == 4, run.err
        assert "without TLS" in run.err
        assert ear.heard == 1


def listen_to(folder: Path, *arguments: str) -> tuple[Sockets, int]:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return watch(process), process.wait()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_run_listens_on_loopback_alone(tmp_path: Path) -> None:
    """No process of a run, the one that computes for steps included, has a port or a named socket beyond loopback."""
    make_project(tmp_path, plain=PLAIN, computing=COMPUTING)

    quiet, code = listen_to(tmp_path, "plain", "--workers", "2")
    assert code == 0
    assert len(quiet.processes) >= 2
    assert (quiet.listening, quiet.datagrams, quiet.unix) == (set(), set(), set())

    computing, code = listen_to(tmp_path, "computing", "--workers", "1")
    assert code == 0
    assert computing.listening, "nothing was seen: the test looks too rarely"
    assert [address for address in computing.listening if not is_loopback(address[0])] == []
    assert (computing.datagrams, computing.unix) == (set(), set())


@pytest.mark.slow
@pytest.mark.cluster
def test_a_cluster_that_listens_everywhere_is_told_of(tmp_path: Path) -> None:
    """A worker's address is of loopback, and yet it listens on every interface: the run warns and names the remedy."""
    make_project(tmp_path, plain=PLAIN)
    with dask_cluster(tmp_path / "cluster") as cluster:
        # As Dask starts one where nobody says `--host`.
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "dask", "worker", cluster.address, "--no-nanny", "--nthreads", "1"),
                *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
            ],
            cwd=tmp_path / "cluster",
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        try:
            wide = spawn(tmp_path, "run", "plain", "--scheduler", cluster.address)
        finally:
            worker.terminate()
            worker.wait()

    assert "worker tcp://127.0.0.1:" in wide.stderr
    assert wide.returncode == 0, wide.stderr
    assert "run code through the Dask cluster" in wide.stderr
    assert "--host 127.0.0.1" in wide.stderr


@pytest.mark.slow
@pytest.mark.cluster
def test_a_certificate_of_another_authority_is_refused(tmp_path: Path) -> None:
    """With TLS, a driver that trusts another authority than the cluster's ends with exit code 4 and says why."""
    files = make_certificates(tmp_path / "certificates")
    others = make_certificates(tmp_path / "others")
    extra = [f"--tls-{name}={files[file]}" for name, file in (("ca-file", "ca"), ("cert", "cert"), ("key", "key"))]
    named = "DASK_DISTRIBUTED__COMM__TLS__"
    variables = {
        f"{named}CA_FILE": str(others["ca"]),
        f"{named}CLIENT__CERT": str(others["cert"]),
        f"{named}CLIENT__KEY": str(others["key"]),
    }
    make_project(tmp_path, plain=PLAIN)
    with dask_cluster(tmp_path / "cluster", "tls", extra) as cluster:
        run = spawn(tmp_path, "run", "plain", "--scheduler", cluster.address, **variables)

    assert run.returncode == 4, run.stdout + run.stderr
    assert cluster.address in run.stderr
    assert "certificate" in run.stderr.lower()
    assert "Traceback" not in run.stderr
