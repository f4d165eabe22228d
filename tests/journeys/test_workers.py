"""Runs on real workers: an external cluster that lives through an edit, an interruption, memos in globals."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dask_cluster import free_port
from tests.journeys.project import OrdersProject

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and two workers, started with Dask's own command line, each in a folder of its own."""
    address = f"tcp://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    commands = [
        ["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
        ["worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"],
        ["worker", address, "--nthreads", "1", "--no-dashboard", "--nworkers", "1"],
    ]
    processes = []
    for number, command in enumerate(commands):
        folder = tmp_path / f"cluster{number}"
        folder.mkdir()
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
    try:
        yield address
    finally:
        # Workers first: one that loses its scheduler while it is ending may hang for a minute.
        for process in reversed(processes):
            process.terminate()
            process.wait(40)


@pytest.mark.slow
def test_an_external_cluster_runs_the_code_of_each_run(tmp_path: Path, cluster: str) -> None:
    """Workers in other folders run the pipeline; after an edit of a helper the same workers run the new code."""
    project = OrdersProject.make(tmp_path / "orders")

    first = project.flowkit("run", "pipelines/orders.py", "--json", "--scheduler", cluster)
    assert first.code == 0, first.err
    assert len(first.named("executed")) == 4
    project.edit("cleaning.py", "RATE = 2", "RATE = 10")
    second = project.flowkit("run", "pipelines/orders.py", "--json", "--scheduler", cluster)

    assert second.code == 0, second.err
    assert second.named("executed") == ["count"]
    shown = project.flowkit("artifact", "export", "last:count", str(tmp_path / "count.json"))
    assert shown.code == 0, shown.err
    assert (tmp_path / "count.json").read_text() == "30"


LETTERS = '''
"""As many nodes as there are letters."""

import flowkit as fk


@fk.step
def letters(text: str) -> list[str]:
    return list(text)


@fk.step
def double(letter: str) -> str:
    return 2 * letter


@fk.step
def join(texts: list[str]) -> str:
    return "".join(texts)


@fk.pipeline
def spelling(text: str = "abc") -> None:
    join(fk.collect(double(fk.each(letters(text)))))
'''


@pytest.mark.slow
def test_an_external_cluster_takes_lists_apart(tmp_path: Path, cluster: str) -> None:
    """A list that is known only at run time is taken apart by a worker; one letter more runs one element more."""
    project = OrdersProject.make(tmp_path / "letters")
    (project.root / "pipelines" / "spelling.py").write_text(LETTERS)

    first = project.flowkit("run", "spelling", "--json", "--scheduler", cluster)
    second = project.flowkit("run", "spelling", "-p", "text=abcd", "--json", "--scheduler", cluster)

    assert first.code == second.code == 0, first.err + second.err
    assert len(first.named("executed")) == 5
    assert second.named("executed") == ["letters", "double[3]", "join"]


def test_ctrl_c_stops_the_run_and_what_finished_is_kept(tmp_path: Path) -> None:
    """The run ends within seconds as cancelled with exit code 130; its finished nodes are reused by the next."""
    import os
    import signal

    project = OrdersProject.make(tmp_path / "slow")
    project.edit("pipelines/orders.py", "return sum(numbers)", "import time; time.sleep(60); return sum(numbers)")
    process = subprocess.Popen(
        [sys.executable, "-m", "flowkit", "run", "pipelines/orders.py", "--workers", "1"],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("amounts"):
            break
    time.sleep(0.5)

    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(20)

    assert time.monotonic() - began < 5
    assert process.returncode == 130
    runs = project.flowkit("runs", "--json").json["runs"]
    assert runs[0]["status"] == "cancelled"
    project.edit("pipelines/orders.py", "time.sleep(60)", "time.sleep(0)")
    again = project.run()
    assert set(again.named("reused")) >= {"read", "amounts"}


MEMO = '''
"""Steps that share a memo, beside one that remembers as it should."""

import functools

import flowkit as fk

_CACHE = {}
COLUMNS = list({"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"})


def get(x: int) -> int:
    if x not in _CACHE:
        _CACHE[x] = x + 1
    return _CACHE[x]


@functools.cache
def kept(x: int) -> int:
    return x + 1


@fk.step
def a(x: int) -> int:
    return get(x)


@fk.step
def b(x: int) -> int:
    return get(x) + 1


@fk.step
def c(x: int) -> int:
    return kept(x)


@fk.step
def wide() -> int:
    return len(COLUMNS)


@fk.pipeline
def memo() -> None:
    c(b(a(3)))


@fk.pipeline
def columns() -> None:
    wide()
'''


@pytest.mark.parametrize("how", [("--inline",), ("--workers", "1")], ids=["inline", "workers"])
def test_a_memo_in_a_global_fails_nothing_and_is_never_reused(tmp_path: Path, how: tuple[str, ...]) -> None:
    """Steps that fill a global dict run, are warned about by its name with the remedy, and run again each time."""
    project = OrdersProject.make(tmp_path / "memo")
    (project.root / "pipelines" / "memo.py").write_text(MEMO)

    first = project.flowkit("run", "pipelines/memo.py:memo", "--json", *how)
    second = project.flowkit("run", "pipelines/memo.py:memo", "--json", *how)

    assert first.code == 0, first.err + first.out
    assert first.named("executed") == ["a", "b", "c"]
    for step in ("a", "b"):
        (warning,) = [text for text in first.json["warnings"] if f"'{step}'" in text]
        assert "_CACHE" in warning
        assert "functools.cache" in warning
    assert second.code == 0, second.err
    assert second.named("executed") == ["a", "b"]
    assert second.named("reused") == ["c"]


def test_a_global_in_the_order_of_a_set_is_named_with_its_remedy(tmp_path: Path) -> None:
    """Where a global has another value in each process the failure says so, and speaks of no edited file."""
    project = OrdersProject.make(tmp_path / "columns")
    (project.root / "pipelines" / "memo.py").write_text(MEMO)

    run = project.flowkit("run", "pipelines/memo.py:columns", "--json", "--workers", "1", PYTHONHASHSEED="")

    assert run.code == 1, run.err
    error = run.nodes["wide"]["error"]
    assert ":COLUMNS'" in error["message"]
    assert "sort" in error["hint"]
    assert "edited" not in str(error)
    assert not error["traceback"]
