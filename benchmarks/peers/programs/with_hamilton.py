"""Do a work with Hamilton: `with_hamilton.py WORK SIZE`. A node a step, with the cache."""

import json
import sys
from types import ModuleType
from typing import Any

import pandas as pd
from hamilton import ad_hoc_utils, driver
from hamilton.function_modifiers import group, inject, parameterize, source, value
from steps import ADDED, STRENGTHS, steps_of

STEPS = steps_of(sys.argv[1], lambda function: function)
Driver = tuple[driver.Builder, str]


def steps(*functions: Any) -> ModuleType:
    """Return functions as the module that Hamilton reads its nodes from."""
    return ad_hoc_utils.create_temporary_module(*functions, module_name="flow")


def chain(size: int) -> Driver:
    """Call after call, each taking what the one before gave."""

    def number_0() -> int:
        return STEPS.give_zero()

    @parameterize(**{f"number_{place}": {"number": source(f"number_{place - 1}")} for place in range(1, size)})
    def next_number(number: int) -> int:
        return STEPS.add_one(number)

    functions = (number_0, next_number) if size > 1 else (number_0,)
    return driver.Builder().with_modules(steps(*functions)), f"number_{size - 1}"


def fan(size: int) -> Driver:
    """All calls but the last apart; the last one sums up."""
    names = [f"square_{number}" for number in range(size - 1)]

    @parameterize(**{name: {"number": value(number)} for number, name in enumerate(names)})
    def square(number: int) -> int:
        return STEPS.square(number)

    @inject(squares=group(*map(source, names)))
    def total(squares: list[int]) -> int:
        return STEPS.total(squares)

    return driver.Builder().with_modules(steps(square, total)), "total"


def table(size: int) -> Driver:
    """A table that grows by a column at a time, and its sum."""

    def table_0(count: int) -> pd.DataFrame:
        return STEPS.make_table(count)

    @parameterize(
        **{
            f"table_{number + 1}": {"rows": source(f"table_{number}"), "number": value(number)}
            for number in range(ADDED)
        }
    )
    def next_table(rows: pd.DataFrame, number: int) -> pd.DataFrame:
        return STEPS.add_column(rows, number)

    @parameterize(total={"rows": source(f"table_{ADDED}")})
    def sum_up(rows: pd.DataFrame) -> float:
        return STEPS.sum_up(rows)

    return driver.Builder().with_modules(steps(table_0, next_table, sum_up)), "total"


def breast_cancer(size: int) -> Driver:
    """From measurements to a model that is judged."""
    models = [f"model_{number}" for number in range(len(STRENGTHS))]

    def raw() -> pd.DataFrame:
        return STEPS.ingest()

    def valid(raw: pd.DataFrame) -> pd.DataFrame:
        return STEPS.validate(raw)

    def features(valid: pd.DataFrame) -> pd.DataFrame:
        return STEPS.build_features(valid)

    def parts(features: pd.DataFrame) -> tuple:
        return STEPS.split(features)

    @parameterize(**{name: {"strength": value(strength)} for name, strength in zip(models, STRENGTHS, strict=True)})
    def model(parts: tuple, strength: float) -> Any:
        return STEPS.train(parts[0], strength)

    @inject(candidates=group(*map(source, models)))
    def best(candidates: list[Any], parts: tuple) -> Any:
        return STEPS.pick_best(candidates, parts[1])

    def accuracy(best: Any, parts: tuple) -> float:
        return STEPS.evaluate(best, parts[2])

    return driver.Builder().with_modules(steps(raw, valid, features, parts, model, best, accuracy)), "accuracy"


if __name__ == "__main__":
    works = {"chain": chain, "fan": fan, "table": table, "breast-cancer": breast_cancer}
    size = int(sys.argv[2])
    builder, last = works[sys.argv[1]](size)
    inputs = {"count": size} if sys.argv[1] == "table" else {}
    print(json.dumps({"answer": builder.with_cache().build().execute([last], inputs=inputs)[last]}))
