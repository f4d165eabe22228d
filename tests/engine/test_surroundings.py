"""What lies around a run: arguments that change after the call, a database that is gone, gates that are none."""

from __future__ import annotations

import decimal
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import flowkit as fk
from flowkit.errors import ArgumentError, LineageError, SettingError
from flowkit.records import Reason


@fk.step
def add_up(numbers: list[int]) -> int:
    return sum(numbers)


@fk.step
def rows(table: pd.DataFrame) -> int:
    return len(table)


@fk.step
def read(source: Path) -> str:
    return source.read_text()


@fk.step
def forks() -> int:
    if os.fork() == 0:
        return -1
    time.sleep(0.2)
    return 1


@fk.pipeline
def forking() -> None:
    add_up([forks()])


@fk.pipeline
def mutating() -> None:
    numbers, table = [1], pd.DataFrame({"a": [1]})
    add_up(numbers)
    rows(table)
    numbers.append(2)
    table.loc[1] = [2]
    add_up(numbers)
    rows(table)


@fk.step
def disturb() -> int:
    decimal.getcontext().prec = 3
    sys.path.clear()
    sys.setrecursionlimit(500)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    return 1


@fk.step
def undisturbed(after: int) -> str:
    time.sleep(0.4)
    found = (len(str(decimal.Decimal(1) / 7)) > 20, bool(sys.path), sys.getrecursionlimit() > 500)
    return f"{found} {signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN}"


@fk.pipeline
def disturbing() -> None:
    undisturbed(disturb())


@fk.pipeline
def reading(source: Path) -> None:
    read(source)


def test_an_argument_counts_as_it_was_when_it_was_passed(tmp_path: Path) -> None:
    """A list or table that the pipeline's body changes later changes no earlier call."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        run = session.run(mutating)

    assert [run[name].value() for name in ("add_up", "add_up#2", "rows", "rows#2")] == [1, 3, 1, 2]


def test_what_a_step_changes_in_its_process_ends_with_it(tmp_path: Path) -> None:
    """Precision, import path, recursion limit, timers and signal handlers are those of a fresh process for the next."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        run = session.run(disturbing)

    assert run["undisturbed"].value() == "(True, True, True) False"


@pytest.mark.cluster
def test_a_copy_that_a_step_forked_does_not_report_for_it(tmp_path: Path) -> None:
    """A child that comes back from a step ends there; the step's own value is what is stored."""
    with fk.Session(store=tmp_path / "store", workers=1) as session:
        run = session.run(forking)

    assert run["forks"].value() == 1
    assert run["add_up"].value() == 1


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_a_store_without_its_database_is_refused(tmp_path: Path, damage: str) -> None:
    """A new database would forget runs, models and the audit log without a word."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        session.run(large)
    database = tmp_path / "store" / "lineage.db"
    database.unlink()
    if damage == "empty":
        database.touch()

    with (
        fk.Session(store=tmp_path / "store", inline=True) as session,
        pytest.raises(LineageError, match=f"is {damage}"),
    ):
        session.run(large)


@fk.step
def fill() -> bytes:
    return b"x" * 10_000


@fk.pipeline
def large() -> None:
    fill()


def test_what_is_no_gate_is_refused_while_building() -> None:
    """A text among the gates is named before anything runs."""

    @fk.step
    def measure() -> fk.Metrics:
        return fk.Metrics(accuracy=1)

    def body() -> None:
        gates: Any = ["accuracy >= 1"]
        fk.promote(fill(), to="m@champion", metrics=measure(), gates=gates)

    with pytest.raises(ArgumentError, match="as a gate"):
        fk.pipeline(name="gated")(body).build({})


def test_a_missing_input_has_the_reason_input(tmp_path: Path) -> None:
    """A node that failed before it could run says why it would have run."""
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        run = session.run(reading, source=tmp_path / "nowhere")

    assert run["read"].report.reason is Reason.INPUT


def test_more_workers_than_a_machine_can_bear_are_refused(tmp_path: Path) -> None:
    """A slip of the keyboard does not start a hundred thousand processes."""
    with fk.Session(store=tmp_path / "store", workers=100_000) as session, pytest.raises(SettingError, match="workers"):
        session.run(large)
