"""How good a model is, where it errs, how far its probabilities can be trusted, and all of that as a text."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pandera.pandas as pa
from sklearn.pipeline import Pipeline

import flowkit as fk
from pipelines.digits_steps.data import DIGITS, Examples
from pipelines.digits_steps.models import CalibratedModel, Ranking, accuracy_of, log_loss

MOST_LISTED = 8


class Confusion(pa.DataFrameModel):
    """How often one digit is read as another one; rows without any are left out."""

    digit: int = pa.Field(isin=DIGITS)
    read_as: int = pa.Field(isin=DIGITS)
    scans: int = pa.Field(ge=1)
    share: float = pa.Field(gt=0, le=1)


class Mistake(pa.DataFrameModel):
    """A scan that is read wrongly, and how sure the model is of it."""

    scan: int = pa.Field(ge=0, unique=True)
    digit: int = pa.Field(isin=DIGITS)
    read_as: int = pa.Field(isin=DIGITS)
    confidence: float = pa.Field(gt=0, le=1)


class Reliability(pa.DataFrameModel):
    """How often a model is right when it is about as sure as this."""

    bin: int = pa.Field(ge=0, unique=True)
    scans: int = pa.Field(ge=1)
    confidence: float = pa.Field(ge=0, le=1)
    accuracy: float = pa.Field(ge=0, le=1)


Confusions = Annotated[pd.DataFrame, Confusion]
Mistakes = Annotated[pd.DataFrame, Mistake]
Reliabilities = Annotated[pd.DataFrame, Reliability]


@fk.step
def evaluate(model: CalibratedModel, rows: Examples, baselines: list[Pipeline]) -> fk.Metrics:
    """Judge a model on rows that neither training nor choosing has seen.

    `recall_0` to `recall_9` are the shares of each digit's scans that are read right; `lift` is the accuracy above the
    best of the baselines.
    """
    truth, guess = rows["digit"], model.predict(rows)
    right = pd.Series(guess == truth)
    accuracy = float(right.mean())
    recalls = {f"recall_{digit}": float(right[truth == digit].mean()) for digit in DIGITS}
    return fk.Metrics(
        accuracy=accuracy,
        lift=accuracy - max(accuracy_of(baseline, rows) for baseline in baselines),
        log_loss=log_loss(model.predict_proba(rows), np.searchsorted(model.model.classes_, truth.to_numpy())),
        calibration_error=calibration_error(bin_by_confidence(model, rows, 10)),
        **recalls,
    )


@fk.step
def count_confusions(model: CalibratedModel, rows: Examples) -> Confusions:
    """Count which digits are read as which others, the most frequent first."""
    read = pd.DataFrame({"digit": rows["digit"], "read_as": model.predict(rows)})
    counts = read.groupby(["digit", "read_as"], as_index=False).size().rename(columns={"size": "scans"})
    counts["share"] = counts["scans"] / counts.groupby("digit")["scans"].transform("sum")
    wrong = counts[counts["digit"] != counts["read_as"]]
    return wrong.sort_values(["scans", "digit", "read_as"], ascending=[False, True, True], ignore_index=True)


@fk.step
def list_mistakes(model: CalibratedModel, rows: Examples) -> Mistakes:
    """List the scans that are read wrongly, those first of which the model is surest."""
    read = rows[["scan", "digit"]].assign(read_as=model.predict(rows), confidence=model.predict_proba(rows).max(axis=1))
    wrong = read[read["digit"] != read["read_as"]]
    return wrong.sort_values(["confidence", "scan"], ascending=[False, True], ignore_index=True)


@fk.step
def measure_reliability(model: CalibratedModel, rows: Examples, bins: int = 10) -> Reliabilities:
    """Compare how sure a model is with how often it is right, over `bins` equal ranges of confidence."""
    return bin_by_confidence(model, rows, bins)


@fk.step
def write_report(
    metrics: fk.Metrics,
    baselines: dict[str, float],
    ranking: Ranking,
    confusions: Confusions,
    mistakes: Mistakes,
    reliability: Reliabilities,
) -> Path:
    """Write what is known of a model as one text."""
    sections = {
        "Metrics": pd.Series(dict(metrics)).to_string(float_format="%.4f"),
        "Baselines, accuracy": pd.Series(baselines).to_string(float_format="%.4f"),
        "Candidates on the validation rows": _table(ranking),
        "Most frequent confusions": _table(confusions.head(MOST_LISTED)),
        "Surest mistakes": _table(mistakes.head(MOST_LISTED)),
        "Reliability": _table(reliability),
    }
    report = fk.scratch() / "digits.txt"
    report.write_text("\n\n".join(f"{title}\n{'-' * len(title)}\n{text}" for title, text in sections.items()) + "\n")
    return report


def bin_by_confidence(model: CalibratedModel, rows: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Return, for each range of confidence that occurs: its number, scans, mean confidence and accuracy."""
    confidence = model.predict_proba(rows).max(axis=1)
    right = model.predict(rows) == rows["digit"].to_numpy()
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    table = pd.DataFrame({"bin": number, "confidence": confidence, "accuracy": right.astype(float)})
    grouped = table.groupby("bin", as_index=False)
    return grouped.mean().assign(scans=grouped.size()["size"])[["bin", "scans", "confidence", "accuracy"]]


def calibration_error(reliability: pd.DataFrame) -> float:
    """Return the mean distance between confidence and accuracy, each range weighted by its scans."""
    distance = (reliability["confidence"] - reliability["accuracy"]).abs()
    return float(np.average(distance, weights=reliability["scans"]))


def _table(rows: pd.DataFrame) -> str:
    return rows.to_string(index=False, float_format="%.4f") if len(rows) else "none"
