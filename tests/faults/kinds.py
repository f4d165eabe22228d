"""A pipeline that stores one value of every kind, and reads each back: what the corruption campaign damages.

It is written out as the file of a project, so that what runs is what a person's project would run.
"""

from __future__ import annotations

from pathlib import Path

KINDS = (
    "pandas_table",
    "wider_table",
    "polars_table",
    "arrow_table",
    "dask_table",
    "array",
    "data",
    "raw",
    "text",
    "file",
    "folder",
    "estimator",
    "opaque",
    "custom",
    "small",
    "metrics",
)
"""What `make_KIND` gives and `read_KIND` reads; `small` and `metrics` lie in the database."""

SOURCE = '''
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from sklearn.tree import DecisionTreeClassifier

import flowkit as fk

ROWS = 3_000
MANY = 35_000


class Sealed:
    """A value with a codec of its own."""

    def __init__(self, content: bytes) -> None:
        self.content = content


@fk.codec(Sealed, suffix=".sealed")
class SealedCodec:
    def save(self, value: Sealed, path: Path) -> None:
        path.write_bytes(value.content)

    def load(self, path: Path) -> Sealed:
        content = path.read_bytes()
        with open("decoded.log", "a") as log:
            log.write("right\\n" if content == noise(8) else "wrong\\n")
        return Sealed(content)


class Opaque:
    """A value that only pickle can store."""

    def __init__(self, content: bytes) -> None:
        self.content = content


def noise(seed: int, size: int = 20_000) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def numbers(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(ROWS)


def wide(columns: int) -> pd.DataFrame:
    """A table of more than a megabyte, whose columns are chunks of their own."""
    return pd.DataFrame({f"c{seed}": np.random.default_rng(seed).random(MANY) for seed in range(columns)})


def texts(seed: int) -> list[str]:
    return [f"{number:.9f}" for number in numbers(seed)]


@fk.step
def make_pandas_table() -> pd.DataFrame:
    return wide(4)


@fk.step
def make_wider_table(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(c4=wide(5).c4)


@fk.step
def make_polars_table() -> pl.DataFrame:
    return pl.DataFrame({"a": numbers(23), "b": texts(3)})


@fk.step
def make_arrow_table() -> pa.Table:
    return pa.table({"a": numbers(24), "b": texts(4)})


@fk.step
def make_dask_table() -> dd.DataFrame:
    return dd.from_pandas(pd.DataFrame({"a": numbers(25), "b": np.arange(ROWS)}), npartitions=3)


@fk.step
def make_array() -> np.ndarray:
    return numbers(6)


@fk.step
def make_data() -> dict[str, list[float]]:
    return {"numbers": [float(number) for number in numbers(7)]}


@fk.step
def make_raw() -> bytes:
    return noise(9)


@fk.step
def make_text() -> str:
    return " ".join(texts(10))


@fk.step
def make_file() -> Path:
    path = fk.scratch() / "data.bin"
    path.write_bytes(noise(11))
    return path


@fk.step
def make_folder() -> Path:
    path = fk.scratch() / "tree"
    (path / "inner").mkdir(parents=True)
    (path / "one.bin").write_bytes(noise(12))
    (path / "inner/two.bin").write_bytes(noise(13))
    return path


@fk.step
def make_estimator() -> DecisionTreeClassifier:
    rows = numbers(14).reshape(-1, 2)
    return DecisionTreeClassifier(random_state=0).fit(rows, (rows.sum(axis=1) > 1).astype(int))


@fk.step
def make_opaque() -> Opaque:
    return Opaque(noise(15))


@fk.step
def make_custom() -> Sealed:
    return Sealed(noise(8))


@fk.step
def make_small() -> str:
    return "a small value in the database"


@fk.step
def make_metrics() -> fk.Metrics:
    return fk.Metrics(accuracy=0.875)


@fk.step(cache=False)
def read_pandas_table(value: pd.DataFrame) -> bool:
    return value.equals(wide(4))


@fk.step(cache=False)
def read_wider_table(value: pd.DataFrame) -> bool:
    return value.equals(wide(5))


@fk.step(cache=False)
def read_polars_table(value: pl.DataFrame) -> bool:
    return value.equals(pl.DataFrame({"a": numbers(23), "b": texts(3)}))


@fk.step(cache=False)
def read_arrow_table(value: pa.Table) -> bool:
    return value.to_pydict() == {"a": list(numbers(24)), "b": texts(4)}


@fk.step(cache=False)
def read_dask_table(value: dd.DataFrame) -> bool:
    table = value.compute(scheduler="synchronous")
    return list(table.a) == list(numbers(25)) and list(table.b) == list(range(ROWS))


@fk.step(cache=False)
def read_array(value: np.ndarray) -> bool:
    return np.array_equal(value, numbers(6))


@fk.step(cache=False)
def read_data(value: dict[str, list[float]]) -> bool:
    return value == {"numbers": list(numbers(7))}


@fk.step(cache=False)
def read_raw(value: bytes) -> bool:
    return value == noise(9)


@fk.step(cache=False)
def read_text(value: str) -> bool:
    return value == " ".join(texts(10))


@fk.step(cache=False)
def read_file(value: Path) -> bool:
    return value.read_bytes() == noise(11)


@fk.step(cache=False)
def read_folder(value: Path) -> bool:
    found = {str(path.relative_to(value)): path.read_bytes() for path in value.rglob("*.bin")}
    return found == {"one.bin": noise(12), "inner/two.bin": noise(13)}


@fk.step(cache=False)
def read_estimator(value: DecisionTreeClassifier) -> bool:
    rows = numbers(14).reshape(-1, 2)
    return bool((value.predict(rows) == (rows.sum(axis=1) > 1)).all())


@fk.step(cache=False)
def read_opaque(value: Opaque) -> bool:
    return value.content == noise(15)


@fk.step(cache=False)
def read_custom(value: Sealed) -> bool:
    return value.content == noise(8)


@fk.step(cache=False)
def read_small(value: str) -> bool:
    return value == "a small value in the database"


@fk.step(cache=False)
def read_metrics(value: fk.Metrics) -> bool:
    return dict(value) == {"accuracy": 0.875}


@fk.pipeline
def kinds() -> None:
    rows = make_pandas_table()
    read_pandas_table(rows)
    read_wider_table(make_wider_table(rows))
    read_polars_table(make_polars_table())
    read_arrow_table(make_arrow_table())
    read_dask_table(make_dask_table())
    read_array(make_array())
    read_data(make_data())
    read_raw(make_raw())
    read_text(make_text())
    read_file(make_file())
    read_folder(make_folder())
    read_estimator(make_estimator())
    read_opaque(make_opaque())
    read_custom(make_custom())
    read_small(make_small())
    read_metrics(make_metrics())
'''


def make_project(folder: Path) -> Path:
    """Write the project into `folder` and return it."""
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[project]\nname = 'kinds'\n")
    (folder / "pipelines/kinds.py").write_text(SOURCE.lstrip())
    return folder
