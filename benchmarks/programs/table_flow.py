"""The functions of `tabular` as steps."""

import pandas as pd
import tabular

import flowkit as fk


@fk.step
def make() -> pd.DataFrame:
    """Return the table of random numbers."""
    return tabular.make()


@fk.step
def add(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the table with one more column."""
    return tabular.add(table, number)


@fk.step
def total(table: pd.DataFrame) -> float:
    """Return the sum of all numbers."""
    return tabular.total(table)


@fk.pipeline
def table() -> float:
    """Step after step, each adding a column to what the one before gave."""
    rows = make()
    for number in range(tabular.ADDED):
        rows = add(rows, number)
    return total(rows)


def prove(run: fk.Run) -> None:
    """See that the sum is right."""
    tabular.prove_total(run["total"].value())
