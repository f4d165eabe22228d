"""Do a work with Luigi: `with_luigi.py WORK SIZE`. A task a step, and a pickle of what it gives."""

import importlib
import json
import pickle
import sys
from typing import Any

import luigi
import luigi.format


class Step(luigi.Task):
    """A call of a function of a module, with what the tasks that it requires gave before its own arguments."""

    module, function = "", ""

    def arguments(self) -> list[Any]:
        """Return what the function is called with beside what is required."""
        return []

    def given(self) -> list[Any]:
        """Return what the required tasks gave."""
        return [task.result() for task in luigi.task.flatten(self.requires())]

    def output(self) -> luigi.LocalTarget:
        """Return where the result is kept."""
        return luigi.LocalTarget(f"results/{self.task_id}.pickle", format=luigi.format.Nop)

    def result(self) -> Any:
        """Return the kept result."""
        with self.output().open("r") as file:
            return pickle.load(file)

    def run(self) -> None:
        """Call the function and keep what it gives."""
        function = getattr(importlib.import_module(self.module), self.function)
        value = function(*self.given(), *self.arguments())
        with self.output().open("w") as file:
            pickle.dump(value, file, protocol=pickle.HIGHEST_PROTOCOL)


class Chain(Step):
    """The step of the chain at a place."""

    module = "numbers_work"
    place = luigi.IntParameter()

    @property
    def function(self) -> str:
        """The first gives zero."""
        return "add_one" if self.place else "give_zero"

    def requires(self) -> list[luigi.Task]:
        """The one before."""
        return [Chain(place=self.place - 1)] if self.place else []


class Square(Step):
    """One of the steps apart."""

    module, function = "numbers_work", "square"
    number = luigi.IntParameter()

    def arguments(self) -> list[Any]:
        """The number."""
        return [self.number]


class Total(Step):
    """The step that sums up."""

    module, function = "numbers_work", "total"
    size = luigi.IntParameter()

    def requires(self) -> list[luigi.Task]:
        """Every square."""
        return [Square(number=number) for number in range(self.size - 1)]

    def given(self) -> list[Any]:
        """The squares as one list."""
        return [super().given()]


class MakeTable(Step):
    """The first table."""

    module, function = "table_work", "make_table"
    rows = luigi.IntParameter()

    def arguments(self) -> list[Any]:
        """How many rows."""
        return [self.rows]


class AddColumn(Step):
    """A table with one column more."""

    module, function = "table_work", "add_column"
    rows = luigi.IntParameter()
    number = luigi.IntParameter()

    def requires(self) -> luigi.Task:
        """The table before."""
        return AddColumn(rows=self.rows, number=self.number - 1) if self.number else MakeTable(rows=self.rows)

    def arguments(self) -> list[Any]:
        """Which column."""
        return [self.number]


class SumUp(Step):
    """The sum of the last table."""

    module, function = "table_work", "sum_up"
    rows = luigi.IntParameter()

    def requires(self) -> luigi.Task:
        """The last table; five columns have been added."""
        return AddColumn(rows=self.rows, number=4)


class Ingest(Step):
    """The measurements."""

    module, function = "cancer_work", "ingest"


class Validate(Step):
    """The plausible ones."""

    module, function = "cancer_work", "validate"

    def requires(self) -> luigi.Task:
        """The measurements."""
        return Ingest()


class BuildFeatures(Step):
    """The features."""

    module, function = "cancer_work", "build_features"

    def requires(self) -> luigi.Task:
        """The plausible measurements."""
        return Validate()


class Split(Step):
    """The three parts."""

    module, function = "cancer_work", "split"

    def requires(self) -> luigi.Task:
        """The features."""
        return BuildFeatures()


class Train(Step):
    """A model."""

    module, function = "cancer_work", "train"
    strength = luigi.FloatParameter()

    def requires(self) -> luigi.Task:
        """The parts."""
        return Split()

    def given(self) -> list[Any]:
        """The rows to learn from."""
        return [self.requires().result()[0]]

    def arguments(self) -> list[Any]:
        """How much to regularise."""
        return [self.strength]


class PickBest(Step):
    """The best model."""

    module, function = "cancer_work", "pick_best"

    def requires(self) -> list[luigi.Task]:
        """The parts and the models."""
        return [Split(), *(Train(strength=strength) for strength in (0.01, 0.1, 1.0, 10.0))]

    def given(self) -> list[Any]:
        """The models and the rows to choose by."""
        (_, choose, _), *models = super().given()
        return [models, choose]


class Evaluate(Step):
    """How good it is."""

    module, function = "cancer_work", "evaluate"

    def requires(self) -> list[luigi.Task]:
        """The best model and the parts."""
        return [PickBest(), Split()]

    def given(self) -> list[Any]:
        """The model and the rows to judge by."""
        best, (_, _, judge) = super().given()
        return [best, judge]


def last_task(work: str, size: int) -> Step:
    """Return the task that a work is to reach."""
    return {
        "chain": lambda: Chain(place=size - 1),
        "fan": lambda: Total(size=size),
        "table": lambda: SumUp(rows=size),
        "breast-cancer": Evaluate,
    }[work]()


if __name__ == "__main__":
    last = last_task(sys.argv[1], int(sys.argv[2]))
    if not luigi.build([last], local_scheduler=True, workers=1):
        sys.exit("a task failed")
    print(json.dumps({"answer": last.result()}))
