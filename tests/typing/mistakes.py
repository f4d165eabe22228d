"""Deliberate mistakes, one a pipeline: `test_mistakes.py` says what finds each of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import flowkit as fk


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Both:
    count: int
    name: str


@fk.step
def number(n: int) -> int:
    return n


@fk.step(retries=2, timeout="1m")
def text(s: str, times: int = 1) -> str:
    return s * times


@fk.step
def two(n: int) -> tuple[int, str]:
    return n, str(n)


@fk.step
def pair(n: int) -> Pair:
    return Pair(n, "")


@fk.step
def both(n: int) -> Both:
    return Both(n, "")


@fk.step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@fk.step
def untracked(n: int, jobs: fk.Untracked[int] = 1) -> int:
    return n


@fk.step
def score(n: int) -> fk.Metrics:
    return fk.Metrics(accuracy=n)


@fk.pipeline
def constant() -> None:
    number("1")


@fk.pipeline
def unknown() -> None:
    text("a", tmies=2)


@fk.pipeline
def missing() -> None:
    text(times=2)


@fk.pipeline
def handle() -> None:
    text(number(1))


@fk.pipeline
def named() -> None:
    text.named("other")(number(1))


@fk.pipeline
def unpacked() -> None:
    _, second = two(1)
    number(second)


@fk.pipeline
def too_many() -> None:
    first, _, _ = two(1)
    number(first)


@fk.pipeline
def of_named_tuple() -> None:
    number(pair(1).right)


@fk.pipeline
def of_dataclass() -> None:
    number(both(1).name)


@fk.pipeline
def no_field() -> None:
    number(both(1).nmae)


@fk.pipeline
def mapped() -> None:
    number(fk.each(["a", "b"]))


@fk.pipeline
def uncollected() -> None:
    total(number(fk.each([1, 2])))


@fk.pipeline
def collected() -> None:
    total(fk.collect(text(fk.each(["a", "b"]))))


@fk.pipeline
def contained() -> None:
    total([number(1), text("a")])


@fk.pipeline
def viewed() -> None:
    text(fk.as_type(number(1), int))


@fk.pipeline
def of_champion() -> None:
    number(fk.champion("m", str))


@fk.pipeline
def promoted_with_a_number() -> None:
    fk.promote(number(1), to="m@champion", metrics=number(1), gates=[fk.at_least("accuracy", 0.5)])


@fk.pipeline
def gate_of_text() -> None:
    fk.promote(number(1), to="m@champion", metrics=score(1), gates=["accuracy > 0.5"])


@fk.pipeline
def gate_value() -> None:
    fk.promote(number(1), to="m@champion", metrics=score(1), gates=[fk.at_least("accuracy", "high")])


@fk.pipeline
def gate_direction() -> None:
    fk.promote(number(1), to="m@champion", metrics=score(1), gates=[fk.no_worse_than("accuracy", better="up")])


@fk.pipeline
def untracked_type() -> None:
    untracked(1, jobs="many")


@fk.pipeline
def path_for_text() -> None:
    text(Path("x"))


@fk.pipeline
def compared() -> None:
    if number(1) > 2:
        number(2)


@fk.pipeline
def added() -> None:
    number(number(1) + 1)
