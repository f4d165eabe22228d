"""Prints the digest of many values, each on a line: run in several processes, which must agree."""

from __future__ import annotations

import dataclasses
import enum
import random
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from flowkit.authoring.types import Metrics
from flowkit.codecs.registry import CodecRegistry

NAMES = [f"name {number}" for number in range(50)]


class Colour(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel, extra="allow"):
    names: set[str]
    rate: float = 0.5


@dataclasses.dataclass
class Config:
    names: frozenset[str]
    colour: Colour
    table: dict[Any, Any]


def values(order: random.Random) -> dict[str, tuple[Any, Any]]:
    names = order.sample(NAMES, len(NAMES))
    rows = np.random.default_rng(0).normal(size=(80, 3))
    labels = (rows[:, 0] > 0).astype(int)
    words = np.array([[NAMES[number % 7]] for number in range(80)], dtype=object)
    return {
        "dict": ({name: len(name) for name in names}, dict[str, int]),
        "set": (set(names), set[str]),
        "mixed set": ({*names, 1, 2.5, None, (1, "a"), Decimal(1) / 3}, set),
        "mixed keys": ({**dict.fromkeys(names), 1: 2, (1, 2): 3, frozenset(names): 4}, dict),
        "nested": ([{"s": frozenset(names)}, datetime(2024, 1, 1, tzinfo=UTC)], list),
        "dataclass": (Config(frozenset(names), Colour.RED, {Colour.RED: set(names)}), Config),
        "model": (Model(names=set(names), **dict.fromkeys(names, 1)), Model),
        "metrics": (Metrics(**dict.fromkeys(names, 0.5)), Metrics),
        "array": (rows, np.ndarray),
        "path": (Path(__file__), Path),
        "paths": ([Path(__file__)], list[Path]),
        "logistic": (LogisticRegression().fit(rows, labels), LogisticRegression),
        "forest": (RandomForestClassifier(n_estimators=4, random_state=0).fit(rows, labels), RandomForestClassifier),
        "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels), Any),
        "encoder": (OneHotEncoder().fit(words), OneHotEncoder),
        "tree": (DecisionTreeRegressor(random_state=0).fit(rows, labels), DecisionTreeRegressor),
    }


if __name__ == "__main__":
    registry = CodecRegistry()
    for name, (value, hint) in values(random.Random(sys.argv[1])).items():
        print(f"{name}: {registry.encode(value, hint).digest}")
