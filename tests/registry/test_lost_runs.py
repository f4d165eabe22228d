"""A driver that stood still and was taken for dead meanwhile: what it may still do, and what not."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowkit.authoring.gates import at_least
from flowkit.errors import PromotionError
from flowkit.lineage.identities import Identities
from flowkit.lineage.runs import end_crashed_runs
from flowkit.records import RunStatus
from flowkit.registry.promote import Candidate, promote
from tests.lineage.samples import make_blob, make_execution, make_node, make_run, open_writer
from tests.store.processes import finish, start

RUN = "run-stopped"
MODEL = make_blob("model")


def drive(database: Path, ready: int, go: int) -> tuple[str, bool]:
    """Begin a run; when told to go on, record a node, promote and end; return what became of the two."""
    with open_writer(database) as writer:
        writer.begin_run(make_run(RUN, driver="1:2:3@here"))
        writer.flush()
        os.write(ready, b".")
        os.read(go, 1)
        writer.record(make_node(make_execution(outputs=[MODEL]), run=RUN))
        candidate = Candidate("taxi", "champion", MODEL, {"accuracy": 0.9}, [at_least("accuracy", 0.5)])
        try:
            promote(writer, candidate, run=RUN, node="promote", who="ada")
            said = "promoted"
        except PromotionError as error:
            said = str(error)
        return said, writer.finish_run(RUN, RunStatus.SUCCEEDED, 0, time.time())


@pytest.fixture
def pipes() -> Iterator[tuple[int, int, int, int]]:
    ends = (*os.pipe(), *os.pipe())
    yield ends
    for end in ends:
        os.close(end)


def query(database: Path, text: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(database, timeout=60)
    try:
        return connection.execute(text).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("taken_for_dead", [True, False])
def test_a_woken_driver_promotes_only_if_its_run_is_still_its_own(
    taken_for_dead: bool, database: Path, pipes: tuple[int, int, int, int]
) -> None:
    """Taken for dead by a machine that does not see its lock: what it finished stands, its run stays crashed, and it
    moves no alias. Left alone, it goes on as if nothing had been.
    """
    ready_read, ready, go_read, go = pipes
    child, result = start(lambda: drive(database, ready, go_read))
    os.read(ready_read, 1)
    os.kill(child, signal.SIGSTOP)
    if taken_for_dead:
        with open_writer(database) as writer:
            crashed = writer.write(lambda found: end_crashed_runs(found, Identities(found), lambda run, driver: False))
        assert crashed == (RUN,)
    os.write(go, b".")
    os.kill(child, signal.SIGCONT)

    said, ended = finish(child, result)

    versions = query(database, "SELECT model, version FROM models")
    assert query(database, "SELECT outcome FROM nodes") == [("executed",)]
    assert query(database, "SELECT count(*) FROM entry") == [(1,)]
    if taken_for_dead:
        assert f"run {RUN} was taken for crashed" in said
        assert f"flowkit rerun {RUN}" in said
        assert (ended, versions, query(database, "SELECT count(*) FROM audit")) == (False, [], [(0,)])
        assert query(database, "SELECT status, exit_code FROM runs") == [("crashed", None)]
    else:
        assert (said, ended, versions) == ("promoted", True, [("taxi", 1)])
        assert query(database, "SELECT status, exit_code FROM runs") == [("succeeded", 0)]
