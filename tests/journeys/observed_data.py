"""The same small data in every form that steps read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet


def write_texts(root: Path, value: int = 1) -> None:
    """Write the data as text."""
    data = root / "data"
    (data / "sub").mkdir(parents=True, exist_ok=True)
    (data / "x.txt").write_text(f"{value}")
    (data / "sub" / "y.txt").write_text(f"{value}")


def write_all(root: Path, value: int = 1) -> None:
    """Write the same small data in every form."""
    write_texts(root, value)
    data = root / "data"
    (data / "x.json").write_text(f'{{"a": {value}}}')
    frame = pd.DataFrame({"a": [value, 2]})
    frame.to_csv(data / "x.csv", index=False)
    frame.to_parquet(data / "x.parquet")
    frame.to_feather(data / "x.feather")
    frame.to_pickle(data / "x.pkl")
    frame.to_csv(data / "x.csv.gz", index=False, compression={"method": "gzip", "mtime": 1})
    pl.from_pandas(frame).write_ndjson(data / "x.ndjson")
    pl.from_pandas(frame).write_ipc(data / "x.arrow")
    parts = data / "parts"
    parts.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pandas(frame), parts / "one.parquet")
    np.save(data / "x.npy", np.array([value]))
    with sqlite3.connect(data / "x.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
        connection.execute("DELETE FROM t")
        connection.execute("INSERT INTO t VALUES (?)", (value,))
    connection.close()
