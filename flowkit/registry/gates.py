"""Judges gates: pure, from metrics to verdicts.

A verdict keeps what was observed and what was required, so that a decision can be read years later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from flowkit.authoring.gates import AtLeast, AtMost, Gate, NoWorseThan
from flowkit.errors import GateError, PromotionError
from flowkit.records import GateVerdict

Metrics = Mapping[str, float]

NO_CHAMPION = "no champion"
RECORDED = "champion's recorded metric"
ITSELF = "the champion itself"


def judge(
    gates: Sequence[Gate],
    metrics: Metrics,
    baseline: Metrics | None,
    champion_metrics: Metrics | None,
    model: str = "the model",
) -> tuple[GateVerdict, ...]:
    """Judge a candidate by every gate.

    Args:
        gates: At least one.
        metrics: The candidate's.
        baseline: The champion's, scored on the same rows: what comparing gates use where it is given.
        champion_metrics: Those recorded for the champion, for comparing gates without a baseline; None where there is
            no champion, which lets comparing gates pass.
        model: Named in the error when there is no gate.

    Returns:
        A verdict for each gate, in their order.

    Raises:
        GateError: There is no gate.
        PromotionError: A gate's metric is missing or NaN, of the candidate or of the champion.
    """
    if not gates:
        raise GateError.for_no_gate(model)
    return tuple(_judge_one(gate, metrics, baseline, champion_metrics) for gate in gates)


def judge_held(gates: Sequence[Gate], metrics: Metrics, model: str = "the model") -> tuple[GateVerdict, ...]:
    """Judge the champion itself, proposed anew: a comparing gate compares it with itself, on the same rows.

    Its recorded metrics are of other rows, and no model is worse than itself.

    Args:
        gates: At least one.
        metrics: The champion's, as they are today.
        model: Named in the error when there is no gate.

    Raises:
        GateError: There is no gate.
        PromotionError: A gate's metric is missing or NaN.
    """
    verdicts = judge(gates, metrics, metrics, None, model)
    return tuple(
        replace(verdict, note=ITSELF) if isinstance(gate, NoWorseThan) else verdict
        for gate, verdict in zip(gates, verdicts, strict=True)
    )


def _judge_one(gate: Gate, metrics: Metrics, baseline: Metrics | None, recorded: Metrics | None) -> GateVerdict:
    observed = _read(gate, metrics, "the candidate")
    if isinstance(gate, AtLeast):
        return GateVerdict(str(gate), observed, gate.value, observed >= gate.value)
    if isinstance(gate, AtMost):
        return GateVerdict(str(gate), observed, gate.value, observed <= gate.value)
    if baseline is not None:
        return _compare(gate, observed, _read(gate, baseline, "the baseline"), "")
    if recorded is None:
        return GateVerdict(str(gate), observed, None, True, NO_CHAMPION)
    return _compare(gate, observed, _read(gate, recorded, "the champion's record"), RECORDED)


def _compare(gate: NoWorseThan, observed: float, champion: float, note: str) -> GateVerdict:
    if gate.better == "higher":
        required = _add(champion, -gate.tolerance)
        return GateVerdict(str(gate), observed, required, observed >= required, note)
    required = _add(champion, gate.tolerance)
    return GateVerdict(str(gate), observed, required, observed <= required, note)


def _read(gate: Gate, metrics: Metrics, whose: str) -> float:
    if gate.metric not in metrics:
        raise PromotionError.for_missing_metric(str(gate), gate.metric, whose, metrics)
    value = metrics[gate.metric]
    if math.isnan(value):
        raise PromotionError.for_undefined_metric(str(gate), gate.metric, whose, metrics)
    return float(value)


def _add(value: float, difference: float) -> float:
    """Add as people do on paper: 0.8 - 0.1 is 0.7, where binary numbers give 0.7000000000000001, which 0.7 fails."""
    if not math.isfinite(value):
        return value
    return float(Decimal(repr(float(value))) + Decimal(repr(difference)))
