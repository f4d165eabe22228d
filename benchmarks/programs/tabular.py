"""A table of a million rows and ten columns, a column added by each of five steps, and a sum.

The functions make no copy of the table, so that what memory is used beside it is not theirs.
"""

import numpy as np
import pandas as pd

ROWS, FIRST, ADDED = 1_000_000, 10, 5
MEGABYTES_A_COLUMN = ROWS * 8 / 1e6


def make() -> pd.DataFrame:
    """Return the table of random numbers."""
    numbers = np.random.default_rng(0)
    return pd.DataFrame({f"c{number}": numbers.random(ROWS) for number in range(FIRST)}, copy=False)


def add(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the table with one more column, the square root of an earlier one."""
    return table.assign(**{f"added{number}": np.sqrt(table[f"c{number}"])})


def total(table: pd.DataFrame) -> float:
    """Return the sum of all numbers."""
    return float(table.sum().sum())


def prove_total(found: float) -> None:
    """See that a sum is that of all the columns there must be."""
    expected = ROWS * (FIRST / 2 + ADDED * 2 / 3)
    assert abs(found - expected) < expected / 1000, (found, expected)
