"""Do a work with redun, as `redun run` does: `with_redun.py WORK SIZE`."""

import json
import sys
from typing import Any

from redun import task
from redun.cli import RedunClient
from steps import ADDED, STRENGTHS, steps_of

# Here and not in the works: a result that is an expression is kept too, and then its tasks have to be known.
STEPS = steps_of(sys.argv[1], task(namespace="steps"))


@task(namespace="works")
def chain(size: int) -> Any:
    """Call after call, each taking what the one before gave."""
    number = STEPS.give_zero()
    for _ in range(size - 1):
        number = STEPS.add_one(number)
    return number


@task(namespace="works")
def fan(size: int) -> Any:
    """All calls but the last apart; the last one sums up."""
    return STEPS.total([STEPS.square(number) for number in range(size - 1)])


@task(namespace="works")
def table(size: int) -> Any:
    """A table that grows by a column at a time, and its sum."""
    rows = STEPS.make_table(size)
    for number in range(ADDED):
        rows = STEPS.add_column(rows, number)
    return STEPS.sum_up(rows)


@task(namespace="works")
def breast_cancer(size: int) -> Any:
    """From measurements to a model that is judged."""
    parts = STEPS.split(STEPS.build_features(STEPS.validate(STEPS.ingest())))
    models = [STEPS.train(parts[0], strength) for strength in STRENGTHS]
    return STEPS.evaluate(STEPS.pick_best(models, parts[1]), parts[2])


if __name__ == "__main__":
    work, size = sys.argv[1].replace("-", "_"), sys.argv[2]
    answer = RedunClient().execute(["redun", "run", __file__, f"works.{work}", "--size", size])
    print(json.dumps({"answer": answer}))
