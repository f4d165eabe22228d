from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowkit.authoring.gates import Gate, at_least, at_most, no_worse_than
from flowkit.errors import GateError, PromotionError
from flowkit.registry.gates import NO_CHAMPION, RECORDED, judge


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (at_least("accuracy", 0.85), "accuracy >= 0.85"),
        (at_most("loss", 1), "loss <= 1.0"),
        (no_worse_than("accuracy"), "accuracy >= champion"),
        (no_worse_than("accuracy", tolerance=0.01), "accuracy >= champion - 0.01"),
        (no_worse_than("loss", 0.5, better="lower"), "loss <= champion + 0.5"),
        (at_least("accuracy", np.float32(0.5)), "accuracy >= 0.5"),
        (at_least("n", np.int64(3)), "n >= 3.0"),
    ],
)
def test_a_gate_reads_as_it_is_recorded(gate: Gate, text: str) -> None:
    """The text stands in reports, JSON and the audit log, so it must not change by chance."""
    assert str(gate) == text


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: at_least("", 0.5), "name of a metric"),
        (lambda: at_least("  ", 0.5), "name of a metric"),
        (lambda: at_most(None, 0.5), "name of a metric"),  # type: ignore[arg-type]
        (lambda: at_least("accuracy", math.nan), "finite number"),
        (lambda: at_most("accuracy", math.inf), "finite number"),
        (lambda: at_least("accuracy", "0.85"), "finite number"),  # type: ignore[arg-type]
        (lambda: at_least("accuracy", True), "finite number"),
        (lambda: at_least("accuracy", object()), "finite number"),  # type: ignore[arg-type]
        (lambda: no_worse_than("accuracy", tolerance=-0.1), "0 or more"),
        (lambda: no_worse_than("accuracy", tolerance=math.nan), "finite number"),
        (lambda: no_worse_than("accuracy", better="bigger"), "direction"),  # type: ignore[arg-type]
        (lambda: no_worse_than("accuracy", better=["higher"]), "direction"),  # type: ignore[arg-type]
    ],
)
def test_a_gate_that_could_not_be_judged_is_refused_when_it_is_written(make: Any, said: str) -> None:
    """What is wrong with a gate whatever the metrics are is found before anything runs: exit code 2."""
    with pytest.raises(GateError, match=said) as caught:
        make()
    assert caught.value.exit_code == 2
    assert pickle.loads(pickle.dumps(caught.value)).facts == caught.value.facts


@pytest.mark.parametrize(
    ("gate", "observed", "baseline", "recorded", "required", "passed", "note"),
    [
        (at_least("m", 0.85), 0.85, None, None, 0.85, True, ""),
        (at_least("m", 0.85), 0.84, None, None, 0.85, False, ""),
        (at_most("m", 0.5), 0.5, None, None, 0.5, True, ""),
        (at_most("m", 0.5), 0.51, None, None, 0.5, False, ""),
        (no_worse_than("m"), 0.1, None, None, None, True, NO_CHAMPION),
        (no_worse_than("m"), 0.8, 0.8, 0.9, 0.8, True, ""),
        (no_worse_than("m"), 0.8, 0.9, 0.7, 0.9, False, ""),
        (no_worse_than("m", 0.1), 0.7, 0.8, None, 0.7, True, ""),
        (no_worse_than("m", 0.01), 0.8, None, 0.82, 0.81, False, RECORDED),
        (no_worse_than("m", 0.1, "lower"), 0.4, 0.3, None, 0.4, True, ""),
        (no_worse_than("m", 0.1, "lower"), 0.41, None, 0.3, 0.4, False, RECORDED),
        (no_worse_than("m"), 5.0, math.inf, None, math.inf, False, ""),
    ],
)
def test_verdicts(
    gate: Gate,
    observed: float,
    baseline: float | None,
    recorded: float | None,
    required: float | None,
    passed: bool,
    note: str,
) -> None:
    """A baseline on the same rows comes before what was recorded; where there is no champion, comparing passes."""
    metrics = [None if value is None else {"m": value} for value in (baseline, recorded)]

    (verdict,) = judge([gate], {"m": observed}, *metrics)

    assert (verdict.gate, verdict.observed, verdict.required, verdict.passed, verdict.note) == (
        str(gate),
        observed,
        required,
        passed,
        note,
    )


@pytest.mark.parametrize(
    ("metrics", "baseline", "recorded", "said"),
    [
        ({"auc": 1.0}, None, None, "the candidate has no metric 'accuracy'"),
        ({"accuracy": math.nan}, None, None, "'accuracy' of the candidate is not a number"),
        ({"accuracy": 1.0}, {"auc": 1.0}, {"accuracy": 1.0}, "the baseline has no metric 'accuracy'"),
        ({"accuracy": 1.0}, {"accuracy": math.nan}, None, "'accuracy' of the baseline is not a number"),
        ({"accuracy": 1.0}, None, {"auc": 1.0}, "the champion's record has no metric 'accuracy'"),
    ],
)
def test_a_missing_or_undefined_metric_is_an_error_that_lists_what_there_is(
    metrics: dict[str, float], baseline: dict[str, float] | None, recorded: dict[str, float] | None, said: str
) -> None:
    """Promotion never goes ahead with a gate that could not be judged."""
    with pytest.raises(PromotionError, match=said) as caught:
        judge([no_worse_than("accuracy")], metrics, baseline, recorded)
    assert caught.value.facts[0][0] == "metrics"
    assert not caught.value.retryable


def test_no_gate_is_an_error() -> None:
    """An alias never moves without anything having been asked of the candidate."""
    with pytest.raises(GateError, match="no gate"):
        judge([], {"accuracy": 1.0}, None, None)


thousandths = st.integers(-1_000_000, 1_000_000)


@given(thousandths, thousandths, st.integers(0, 10_000))
def test_a_tolerance_means_what_it_says_on_paper(found: int, held: int, allowed: int) -> None:
    """Comparing is exact in decimals, and higher and lower are mirror images."""
    expected = found >= held - allowed
    observed, champion, tolerance = (number / 1000 for number in (found, held, allowed))

    (higher,) = judge([no_worse_than("m", tolerance)], {"m": observed}, {"m": champion}, None)
    (lower,) = judge([no_worse_than("m", tolerance, "lower")], {"m": -observed}, {"m": -champion}, None)

    assert higher.passed is lower.passed is expected
