"""What `Run` gives back: several outputs as they were declared, and of a failed node everything that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import pandas as pd
import pandera.pandas as pa
import pytest

import flowkit as fk
from flowkit.errors import NotRecordedError, StepError


class Halves(NamedTuple):
    left: int
    right: int


class Single(NamedTuple):
    only: int


@dataclass(frozen=True, slots=True)
class Doubled:
    value: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.value * 2)


class Row(pa.DataFrameModel):
    fare: int = pa.Field(ge=0)


@fk.step
def halve(number: int) -> Halves:
    return Halves(number // 2, number - number // 2)


@fk.step
def single() -> Single:
    return Single(1)


@fk.step
def double() -> Doubled:
    return Doubled(2)


@fk.step
def pair() -> tuple[int, str]:
    return 1, "a"


@fk.step
def broken(number: int) -> int:
    return number // 0


@fk.step
def invalid() -> Annotated[pd.DataFrame, Row]:
    return pd.DataFrame({"fare": [1, -1]})


@fk.pipeline
def shapes() -> None:
    halve(7)
    halve(fk.each([2, 4]))
    single()
    double()
    pair()


@fk.pipeline
def failing() -> None:
    broken(1)
    broken(fk.each([1, 2]))
    invalid()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[fk.Session]:
    with fk.Session(store=tmp_path / "store", inline=True) as session:
        yield session


def test_several_outputs_come_back_as_they_were_declared(session: fk.Session) -> None:
    """A NamedTuple and a dataclass keep their class and fields, of a reopened run too; a tuple stays one."""
    for run in (session.run(shapes), session.last(shapes)):
        assert isinstance(run["halve"].value(), Halves)
        assert run["halve"].value() == Halves(left=3, right=4)
        assert [type(value) for value in run["halve#2"].value()] == [Halves, Halves]
        assert run["single"].value() == Single(1)
        assert isinstance(run["single"].value(), Single)
        assert run["pair"].value() == (1, "a")
        assert type(run["pair"].value()) is tuple
        assert run["halve"].value("right") == 4
        # As the step returned it, not doubled once more.
        assert isinstance(run["double"].value(), Doubled)
        assert run["double"].value().value == 4


def test_the_value_of_a_failed_node_says_why(session: fk.Session) -> None:
    """The error holds the facts of the failure (the place, the column, the rows), its hint and its traceback."""
    run = session.run(failing)
    with pytest.raises(StepError, match="'broken' has no value: it is failed") as caught:
        run["broken"].value()
    facts = dict(caught.value.facts)
    assert "ZeroDivisionError" in facts["cause"]
    assert "in broken" in facts["at"]
    assert "return number // 0" in "\n".join(caught.value.__notes__)
    with pytest.raises(StepError) as caught:
        run["invalid"].value()
    assert "-1" in dict(caught.value.facts)["fare"]


def test_a_mapped_node_is_answered_with_its_elements(session: fk.Session) -> None:
    """Whoever names a mapped node where one element is needed is told of all of them, in order."""
    with pytest.raises(NotRecordedError, match="mapped") as caught:
        session.why(shapes, {}, "halve#2")
    assert dict(caught.value.facts)["mapped"] == "halve#2[0], halve#2[1]"
    names = [f"train[{index}]" for index in (0, 10, 2, 1)]
    assert dict(NotRecordedError.for_node("last", "train", names).facts)["mapped"].endswith("train[2], train[10]")
