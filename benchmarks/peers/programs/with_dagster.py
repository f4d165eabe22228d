"""Do a work with Dagster: `with_dagster.py WORK SIZE`. An asset a step, kept by the file system's IO manager."""

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from dagster import (
    AssetIn,
    AssetKey,
    AssetOut,
    AssetsDefinition,
    DagsterInstance,
    FilesystemIOManager,
    asset,
    materialize,
    multi_asset,
)
from steps import ADDED, STRENGTHS, steps_of

STEPS = steps_of(sys.argv[1], lambda function: function)
Call = Callable[..., Any]


def asset_of(name: str, call: Call, **inputs: str) -> AssetsDefinition:
    """Return the asset that a call gives, from assets of other names."""

    @asset(name=name, ins={parameter: AssetIn(AssetKey(other)) for parameter, other in inputs.items()})
    def made(**values: Any) -> Any:
        return call(**values)

    return made


def chain(size: int) -> Iterator[AssetsDefinition]:
    """Call after call, each taking what the one before gave."""
    yield asset_of("number_0", STEPS.give_zero)
    for place in range(1, size):
        yield asset_of(f"number_{place}", STEPS.add_one, number=f"number_{place - 1}")


def fan(size: int) -> Iterator[AssetsDefinition]:
    """All calls but the last apart; the last one sums up."""
    names = [f"square_{number}" for number in range(size - 1)]
    for number, name in enumerate(names):
        yield asset_of(name, partial(STEPS.square, number))
    yield asset_of("total", lambda **squares: STEPS.total(list(squares.values())), **{name: name for name in names})


def table(size: int) -> Iterator[AssetsDefinition]:
    """A table that grows by a column at a time, and its sum."""
    yield asset_of("table_0", partial(STEPS.make_table, size))
    for number in range(ADDED):
        yield asset_of(f"table_{number + 1}", partial(STEPS.add_column, number=number), rows=f"table_{number}")
    yield asset_of("sum", STEPS.sum_up, rows=f"table_{ADDED}")


def breast_cancer(size: int) -> Iterator[AssetsDefinition]:
    """From measurements to a model that is judged."""

    @multi_asset(
        ins={"rows": AssetIn(AssetKey("features"))},
        outs={"learn": AssetOut(), "choose": AssetOut(), "judge": AssetOut()},
    )
    def parts(rows: Any):
        return STEPS.split(rows)

    def pick_best(rows: Any, **models: Any) -> Any:
        return STEPS.pick_best(list(models.values()), rows)

    models = [f"model_{number}" for number in range(len(STRENGTHS))]
    yield asset_of("raw", STEPS.ingest)
    yield asset_of("valid", STEPS.validate, raw="raw")
    yield asset_of("features", STEPS.build_features, rows="valid")
    yield parts
    for name, strength in zip(models, STRENGTHS, strict=True):
        yield asset_of(name, partial(STEPS.train, strength=strength), rows="learn")
    yield asset_of("best", pick_best, rows="choose", **{name: name for name in models})
    yield asset_of("accuracy", STEPS.evaluate, model="best", rows="judge")


if __name__ == "__main__":
    works = {"chain": chain, "fan": fan, "table": table, "breast-cancer": breast_cancer}
    assets = list(works[sys.argv[1]](int(sys.argv[2])))
    with DagsterInstance.get() as instance:
        done = materialize(assets, instance=instance, resources={"io_manager": FilesystemIOManager(base_dir="assets")})
        print(json.dumps({"answer": done.asset_value(assets[-1].key)}))
