"""Programs that are right, and that type checkers must let pass."""

from collections.abc import Sequence
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


@fk.step(retries=2, timeout="1m", tags=("slow",), env=("TZ",))
def text(s: str, times: int = 1, *, jobs: fk.Untracked[int] = 1) -> str:
    return s * times


@fk.step
def pair(n: int) -> Pair:
    return Pair(n, "")


@fk.step
def both(n: int) -> Both:
    return Both(n, "")


@fk.step
def two(n: int) -> tuple[int, str]:
    return n, ""


@fk.step
def total(numbers: Sequence[int], named: dict[str, int], maybe: int | None = None) -> int:
    return sum(numbers)


@fk.step
def score(model: int) -> fk.Metrics:
    return fk.Metrics(accuracy=model)


@fk.pipeline
def inner(n: int) -> int:
    return number(n)


@fk.pipeline(name="everything")
def correct(n: int = 1, file: Path = Path("x")) -> None:
    left, right = two(inner(n))
    text(right, times=left, jobs=2)
    text.named("again")(pair(n).right, pair(n).left)
    number(both(n).count)
    numbers = fk.collect(number.named("each")(n=fk.each([1, 2, 3])))
    model = total([number(1), 2, *[number(i) for i in range(2)]], {"a": number(3)}, maybe=number(4))
    total.named("gathered")(numbers, {})
    promotion = fk.promote(
        model,
        to="m@champion",
        metrics=score(model),
        baseline=score(fk.champion("m", int)),
        gates=[fk.at_least("accuracy", 0.5), fk.at_most("accuracy", 1), fk.no_worse_than("accuracy", better="lower")],
    )
    told.named("told")(promotion)


@fk.step
def told(promotion: fk.Promotion) -> str:
    return str(promotion.version)


def called_plainly() -> str:
    run: fk.Run = fk.run(correct, n=2, file=Path("y"))
    count: int = number(3) + two(1)[0]
    return f"{run.status} {count} {pair(1).right}"
