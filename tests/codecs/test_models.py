"""Estimators as pickle at its fixpoint."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from flowkit.codecs.models import EstimatorCodec
from flowkit.errors import CodecError
from tests.codecs.memory_stored import MemoryStored
from tests.codecs.round_trip import NOWHERE, REGISTRY, received

ROWS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = (ROWS[:, 0] > 0).astype(int)


def models() -> list[Any]:
    return [
        LogisticRegression().fit(ROWS, LABELS),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(ROWS, LABELS),
        RandomForestClassifier(n_estimators=5, random_state=0).fit(ROWS, LABELS),
        ColumnTransformer([("scale", StandardScaler(), [0, 1])]).fit(ROWS),
        SVC().fit(ROWS, LABELS),  # holds two empty arrays
        LogisticRegression(),
    ]


@pytest.mark.parametrize("model", models(), ids=lambda model: type(model).__name__)
def test_what_is_stored_is_a_fixpoint(model: Any) -> None:
    """Storing what was read back gives the same bytes, so a consumer that passes a model on changes nothing."""
    encoded = REGISTRY.encode(model, type(model))
    back = REGISTRY.decode(MemoryStored(encoded), type(model), NOWHERE)
    assert (encoded.format, encoded.suffix) == ("pickle", ".pkl")
    assert REGISTRY.encode(back, type(model)).digest == encoded.digest


def test_equal_fits_give_equal_bytes() -> None:
    """Two models fitted alike are one artifact; another parameter is another."""
    first, second = (RandomForestClassifier(n_estimators=3, random_state=1).fit(ROWS, LABELS) for _ in range(2))
    other = RandomForestClassifier(n_estimators=3, random_state=2).fit(ROWS, LABELS)
    digests = [REGISTRY.encode(model, RandomForestClassifier).digest for model in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_model_that_is_read_back_predicts_the_same() -> None:
    """The consumer's model is the producer's."""
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS)
    assert np.array_equal(received(model, Pipeline).predict_proba(ROWS), model.predict_proba(ROWS))


def test_only_estimators_are_handled() -> None:
    """Classes of estimators and other objects are left to other codecs."""
    codec = EstimatorCodec()
    assert codec.handles(LogisticRegression())
    assert not codec.handles(LogisticRegression)
    assert not codec.handles(ROWS)


class Holder(BaseEstimator):
    def __init__(self, source: Any = None) -> None:
        self.source = source


def test_a_live_thing_in_an_estimator_is_named() -> None:
    """An open file inside a model is refused by what it is and what it is in."""
    with open(__file__) as file, pytest.raises(CodecError, match="An open file cannot be stored") as caught:
        REGISTRY.encode(Holder(file), Holder)
    assert "test_models.Holder" in str(caught.value)


def test_a_model_with_a_lambda_goes_by_value() -> None:
    """A function that cannot be found by name does not keep a model from being stored."""
    back = received(FunctionTransformer(lambda rows: rows + 1), FunctionTransformer)
    assert np.array_equal(back.transform(ROWS), ROWS + 1)


def test_a_model_that_does_not_load_here_is_reported() -> None:
    """Stored pickle whose class is not installed is a CodecError that says what is missing."""
    encoded = REGISTRY.encode(Holder(), Holder)
    payload = bytes(encoded.payload).replace(b"Holder", b"Folder")
    stored = MemoryStored(type(encoded)(encoded.format, encoded.digest, payload, encoded.suffix))
    with pytest.raises(CodecError, match="cannot be loaded here") as caught:
        REGISTRY.decode(stored, Any, NOWHERE)
    assert "Folder" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).facts == caught.value.facts
