"""The functions of `breast-cancer`: from the measurements that come with scikit-learn to a model that is judged."""

import pandas as pd
from counting import count
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["mean_radius", "mean_texture", "mean_smoothness", "worst_concavity", "compactness_per_area", "growth"]


def ingest() -> pd.DataFrame:
    """Read the measurements, one row a tumour."""
    count("ingest")
    frame = load_breast_cancer(as_frame=True).frame
    frame.columns = [name.replace(" ", "_") for name in frame.columns]
    return frame.assign(malignant=1 - frame.pop("target"))


def validate(raw: pd.DataFrame) -> pd.DataFrame:
    """Let pass only what is plausible.

    Raises:
        ValueError: Something is missing, or a worst radius is below the mean.
    """
    count("validate")
    if raw.isna().any(axis=None) or (raw["worst_radius"] < raw["mean_radius"]).any():
        raise ValueError("implausible measurements")
    return raw


def build_features(rows: pd.DataFrame) -> pd.DataFrame:
    """Add how compact a tumour is for its size, and how far its worst radius exceeds its mean."""
    count("build_features")
    return rows.assign(
        compactness_per_area=1000 * rows["mean_compactness"] / rows["mean_area"],
        growth=rows["worst_radius"] / rows["mean_radius"],
    )


def split(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Shuffle and cut into rows to learn from, to choose by, and to judge by."""
    count("split")
    shuffled = rows.sample(frac=1.0, random_state=0).reset_index(drop=True)
    first, second = int(0.6 * len(shuffled)), int(0.8 * len(shuffled))
    return (
        shuffled.iloc[:first],
        shuffled.iloc[first:second].reset_index(drop=True),
        shuffled.iloc[second:].reset_index(drop=True),
    )


def train(rows: pd.DataFrame, strength: float) -> Pipeline:
    """Fit a logistic regression on scaled features; `strength` is the inverse of the regularisation."""
    count("train")
    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    return model.fit(rows[FEATURES], rows["malignant"])


def area_under_curve(model: Pipeline, rows: pd.DataFrame) -> float:
    """Return the area under the ROC curve."""
    return float(roc_auc_score(rows["malignant"], model.predict_proba(rows[FEATURES])[:, 1]))


def pick_best(models: list[Pipeline], rows: pd.DataFrame) -> Pipeline:
    """Return the model that does best on rows that it has not seen."""
    count("pick_best")
    return max(models, key=lambda model: area_under_curve(model, rows))


def evaluate(model: Pipeline, rows: pd.DataFrame) -> float:
    """Return the accuracy on rows that neither training nor choosing has seen."""
    count("evaluate")
    return float(model.score(rows[FEATURES], rows["malignant"]))
