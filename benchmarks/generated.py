"""A project of 200 modules and 500 steps, as text: what a large team's code may look like to a fingerprint.

Helpers in layers, constants, regular expressions, dataclasses, enums and methods; each step reaches some dozens of
them over several modules. It imports the standard library alone, so that importing it costs little beside the rest.
"""

from __future__ import annotations

from pathlib import Path

CORE, FEATURES, MODELS, STEP_MODULES, STEPS_A_MODULE = 20, 50, 30, 100, 5
MODULES = CORE + FEATURES + MODELS + STEP_MODULES
STEPS = STEP_MODULES * STEPS_A_MODULE


def write_project(folder: Path) -> None:
    """Write the package `large` and the pipeline `large_flow.py:flow`, which calls all of its steps once."""
    package = folder / "large"
    if package.exists():
        return
    for place, count, write in (
        ("core", CORE, _core),
        ("features", FEATURES, _features),
        ("models", MODELS, _model),
        ("steps", STEP_MODULES, _steps),
    ):
        (package / place).mkdir(parents=True)
        (package / place / "__init__.py").write_text("")
        for number in range(count):
            (package / place / f"{place[0]}{number}.py").write_text(write(number))
    (package / "__init__.py").write_text("")
    (folder / "large_flow.py").write_text(_flow())


def _core(number: int) -> str:
    above = f"c{number - 1}" if number % 2 else ""
    head = f"from large.core import {above}\n\n" if above else ""
    text = f'''"""Arithmetic and words, part {number}."""

import math
import re

{head}LIMITS = {{"low": {number}, "high": {number + 100}.5, "steps": [1, 2, {number}]}}
WORD = re.compile(r"[a-z]+{number}?")
'''
    for index in range(4):
        before = f" + {above}.clip_{index}(value - 1)" if above else ""
        inner = f" + clip_{index - 1}(value)" if index else ""
        text += f'''

def clip_{index}(value: float, low: float = {index}.5) -> float:
    """Return a value between the limits."""
    if value < LIMITS["low"]:
        return low
    words = [word for word in WORD.findall("some words {index}") if len(word) > {index}]
    return math.floor(min(value, LIMITS["high"])) + len(words) * 0.{index + 1}{before}{inner}
'''
    return text


def _features(number: int) -> str:
    one, other = number % CORE, (number * 7 + 3) % CORE
    text = f'''"""Features, part {number}."""

from collections import Counter

from large.core import c{one}
from large.core.c{other} import clip_1 as limit, clip_2

WEIGHTS = ({number}, 0.25, "w{number}")
NAMES = frozenset({{"a{number}", "b", "c"}})
'''
    for index in range(4):
        inner = f" + scale_{index - 1}(values)" if index else ""
        text += f'''

def scale_{index}(values: list[float], *, factor: float = {index}.0) -> float:
    """Return a scaled sum."""
    counted = Counter(round(value) for value in values if value > {index})
    total = sum(c{one}.clip_{index}(value) * factor for value in sorted(counted))
    for name in sorted(NAMES, key=lambda name: name[::-1]):
        total += limit(len(name)) + clip_2(WEIGHTS[0])
    return total{inner}
'''
    return text


def _model(number: int) -> str:
    return f'''"""A model, part {number}."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from large.core.c{number % CORE} import clip_3
from large.features import f{number}


class Kind(Enum):
    PLAIN = "plain{number}"
    DEEP = "deep"


class Base:
    margin = 0.{number}

    def prepare(self, values: list[float]) -> list[float]:
        """Return values inside the margin."""
        return [clip_3(value) + self.margin for value in values]


@dataclass(frozen=True)
class Model(Base):
    kind: Kind = Kind.PLAIN
    rate: float = {number}.5
    tags: tuple[str, ...] = field(default=("m{number}",))

    @property
    def scale(self) -> float:
        return self.rate * len(self.tags)

    def score(self, values: list[float]) -> float:
        """Return how good the values are."""
        if self.kind is Kind.DEEP:
            return f{number}.scale_2(self.prepare(values))
        return f{number}.scale_1(values) * self.scale
'''


def _steps(number: int) -> str:
    one, other = number % FEATURES, (number * 3 + 1) % FEATURES
    model = number % MODELS
    text = f'''"""Steps, part {number}."""

import statistics

import flowkit as fk
from large.features import f{one}
from large.features.f{other} import scale_0, scale_3
from large.models.m{model} import Kind, Model

START = [{number}.0, 2.5, 3.75]


def _mean(values: list[float]) -> float:
    return statistics.fmean(values) + {number}
'''
    for index in range(STEPS_A_MODULE):
        kind = "DEEP" if index % 2 else "PLAIN"
        text += f'''

@fk.step
def make_{number}_{index}(value: float, scale: float = {index}.5) -> float:
    """Return the next value."""
    values = [value % 17, *START, scale]
    score = Model(kind=Kind.{kind}, rate={index}.25).score(values)
    return _mean([score, f{one}.scale_{index % 4}(values), scale_0(values), scale_3(values)]) % 1000
'''
    return text


def _flow() -> str:
    imports = "\n".join(f"from large.steps import s{number}" for number in range(STEP_MODULES))
    modules = ", ".join(f"s{number}" for number in range(STEP_MODULES))
    return f"""import flowkit as fk
{imports}

MODULES = ({modules})


@fk.pipeline
def flow(start: float = 1.0) -> None:
    for number, module in enumerate(MODULES):
        value = start + number
        for index in range({STEPS_A_MODULE}):
            value = getattr(module, f"make_{{number}}_{{index}}")(value)
"""
