"""A step that gives other bytes for the same key is warned of once a run, and what stands is said."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import flowkit as fk


@fk.step
def draw(number: int) -> tuple[int, float]:
    return number, random.random()


@fk.step
def square(number: int) -> int:
    return number * number


@fk.step(max_age="1ms")
def prices(number: int) -> float:
    return random.random()


@fk.step(cache=False)
def now(number: int) -> float:
    return random.random()


@fk.step
def large(number: int) -> bytes:
    return random.randbytes(5000)


@fk.pipeline
def drawing() -> None:
    draw(fk.each([1, 2, 3]))
    square(4)


@fk.pipeline
def aging() -> None:
    prices(1)
    now(1)


@fk.pipeline
def losing() -> None:
    large(1)


Run = Callable[..., fk.Run]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a pipeline in this test's store."""

    def run(pipeline: fk.Pipeline[[], None], force: str | None = None) -> fk.Run:
        with fk.Session(store=tmp_path / "store", inline=True, force=force, durable=False) as session:
            return session.run(pipeline)

    return run


def warnings(run: fk.Run) -> list[str]:
    return [text for text in run.report.warnings if "not deterministic" in text]


def test_a_forced_step_with_other_bytes_is_warned_of_once(run: Run) -> None:
    """Of three elements that differ one is named, with its output, what stands, and the command that tells more."""
    first = run(drawing)
    again = run(drawing, force="*")
    later = run(drawing)

    assert warnings(first) == []
    assert warnings(again) == [
        "Step 'draw' is not deterministic: 'draw[0]' gave another 1 than the same code and inputs gave before. It was "
        "made anew, so the new one stands. `flowkit verify --rerun` says what differs."
    ]
    assert warnings(later) == []
    assert later["draw"].value() == again["draw"].value() != first["draw"].value()


def test_a_step_that_is_deterministic_or_declares_otherwise_is_not_warned_of(run: Run) -> None:
    """The same bytes, cache=False and max_age are no reason to warn, forced or expired."""
    for force in (None, "*", None):
        assert warnings(run(aging, force=force)) == []
        time.sleep(0.002)
    run(drawing, force="square")
    assert warnings(run(drawing, force="square")) == []


def test_a_lost_result_that_is_made_anew_with_other_bytes_is_warned_of(run: Run, tmp_path: Path) -> None:
    """What was deleted from the store is made again, and that it is something else is said."""
    run(losing)
    (blob,) = (path for path in (tmp_path / "store/blobs").rglob("*") if path.is_file())
    blob.unlink()

    (warning,) = warnings(run(losing))

    assert "'large' gave another return" in warning
    assert "the new one stands" in warning
