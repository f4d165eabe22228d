"""Do a work with Prefect: `with_prefect.py WORK SIZE`."""

import json
import sys
from collections.abc import Callable
from typing import Any

from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.task_runners import ThreadPoolTaskRunner
from steps import ADDED, STRENGTHS, steps_of

STEPS = steps_of(sys.argv[1], task(cache_policy=INPUTS + TASK_SOURCE, persist_result=True))


def in_threads(function: Callable[..., Any]) -> Any:
    """Return a flow whose tasks run in two threads."""
    return flow(task_runner=ThreadPoolTaskRunner(max_workers=2))(function)


@in_threads
def chain(size: int) -> int:
    """Call after call, each taking what the one before gave."""
    number = STEPS.give_zero.submit()
    for _ in range(size - 1):
        number = STEPS.add_one.submit(number)
    return number.result()


@in_threads
def fan(size: int) -> int:
    """All calls but the last apart; the last one sums up."""
    return STEPS.total.submit(STEPS.square.map(list(range(size - 1)))).result()


@in_threads
def table(size: int) -> float:
    """A table that grows by a column at a time, and its sum."""
    rows = STEPS.make_table.submit(size)
    for number in range(ADDED):
        rows = STEPS.add_column.submit(rows, number)
    return STEPS.sum_up.submit(rows).result()


@in_threads
def breast_cancer(size: int) -> float:
    """From measurements to a model that is judged."""
    rows = STEPS.build_features.submit(STEPS.validate.submit(STEPS.ingest.submit()))
    learn, choose, judge = STEPS.split(rows)
    models = [STEPS.train.submit(learn, strength) for strength in STRENGTHS]
    return STEPS.evaluate.submit(STEPS.pick_best.submit(models, choose), judge).result()


if __name__ == "__main__":
    works = {"chain": chain, "fan": fan, "table": table, "breast-cancer": breast_cancer}
    print(json.dumps({"answer": works[sys.argv[1]](int(sys.argv[2]))}))
