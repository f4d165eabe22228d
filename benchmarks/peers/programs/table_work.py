"""The functions of `table`."""

import numpy as np
import pandas as pd
from counting import count

COLUMNS = 10


def make_table(rows: int) -> pd.DataFrame:
    """Return a table of random numbers."""
    count("make_table")
    numbers = np.random.default_rng(0)
    return pd.DataFrame({f"c{number}": numbers.random(rows) for number in range(COLUMNS)})


def add_column(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    """Return the table with one more column, made of two that it has."""
    count("add_column")
    return rows.assign(**{f"d{number}": rows[f"c{number}"] * rows[f"c{number + COLUMNS // 2}"]})


def sum_up(rows: pd.DataFrame) -> float:
    """Return the sum of all that is in the table."""
    count("sum_up")
    return float(rows.sum().sum())
