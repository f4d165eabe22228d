"""What the stores of all schemas hold. Older versions of flowkit run this file too: it keeps to what they know."""

from pathlib import Path

import numpy as np
import pandas as pd

import flowkit as fk


@fk.step
def load(csv: Path) -> pd.DataFrame:
    return pd.read_csv(csv)


@fk.step
def note() -> str:
    print("reading a note")
    return Path("notes.txt").read_text()


@fk.step
def weights(rows: pd.DataFrame) -> np.ndarray:
    return rows["number"].to_numpy(dtype="float64") / 2


@fk.step
def fit(rows: pd.DataFrame, scale: float) -> dict[str, float]:
    return {"slope": scale, "base": float(rows["square"].iloc[3])}


@fk.step
def score(line: dict[str, float], rows: pd.DataFrame) -> fk.Metrics:
    return fk.Metrics(accuracy=min(1.0, line["slope"] / 2), rows=float(len(rows)))


@fk.step
def shifted(rows: pd.DataFrame, by: int) -> int:
    return int(rows["number"].sum()) + by


@fk.step
def broken(text: str, fails: bool) -> str:
    if fails:
        raise ValueError(f"cannot use {text}")
    return text.upper()


@fk.pipeline
def golden(csv: Path = Path("numbers.csv"), scale: float = 2.0, fails: bool = False) -> None:
    rows = load(csv)
    weights(rows)
    shifted(rows, by=fk.each([1, 2, 3]))
    broken(note(), fails)
    line = fit(rows, scale)
    fk.promote(line, to="line@champion", metrics=score(line, rows), gates=[fk.at_least("accuracy", 0.5)])
