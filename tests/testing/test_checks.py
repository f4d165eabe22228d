"""`assert_deterministic` and `assert_round_trip` pass what holds and name what does not."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

import flowkit as fk
from flowkit.errors import ValueTypeError
from flowkit.testing import assert_deterministic, assert_round_trip

CALLS = itertools.count()


@fk.step
def doubled(values: list[int]) -> list[int]:
    values.append(values[0])
    return values


@fk.step
def drifting(n: int) -> tuple[int, int]:
    return n, next(CALLS)


@fk.step
def written(text: str) -> Path:
    path = fk.scratch() / "out.txt"
    path.write_text(text)
    return path


@dataclass
class Reading:
    value: int
    unit: str


@fk.codec(Reading, suffix=".json")
class ForgetfulCodec:
    """Stores the value and forgets the unit."""

    def save(self, value: Reading, path: Path) -> None:
        """Write the value."""
        path.write_text(json.dumps(value.value))

    def load(self, path: Path) -> Reading:
        """Read the value."""
        return Reading(json.loads(path.read_text()), "")


def test_a_step_that_gives_the_same_twice_passes() -> None:
    """Arguments are copied for each call, and a written file counts by its content."""
    assert_deterministic(doubled, [1])
    assert_deterministic(written, text="x")


def test_a_step_that_drifts_is_named_with_its_outputs() -> None:
    """Only the output that differs is named."""
    with pytest.raises(AssertionError, match=r"'drifting' gave other results the second time: 1\."):
        assert_deterministic(drifting, 1)


@pytest.mark.parametrize(
    ("value", "annotation"), [(1, None), ({"a": [1.5, float("nan")]}, dict[str, list[float]]), (b"x", bytes)]
)
def test_values_survive(value: object, annotation: object) -> None:
    """What is read back is of the same class."""
    assert type(assert_round_trip(value, annotation)) is type(value)


def test_a_value_that_is_not_of_its_annotation_is_refused() -> None:
    """The annotation is proven as a step's is."""
    with pytest.raises(ValueTypeError):
        assert_round_trip("x", int)


def test_a_codec_that_forgets_is_found_out() -> None:
    """Bytes that are equal and incomplete do not pass."""
    with pytest.raises(AssertionError, match="read back unequal"):
        assert_round_trip(Reading(1, "m"))
