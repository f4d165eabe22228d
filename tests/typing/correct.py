"""Programs that are right, and that type checkers must let pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pandera.pandas as pa

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
def counted(n: int) -> list[int]:
    return list(range(n))


@fk.step
def total(numbers: Sequence[int], named: dict[str, int], maybe: int | None = None) -> int:
    return sum(numbers)


@fk.step
def score(model: int) -> fk.Metrics:
    return fk.Metrics(accuracy=model)


class Row(pa.DataFrameModel):
    x: float


Rows = Annotated[pd.DataFrame, Row]
Parts = Annotated[dd.DataFrame, Row]


@fk.step
def connect(db: fk.Secret[str] = fk.Secret("CHURN_DB")) -> int:
    return len(db.value)


@fk.step(network=True, cpus=2, memory="1GB", resources={"GPU": 1}, max_age="24h", retry_delay=1.5, backoff=2)
def fetch(day: fk.Interval, db: fk.Secret[str]) -> Rows:
    return pd.DataFrame({"x": [float(day.day.day)]}, index=[day.start, day.end][:1]).reset_index(drop=True)


@fk.step(cache=False)
def in_parts(rows: Rows) -> Parts:
    parts: dd.DataFrame = dd.from_pandas(rows, npartitions=2)
    return parts


@fk.step
def mean(parts: dd.DataFrame) -> float:
    return float(parts["x"].mean().compute())


@fk.step
def norm(rows: pd.DataFrame) -> np.ndarray:
    if rows.empty:
        raise fk.Skip("no rows")
    (fk.scratch() / "note.txt").write_text("seen")
    return np.asarray(rows.x)


@fk.pipeline
def in_vault(db: fk.Secret[str] = fk.Secret("CHURN_DB")) -> None:
    connect()
    connect(db)


@fk.pipeline(schedule="0 6 * * *", timezone="Europe/Berlin", catchup="all", overlap="queue")
def nightly(interval: fk.Interval, days: int = 7) -> None:
    rows = fetch(interval, fk.Secret("CHURN_DB"))
    mean(in_parts(rows))
    norm(fk.as_type(in_parts(rows), pd.DataFrame))


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
    total(fk.collect(number(fk.each(counted(3)))), {})
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


def with_an_interval() -> fk.Run:
    march = fk.Interval.parse("2026-03-01")
    assert connect(fk.Secret.of("sqlite://")) == 9
    return fk.run(nightly, march, days=1)


def looked_back() -> list[str]:
    with fk.Session(store="elsewhere", workers=2, force="number+") as session:
        runs: list[fk.Run] = [session.run(nightly, interval=fk.Interval.parse("2026-03")), session.last(correct)]
    return [run.status.value for run in (*runs, fk.Session.last(nightly))]
