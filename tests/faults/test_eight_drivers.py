"""Eight drivers run one pipeline on one store, round after round, and promote: no "locked", nothing done twice.

Each round has new parameters. What all drivers need is claimed by one and executed once by all of them together, as a
log outside of the store tells; what is each driver's own is promoted by each, one after the other.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import flowkit as fk
from flowkit.registry.audit import verify_chain
from tests.faults.conftest import Tell
from tests.faults.drivers import append, run_here
from tests.faults.scale import scaled

pytestmark = pytest.mark.slow

DRIVERS = 8
ROUNDS = 100
WIDTH = 4


@fk.step
def load(turn: int, log: fk.Untracked[str]) -> list[int]:
    append(log, f"load {turn}")
    return [turn, turn + 1, turn + 2]


@fk.step(max_age="1d")  # what has an age is never run unasked
def fit(rows: list[int], C: int, log: fk.Untracked[str]) -> int:
    append(log, f"fit {rows[0]} {C}")
    return sum(rows) * C


@fk.step
def best(fits: list[int], log: fk.Untracked[str]) -> int:
    append(log, f"best {fits[0]}")
    return max(fits)


@fk.step(max_age="1d")
def build(value: int, driver: int, log: fk.Untracked[str]) -> list[int]:
    append(log, f"build {value} {driver}")
    return [value, driver]


@fk.step
def score(model: list[int]) -> fk.Metrics:
    return fk.Metrics(accuracy=float(model[0]))


@fk.pipeline
def campaign(turn: int, driver: int, log: str) -> None:
    rows = load(turn, log)
    fits = fk.collect(fit(rows, fk.each(list(range(1, WIDTH + 1))), log))
    model = build(best(fits, log), driver, log)
    fk.promote(model, to="m@champion", metrics=score(model), gates=[fk.at_least("accuracy", 0.0)])


class Sampler:
    """Looks at the aliases again and again, as a reader of its own, while drivers move them."""

    def __init__(self, database: Path) -> None:
        self.samples = 0
        self.violations: list[Any] = []
        self._database = database
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            if not self._database.exists():
                continue
            connection = sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=60)
            try:
                held = connection.execute("SELECT model, alias, count(*) FROM aliases GROUP BY model, alias").fetchall()
            except sqlite3.OperationalError:
                continue  # the tables are being made
            finally:
                connection.close()
            self.samples += 1
            self.violations += [row for row in held if row[2] > 1]


def take_part(folder: Path, number: int, turns: int, go: int, done: int) -> None:
    """Run every round when told to, in a forked process; an error ends it with its text in the place of a report."""
    for turn in range(turns):
        assert os.read(go, 1)
        try:
            parameters = {"turn": turn * 10, "driver": number, "log": str(folder / "calls")}
            ending = run_here(folder, f"driver{number}", campaign, parameters)
            text = f"{ending['code']} {ending['errors']}"
        except BaseException as error:  # noqa: BLE001  (whatever it is, the test is to see it)
            text = f"{type(error).__name__}: {error}".replace("\n", " ")
        os.write(done, f"{text}\n".encode())


def start(folder: Path, number: int, turns: int) -> tuple[int, int, Any]:
    """Fork a driver; return its process, where it is told to go, and where it says that it is done."""
    go_read, go_write = os.pipe()
    done_read, done_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_write)
        os.close(done_read)
        try:
            take_part(folder, number, turns, go_read, done_write)
        finally:
            os._exit(0)
    os.close(go_read)
    os.close(done_write)
    return child, go_write, os.fdopen(done_read)


def test_eight_drivers_compute_everything_once_and_promote_in_turn(tmp_path: Path, tell_figure: Tell) -> None:
    """All exit 0; each node runs once a round; one committed row a key; one champion; the audit chain is whole."""
    rounds = scaled(ROUNDS)
    database = tmp_path / ".flowkit" / "lineage.db"
    drivers = [start(tmp_path, number, rounds) for number in range(DRIVERS)]
    ends: Counter[str] = Counter()

    with Sampler(database) as sampler:
        for _ in range(rounds):
            for _, go, _ in drivers:
                os.write(go, b".")
            ends.update(done.readline().strip() for _, _, done in drivers)
    for child, go, done in drivers:
        os.close(go)
        done.close()
        os.waitpid(child, 0)

    calls = Counter((tmp_path / "calls").read_text().splitlines())
    doubled = {call: count for call, count in calls.items() if count > 1}
    connection = sqlite3.connect(database)
    (entries,) = connection.execute("SELECT count(*) - count(DISTINCT entry_key) FROM entry").fetchone()
    versions = [version for (version,) in connection.execute("SELECT version FROM models ORDER BY version")]
    statuses = dict(connection.execute("SELECT status, count(*) FROM runs GROUP BY status"))
    audited = connection.execute("SELECT count(*) FROM audit").fetchone()
    broken = verify_chain(connection)
    connection.close()
    tell_figure(
        "eight drivers on one store",
        rounds=rounds,
        runs=sum(ends.values()),
        nodes_executed=sum(calls.values()),
        samples_of_aliases=sampler.samples,
        violations=len(doubled) + entries + len(sampler.violations) + sum(ends.values()) - ends["0 {}"],
    )
    assert ends == {"0 {}": rounds * DRIVERS}
    assert statuses == {"succeeded": rounds * DRIVERS}
    assert doubled == {}
    assert len(calls) == rounds * (1 + WIDTH + 1 + DRIVERS)
    assert entries == 0
    assert sampler.samples > rounds
    assert sampler.violations == []
    assert versions == list(range(1, rounds * DRIVERS + 1))
    assert (audited, broken) == ((rounds * DRIVERS,), None)
