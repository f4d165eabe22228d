"""Do a work with flowkit: `with_flowkit.py WORK SIZE`."""

import json
import sys

from steps import ADDED, STRENGTHS, steps_of

import flowkit as fk

STEPS = steps_of(sys.argv[1], fk.step)


@fk.pipeline
def chain(size: int) -> None:
    """Call after call, each taking what the one before gave."""
    number = STEPS.give_zero()
    for _ in range(size - 1):
        number = STEPS.add_one(number)


@fk.pipeline
def fan(size: int) -> None:
    """All calls but the last apart; the last one sums up."""
    STEPS.total(fk.collect(STEPS.square(fk.each(range(size - 1)))))


@fk.pipeline
def table(size: int) -> None:
    """A table that grows by a column at a time, and its sum."""
    rows = STEPS.make_table(size)
    for number in range(ADDED):
        rows = STEPS.add_column(rows, number)
    STEPS.sum_up(rows)


@fk.pipeline
def breast_cancer(size: int) -> None:
    """From measurements to a model that is judged."""
    learn, choose, judge = STEPS.split(STEPS.build_features(STEPS.validate(STEPS.ingest())))
    models = fk.collect(STEPS.train(learn, strength=fk.each(STRENGTHS)))
    STEPS.evaluate(STEPS.pick_best(models, choose), judge)


if __name__ == "__main__":
    works = {"chain": chain, "fan": fan, "table": table, "breast-cancer": breast_cancer}
    with fk.Session(workers=2) as session:
        run = session.run(works[sys.argv[1]], size=int(sys.argv[2]))
        for warning in run.report.warnings:
            print(warning, file=sys.stderr)
        print(json.dumps({"answer": run[run.nodes[-1]].value()}))
