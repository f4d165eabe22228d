"""Two drivers on one store: what one computes the other waits for, whatever becomes of the first."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flowkit as fk
from flowkit.lineage.writer import LineageWriter
from tests.commands import MAIN, ROOT
from tests.faults.drivers import Driver, append, lines, run_here, until

pytestmark = pytest.mark.slow

LOSSES: dict[bytes, Callable[[Path], object]] = {b"c": Path.read_bytes, b"r": Path.unlink}
"""Ways in which a driver's own process, or anybody, lets all its claims go without its doing."""


@fk.step
def load(n: int) -> list[int]:
    return list(range(n))


@fk.step
def train(rows: list[int], gate: fk.Untracked[int], fails: fk.Untracked[bool], log: fk.Untracked[str]) -> int:
    append(log, "train")
    while gate and (told := os.read(gate, 1)) in LOSSES:
        LOSSES[told](Path(log).with_name(".flowkit") / "claims")
    if fails:
        raise ValueError("not this time")
    return sum(rows)


@fk.step
def double(total: int) -> int:
    return 2 * total


@fk.pipeline
def first(log: str, gate: int = 0, fails: bool = False, n: int = 10) -> None:
    train(load(n), gate, fails, log)


@fk.pipeline
def second(log: str) -> None:
    double(train(load(10), 0, False, log))


class Pair:
    """Drivers of one project, and how often the step ran in all of them together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "calls"
        self.gate, self._opens = os.pipe()
        self._drivers: list[Driver] = []

    def start(self, name: str, pipeline: Any = first, **more: Any) -> Driver:
        driver = Driver(self.folder, name, pipeline, log=str(self.log), **more)
        self._drivers.append(driver)
        return driver

    def start_training(self, **more: Any) -> Driver:
        """Start a driver and return once it trains, which it does until the gate is opened."""
        driver = self.start("a", gate=self.gate, **more)
        until(lambda: self.trained == 1, "the first driver trains")
        return driver

    def open_gate(self) -> None:
        self.tell(b".")

    def tell(self, what: bytes) -> None:
        """Tell the driver that trains."""
        os.write(self._opens, what)

    @property
    def trained(self) -> int:
        return len(lines(self.log))

    def query(self, text: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.folder / ".flowkit" / "lineage.db", timeout=60)
        try:
            return connection.execute(text).fetchall()
        finally:
            connection.close()

    def end(self) -> None:
        for driver in self._drivers:
            driver.kill()
        os.close(self.gate)
        os.close(self._opens)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.end()


def test_the_second_waits_says_for_whom_and_reuses(pair: Pair) -> None:
    """A node that both decide to run is computed once, and the wait is told once, with run and process."""
    a = pair.start_training()
    b = pair.start("b")
    b.hears("waits: train run ")
    pair.open_gate()

    ended, waited = a.wait(), b.wait()

    assert pair.trained == 1
    assert (ended["outcomes"]["train"], waited["outcomes"]["train"]) == ("executed", "reused")
    assert f"waits: train run {ended['run']} (pid {a.pid}, since " in b.said
    assert b.said.count("waits:") == 1


def test_two_commands_at_once_compute_a_node_once(tmp_path: Path) -> None:
    """`flowkit run` twice, with real step hosts, the node riding behind another: the second waits, says so, reuses."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "taxi"\nversion = "0"\n')
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "taxi.py").write_text(COMMANDED)
    command = [sys.executable, "-c", MAIN, "run", "taxi", "--workers", "1"]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True)

    a = begin()
    until(lambda: lines(tmp_path / "calls") == ["train"], "the first command trains")
    b = begin()
    assert b.stdout is not None
    heard = ""
    for line in b.stdout:
        heard += line
        if line.startswith("waiting"):
            (tmp_path / "go").touch()
    said = a.communicate(timeout=90)[0]

    assert (a.returncode, b.wait()) == (0, 0), said + heard
    assert lines(tmp_path / "calls") == ["train"]
    assert "train  executed" in said
    assert re.search(rf"waiting for 'train' of run \S+ \(pid {a.pid}, since \d\d:\d\d:\d\d\)\n", heard), heard
    assert "train  reused" in heard


COMMANDED = """
import subprocess

import flowkit as fk


@fk.step
def load(n: int) -> list[int]:
    return list(range(n))


@fk.step(timeout="60s")
def train(rows: list[int]) -> int:
    with open("calls", "a") as calls:
        calls.write("train\\n")
    subprocess.run(["/bin/sh", "-c", "until [ -e go ]; do sleep 0.05; done"])
    return sum(rows)


@fk.pipeline
def taxi() -> None:
    train(load(10))
"""


def test_where_the_first_is_killed_the_second_computes(pair: Pair) -> None:
    """The claim of a killed driver is free at once, and its run is crashed for the next command."""
    a = pair.start_training()
    b = pair.start("b")
    b.hears("waits: train")

    a.kill()
    ended = b.wait()

    assert (pair.trained, ended["outcomes"]["train"], ended["code"]) == (2, "executed", 0)
    with LineageWriter(pair.folder / ".flowkit" / "lineage.db", present=lambda file: True) as writer:
        assert len(writer.mark_crashed_runs()) == 1
    assert sorted(pair.query("SELECT status FROM runs")) == [("crashed",), ("succeeded",)]


def test_where_the_first_fails_the_second_computes(pair: Pair) -> None:
    """A failure is nobody else's: who waited tries for itself."""
    a = pair.start_training(fails=True)
    b = pair.start("b")
    b.hears("waits: train")
    pair.open_gate()

    assert a.wait()["outcomes"]["train"] == "failed"
    assert b.wait()["outcomes"]["train"] == "executed"
    assert pair.trained == 2


@pytest.mark.parametrize("loss", LOSSES)
def test_where_the_first_loses_its_claim_the_second_goes_on_waiting(pair: Pair, loss: bytes) -> None:
    """A key that comes free while its holder lives is left to it until it had time to take it again."""
    a = pair.start_training()
    b = pair.start("b")
    b.hears("waits: train run ")
    for _ in range(2):
        pair.tell(loss)
        # Longer than the first driver needs to take its claim again, or the second to find the key free.
        time.sleep(0.8)
    pair.open_gate()

    a.wait()
    b.wait()

    assert pair.trained == 1


def test_of_a_stopped_driver_the_second_says_so(pair: Pair) -> None:
    """Nobody waits for ever without knowing: the command that wakes the first is told; woken, it is reused."""
    a = pair.start_training()
    b = pair.start("b")
    b.hears("waits: train")
    a.signal(signal.SIGSTOP)
    b.hears(f"pid {a.pid} is stopped: kill -CONT {a.pid}, or end it.")

    a.signal(signal.SIGCONT)
    pair.open_gate()

    assert (a.wait()["outcomes"]["train"], b.wait()["outcomes"]["train"]) == ("executed", "reused")
    assert pair.trained == 1


def test_an_interruption_ends_a_wait(pair: Pair) -> None:
    """Ctrl-C is heard while a run waits: it ends as cancelled, and the first goes on."""
    a = pair.start_training()
    b = pair.start("b")
    b.hears("waits: train")

    b.signal(signal.SIGINT)
    ended = b.wait()

    assert (ended["code"], ended["outcomes"]["train"]) == (130, "cancelled")
    assert pair.query("SELECT count(*) FROM runs WHERE status = 'running'") == [(1,)]
    a.kill()


def test_pipelines_that_share_a_key_wait_for_each_other(pair: Pair) -> None:
    """It is the key that is claimed, not the pipeline's node; what follows from it is each one's own."""
    a = pair.start_training()
    b = pair.start("b", second)
    b.hears("waits: train")
    pair.open_gate()

    assert a.wait()["code"] == 0
    assert b.wait()["outcomes"] == {"load": "reused", "train": "reused", "double": "executed"}
    assert pair.trained == 1


def test_a_forced_node_waits_for_nobody_and_others_wait_for_it(pair: Pair) -> None:
    """Forced is forced: it runs beside the first, and one result stands in the end."""
    a = pair.start_training()
    b = pair.start("b", force="train", gate=pair.gate)
    until(lambda: pair.trained == 2, "the forced one trains too")
    pair.open_gate()
    pair.open_gate()
    assert a.wait()["outcomes"]["train"] == "executed"

    ended = b.wait()

    assert ended["outcomes"]["train"] == "executed"
    assert "waits" not in b.said
    assert pair.query("SELECT count(*), count(DISTINCT entry_key) FROM entry") == [(2, 2)]
    assert pair.query("SELECT count(*) FROM nodes WHERE node = 'train' AND outcome = 'executed'") == [(2,)]


def test_other_keys_run_at_once(pair: Pair) -> None:
    """Who needs another key waits for nobody, and a claim does not outlive its run."""
    a = pair.start_training()

    assert pair.start("b", n=11).wait()["outcomes"]["train"] == "executed"
    assert pair.trained == 2
    pair.open_gate()
    assert a.wait()["code"] == 0
    assert pair.start("c", n=12).wait()["code"] == 0


def test_two_sessions_of_one_process_exclude_each_other(pair: Pair) -> None:
    """Locks belong to processes, claims to runs: two threads with a session each compute a node once.

    That one says for whom it waits is not tried here: inline, a process works at one node at a time anyway.
    """
    ends: dict[str, Any] = {}

    def run(name: str, gate: int) -> None:
        ends[name] = run_here(pair.folder, name, first, {"log": str(pair.log), "gate": gate})

    one = threading.Thread(target=run, args=("one", pair.gate))
    one.start()
    until(lambda: pair.trained == 1, "the first session trains")
    two = threading.Thread(target=run, args=("two", 0))
    two.start()
    time.sleep(0.2)
    pair.open_gate()
    one.join()
    two.join()

    assert pair.trained == 1
    assert {ends["one"]["outcomes"]["train"], ends["two"]["outcomes"]["train"]} == {"executed", "reused"}
