"""Do a work with joblib: `with_joblib.py WORK SIZE`."""

import json
import sys

from joblib import Memory
from steps import ADDED, STRENGTHS, steps_of

STEPS = steps_of(sys.argv[1], Memory("joblib-cache", verbose=0).cache)


def chain(size: int) -> int:
    """Call after call, each taking what the one before gave."""
    number = STEPS.give_zero()
    for _ in range(size - 1):
        number = STEPS.add_one(number)
    return number


def fan(size: int) -> int:
    """All calls but the last apart; the last one sums up."""
    return STEPS.total([STEPS.square(number) for number in range(size - 1)])


def table(size: int) -> float:
    """A table that grows by a column at a time, and its sum."""
    rows = STEPS.make_table(size)
    for number in range(ADDED):
        rows = STEPS.add_column(rows, number)
    return STEPS.sum_up(rows)


def breast_cancer(size: int) -> float:
    """From measurements to a model that is judged."""
    learn, choose, judge = STEPS.split(STEPS.build_features(STEPS.validate(STEPS.ingest())))
    models = [STEPS.train(learn, strength) for strength in STRENGTHS]
    return STEPS.evaluate(STEPS.pick_best(models, choose), judge)


if __name__ == "__main__":
    works = {"chain": chain, "fan": fan, "table": table, "breast-cancer": breast_cancer}
    print(json.dumps({"answer": works[sys.argv[1]](int(sys.argv[2]))}))
