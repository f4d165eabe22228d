"""Predict how diabetes goes on after a year, from ten measurements of 442 people.

The data come with scikit-learn, so that this runs as it is. To use your own, let
`load` take a `csv: Path` and return `pd.read_csv(csv)`: the file's content counts.
"""

from typing import Annotated, Any

import flowkit as fk
import pandas as pd
import pandera.pandas as pa
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error

FEATURES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]


class Patient(pa.DataFrameModel):
    """A person's measurements, scaled, and the disease's progression a year later."""

    age: float
    sex: float
    bmi: float
    bp: float
    s1: float
    s2: float
    s3: float
    s4: float
    s5: float
    s6: float
    target: float = pa.Field(ge=0)


Patients = Annotated[pd.DataFrame, Patient]


@fk.step
def load() -> Patients:
    """Return everybody."""
    data: Any = load_diabetes(as_frame=True)
    rows: pd.DataFrame = data.frame
    return rows


@fk.step
def split(rows: Patients, seed: int = 0) -> tuple[Patients, Patients]:
    """Return the rows to learn from, and the rows to judge by."""
    train_rows = rows.sample(frac=0.8, random_state=seed)
    return train_rows, rows.drop(index=train_rows.index)


@fk.step
def train(rows: Patients, alpha: float = 0.1) -> Ridge:
    """Return a model of the training rows."""
    return Ridge(alpha=alpha).fit(rows[FEATURES], rows["target"])


@fk.step
def evaluate(model: Ridge, train_rows: Patients, rows: Patients) -> fk.Metrics:
    """Return the error on rows that the model has not seen.

    The baseline knows no measurement: it says the training rows' mean for everybody.
    """
    error = root_mean_squared_error(rows["target"], model.predict(rows[FEATURES]))
    mean = [train_rows["target"].mean()] * len(rows)
    baseline = root_mean_squared_error(rows["target"], mean)
    return fk.Metrics(error=error, baseline=baseline, share=error / baseline)


@fk.pipeline
def diabetes(alpha: float = 0.1, most: float = 0.9) -> None:
    """Train, judge, and promote what is clearly better than the baseline."""
    train_rows, test_rows = split(load())
    model = train(train_rows, alpha=alpha)
    fk.promote(
        model,
        to="diabetes@champion",
        metrics=evaluate(model, train_rows, test_rows),
        gates=[
            fk.at_most("share", most),
            fk.no_worse_than("error", tolerance=0.5, better="lower"),
        ],
    )
