"""Scanned digits: what a scan is, where the scans come from, and which of them teach, choose and judge."""

from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import flowkit as fk

SIDE = 8
DARKEST = 16.0
DIGITS = tuple(range(10))
PIXELS = [f"r{row}c{column}" for row in range(SIDE) for column in range(SIDE)]
PARTS = ("train", "validation", "test")


class Scan(pa.DataFrameModel):
    """One handwritten digit: 8 rows of 8 pixels, from 0 for paper to 16 for ink."""

    scan: int = pa.Field(ge=0, unique=True)
    digit: int = pa.Field(isin=DIGITS)
    pixels: float = pa.Field(alias=r"^r[0-7]c[0-7]$", regex=True, ge=0, le=DARKEST)

    @pa.dataframe_check
    @classmethod
    def has_all_pixels(cls, rows: pd.DataFrame) -> bool:
        """A pattern of names alone would let a scan with missing pixels pass."""
        return set(PIXELS) <= set(rows.columns)

    @pa.dataframe_check
    @classmethod
    def shows_ink(cls, rows: pd.DataFrame) -> "pd.Series[bool]":
        """A blank scan shows no digit."""
        return rows[PIXELS].max(axis="columns") >= DARKEST / 2


class Assignment(pa.DataFrameModel):
    """What a scan is used for."""

    scan: int = pa.Field(ge=0, unique=True)
    part: str = pa.Field(isin=PARTS)


class Example(pa.DataFrameModel):
    """A scan as a model sees it: a column a feature, and none of them missing."""

    scan: int = pa.Field(ge=0, unique=True)
    digit: int = pa.Field(isin=DIGITS)
    features: float = pa.Field(alias=r"^(projection|zone|symmetry|edge|hole)_", regex=True, nullable=False)


Scans = Annotated[pd.DataFrame, Scan]
Assignments = Annotated[pd.DataFrame, Assignment]
Examples = Annotated[pd.DataFrame, Example]


class Parts(NamedTuple):
    """Examples to learn from, examples to choose and calibrate by, and examples to judge by."""

    train: Examples
    validation: Examples
    test: Examples


@fk.step
def ingest() -> pd.DataFrame:
    """Read the bundled scans, one row a scan."""
    bundled = load_digits()
    frame = pd.DataFrame(bundled.data, columns=PIXELS)
    frame.insert(0, "scan", np.arange(len(frame)))
    frame.insert(1, "digit", bundled.target)
    return frame


@fk.step
def validate(raw: pd.DataFrame) -> Scans:
    """Let pass only what keeps the contract: all pixels in range, known digits, no blank and no doubled scan."""
    return raw


@fk.step
def assign_parts(scans: Scans, train_share: float = 0.6, seed: int = 0) -> Assignments:
    """Draw what each scan is used for, with every digit as frequent in each part.

    A fifth of the scans judges; `train_share` of all teaches, and what is left chooses.
    """
    numbers, digits = scans["scan"].to_numpy(), scans["digit"].to_numpy()
    rest, test, rest_digits, _ = train_test_split(numbers, digits, test_size=0.2, stratify=digits, random_state=seed)
    train = train_test_split(rest, train_size=train_share / 0.8, stratify=rest_digits, random_state=seed)[0]
    part = np.where(np.isin(numbers, test), "test", np.where(np.isin(numbers, train), "train", "validation"))
    return pd.DataFrame({"scan": numbers, "part": part})


@fk.step
def split(rows: Examples, assignments: Assignments) -> Parts:
    """Cut the examples into the parts that were drawn for them."""
    part = rows[["scan"]].merge(assignments, on="scan", validate="one_to_one")["part"]
    return Parts(*(rows[part == name].reset_index(drop=True) for name in PARTS))


def to_images(scans: pd.DataFrame) -> NDArray[np.float64]:
    """Return the scans as images of shape (scans, 8, 8), from 0 for paper to 1 for ink."""
    return scans[PIXELS].to_numpy(dtype=np.float64).reshape(-1, SIDE, SIDE) / DARKEST
