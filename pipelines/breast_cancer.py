"""Tell malignant from benign tumours: from the measurements to a promoted model.

Real measurements of 569 tumours, bundled with scikit-learn: ten properties of the cell nuclei in an image, each as
mean, standard error and worst value. Ingest, validate, build features, split, train over a fan-out of regularisation
strengths, pick the best on validation rows, evaluate on rows that nothing has seen, and promote if every gate agrees.
"""

from typing import Annotated, NamedTuple

import pandas as pd
import pandera.pandas as pa
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import flowkit as fk

FEATURES = [
    "mean_radius",
    "mean_texture",
    "mean_smoothness",
    "mean_concavity",
    "worst_radius",
    "worst_texture",
    "worst_smoothness",
    "worst_concavity",
    "compactness_per_area",
    "radius_growth",
]


class Measurement(pa.DataFrameModel):
    """A tumour as it was measured; lengths in the image's pixels."""

    mean_radius: float = pa.Field(gt=0, lt=100)
    mean_texture: float = pa.Field(gt=0, lt=100)
    mean_area: float = pa.Field(gt=0)
    mean_smoothness: float = pa.Field(gt=0, lt=1)
    mean_compactness: float = pa.Field(ge=0, lt=1)
    mean_concavity: float = pa.Field(ge=0, lt=1)
    worst_radius: float = pa.Field(gt=0, lt=100)
    worst_texture: float = pa.Field(gt=0, lt=100)
    worst_smoothness: float = pa.Field(gt=0, lt=1)
    worst_concavity: float = pa.Field(ge=0, lt=2)
    malignant: int = pa.Field(isin=[0, 1])

    @pa.dataframe_check
    @classmethod
    def worst_is_at_least_mean(cls, rows: pd.DataFrame) -> "pd.Series[bool]":
        """The worst radius of a tumour's nuclei cannot be below their mean."""
        return rows["worst_radius"] >= rows["mean_radius"]


class Example(Measurement):
    """A measured tumour with the features that the model sees."""

    compactness_per_area: float = pa.Field(ge=0)
    radius_growth: float = pa.Field(ge=1)


Measurements = Annotated[pd.DataFrame, Measurement]
Examples = Annotated[pd.DataFrame, Example]


class Parts(NamedTuple):
    """Rows to learn from, rows to choose by, and rows to judge by."""

    train: Examples
    validation: Examples
    test: Examples


@fk.step
def ingest() -> pd.DataFrame:
    """Read the bundled measurements, one row a tumour."""
    frame: pd.DataFrame = load_breast_cancer(as_frame=True).frame
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    return frame.assign(malignant=1 - frame.pop("target"))


@fk.step
def validate(raw: pd.DataFrame) -> Measurements:
    """Let pass only what keeps the contract: ranges, no nulls, and the worst radius at least the mean."""
    return raw


@fk.step
def build_features(rows: Measurements) -> Examples:
    """Add how compact a tumour is for its size, and how far its worst radius exceeds its mean."""
    return rows.assign(
        compactness_per_area=1000 * rows["mean_compactness"] / rows["mean_area"],
        radius_growth=rows["worst_radius"] / rows["mean_radius"],
    )


@fk.step
def split(rows: Examples, seed: int = 0) -> Parts:
    """Shuffle and cut into 60% for training, 20% for validation and 20% for the test."""
    shuffled = rows.sample(frac=1.0, random_state=seed).reset_index(drop=True)
    first, second = int(0.6 * len(shuffled)), int(0.8 * len(shuffled))
    return Parts(
        shuffled.iloc[:first],
        shuffled.iloc[first:second].reset_index(drop=True),
        shuffled.iloc[second:].reset_index(drop=True),
    )


@fk.step(tags=("training",), timeout="5m")
def train(rows: Examples, strength: float = 1.0) -> Pipeline:
    """Fit a logistic regression on scaled features; `strength` is the inverse of the regularisation."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    return model.fit(rows[FEATURES], rows["malignant"])


def score(model: Pipeline, rows: pd.DataFrame) -> dict[str, float]:
    """Return accuracy, recall of malignant tumours, area under the ROC curve, and the majority's accuracy."""
    truth = rows["malignant"]
    # By the model's own columns: a champion may be from before a feature was added.
    columns = rows[model.feature_names_in_]
    guess = model.predict(columns)
    return {
        "accuracy": float(accuracy_score(truth, guess)),
        "recall": float(recall_score(truth, guess)),
        "roc_auc": float(roc_auc_score(truth, model.predict_proba(columns)[:, 1])),
        "majority": float(max(truth.mean(), 1 - truth.mean())),
    }


@fk.step
def pick_best(models: list[Pipeline], rows: Examples) -> Pipeline:
    """Return the model with the largest area under the ROC curve on the validation rows; the first of equals."""
    return max(models, key=lambda model: score(model, rows)["roc_auc"])


@fk.step
def evaluate(model: Pipeline, rows: Examples) -> fk.Metrics:
    """Judge a model on rows that neither training nor choosing has seen."""
    return fk.Metrics(**score(model, rows))


@fk.pipeline
def breast_cancer(seed: int = 0, min_accuracy: float = 0.9, min_recall: float = 0.85) -> None:
    """From the measurements to a model promoted as `breast_cancer@champion`."""
    parts = split(build_features(validate(ingest())), seed=seed)
    models = fk.collect(train(parts.train, strength=fk.each([0.01, 0.1, 1.0, 10.0])))
    best = pick_best(models, parts.validation)
    champion = fk.champion("breast_cancer", Pipeline)
    fk.promote(
        best,
        to="breast_cancer@champion",
        metrics=evaluate(best, parts.test),
        baseline=evaluate(champion, parts.test),
        gates=[
            fk.at_least("accuracy", min_accuracy),
            fk.at_least("recall", min_recall),
            fk.no_worse_than("roc_auc", tolerance=0.005),
        ],
    )
