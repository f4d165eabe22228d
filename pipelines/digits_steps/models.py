"""Candidates of several kinds, the choice between them, what is stated as a baseline, and calibration."""

from typing import Annotated, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import flowkit as fk
from pipelines.digits_steps.data import Examples

SMALLEST = 1e-6
"""Probability that is given to what a model holds impossible, so that its logarithm exists."""

TEMPERATURES = np.geomspace(0.1, 10.0, 201)


class Candidate(pa.DataFrameModel):
    """How one trained model did on rows that it has not seen."""

    family: str
    position: int = pa.Field(ge=0)
    setting: float
    accuracy: float = pa.Field(ge=0, le=1)


Ranking = Annotated[pd.DataFrame, Candidate]


class CalibratedModel:
    """A classifier whose probabilities are sharpened or softened by one temperature.

    Guo et al., "On Calibration of Modern Neural Networks", 2017: the logarithms of the probabilities are divided by
    the temperature; which class is the most probable stays as it is.
    """

    def __init__(self, model: Pipeline, temperature: float) -> None:
        self.model = model
        self.temperature = temperature

    def predict_proba(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Return probabilities of shape (rows, 10)."""
        return temper(self.model.predict_proba(features_of(rows)), self.temperature)

    def predict(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        """Return the most probable digit of each row."""
        guess: NDArray[np.int64] = self.model.classes_[self.predict_proba(rows).argmax(axis=1)]
        return guess


@fk.step(tags=("training",), timeout="5m")
def train_linear(rows: Examples, strength: float) -> Pipeline:
    """Fit a logistic regression; `strength` is the inverse of the regularisation."""
    return fit(rows, StandardScaler(), LogisticRegression(C=strength, max_iter=2000))


@fk.step(tags=("training",), timeout="5m")
def train_neighbours(rows: Examples, neighbours: int) -> Pipeline:
    """Remember all rows; the nearest ones vote."""
    return fit(rows, StandardScaler(), KNeighborsClassifier(neighbours, weights="distance"))


@fk.step(tags=("training",), timeout="5m")
def train_bayes(rows: Examples, smoothing: float) -> Pipeline:
    """Describe each digit by a normal distribution of every feature, widened by `smoothing`."""
    return fit(rows, StandardScaler(), GaussianNB(var_smoothing=smoothing))


@fk.step(tags=("training",), timeout="5m")
def train_trees(rows: Examples, trees: int, seed: int = 0) -> Pipeline:
    """Grow extremely randomised trees."""
    return fit(rows, ExtraTreesClassifier(n_estimators=trees, min_samples_leaf=2, random_state=seed))


@fk.step(tags=("baseline",))
def train_majority(rows: Examples) -> Pipeline:
    """Say always what is the most frequent: what any model must beat."""
    return fit(rows, DummyClassifier(strategy="most_frequent"))


@fk.step(tags=("baseline",))
def train_centroid(rows: Examples) -> Pipeline:
    """Say the digit whose mean is the nearest: what a model must beat to be worth its training."""
    return fit(rows, StandardScaler(), NearestCentroid())


@fk.step
def measure_accuracy(model: Pipeline, rows: Examples) -> float:
    """Return the share of rows that a model reads right."""
    return accuracy_of(model, rows)


@fk.step
def rank_candidates(scores: dict[str, list[float]], settings: dict[str, list[float]]) -> Ranking:
    """Rank all candidates by accuracy, the first of equals first; `position` is the place in its family."""
    rows = [
        (family, position, settings[family][position], score)
        for family, family_scores in scores.items()
        for position, score in enumerate(family_scores)
    ]
    ranking = pd.DataFrame(rows, columns=["family", "position", "setting", "accuracy"])
    return ranking.sort_values("accuracy", ascending=False, kind="stable", ignore_index=True)


@fk.step
def choose(models: dict[str, list[Pipeline]], ranking: Ranking) -> Pipeline:
    """Return the model at the head of the ranking."""
    first = ranking.iloc[0]
    return models[str(first["family"])][int(first["position"])]


@fk.step
def calibrate(model: Pipeline, rows: Examples) -> CalibratedModel:
    """Find the temperature that makes what the rows show the most probable."""
    probabilities = model.predict_proba(features_of(rows))
    truth = np.searchsorted(model.classes_, rows["digit"].to_numpy())
    losses = [log_loss(temper(probabilities, temperature), truth) for temperature in TEMPERATURES]
    return CalibratedModel(model, float(TEMPERATURES[int(np.argmin(losses))]))


def fit(rows: pd.DataFrame, *parts: Any) -> Pipeline:
    """Return a scikit-learn pipeline of `parts`, fitted to tell the digit."""
    return make_pipeline(*parts).fit(features_of(rows), rows["digit"])


def features_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that a model may see."""
    return rows.drop(columns=["scan", "digit"])


def accuracy_of(model: Pipeline, rows: pd.DataFrame) -> float:
    """Return the share of rows that a model reads right."""
    return float((model.predict(features_of(rows)) == rows["digit"]).mean())


def temper(probabilities: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return probabilities with their logarithms divided by `temperature`, each row summing to 1."""
    logarithms = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    raised = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    tempered: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return tempered


def log_loss(probabilities: NDArray[np.float64], truth: NDArray[np.intp]) -> float:
    """Return the mean negative logarithm, in nats, of the probability given to the truth (positions of classes)."""
    told = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(told, SMALLEST)).mean())
