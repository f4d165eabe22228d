"""Gates: what a candidate's metrics must meet before an alias moves to it.

Plain values, checked when they are made and judged elsewhere. `str(gate)` is how a gate is shown and recorded.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Literal

from msgspec import Struct
from msgspec.structs import force_setattr

from flowkit.errors import GateError

Better = Literal["higher", "lower"]


class AtLeast(Struct, frozen=True):
    """The metric must be `value` or more."""

    metric: str
    value: float

    def __post_init__(self) -> None:
        _check_metric("at_least", self.metric)
        force_setattr(self, "value", _finite("at_least", "value", self.value))

    def __str__(self) -> str:
        return f"{self.metric} >= {self.value!r}"


class AtMost(Struct, frozen=True):
    """The metric must be `value` or less."""

    metric: str
    value: float

    def __post_init__(self) -> None:
        _check_metric("at_most", self.metric)
        force_setattr(self, "value", _finite("at_most", "value", self.value))

    def __str__(self) -> str:
        return f"{self.metric} <= {self.value!r}"


class NoWorseThan(Struct, frozen=True):
    """The metric may be worse than the champion's by `tolerance` at most, in the metric's own unit."""

    metric: str
    tolerance: float = 0.0
    better: Better = "higher"

    def __post_init__(self) -> None:
        _check_metric("no_worse_than", self.metric)
        force_setattr(self, "tolerance", _finite("no_worse_than", "tolerance", self.tolerance))
        if self.tolerance < 0:
            raise GateError.for_tolerance(self.tolerance)
        if not isinstance(self.better, str) or self.better not in ("higher", "lower"):
            raise GateError.for_better(self.better)

    def __str__(self) -> str:
        comparison, sign = (">=", "-") if self.better == "higher" else ("<=", "+")
        slack = f" {sign} {self.tolerance!r}" if self.tolerance else ""
        return f"{self.metric} {comparison} champion{slack}"


Gate = AtLeast | AtMost | NoWorseThan


def at_least(metric: str, value: float) -> AtLeast:
    """Return the gate that lets `metric` pass at `value` or more.

    Args:
        metric: The metric's name.
        value: The limit, in the metric's unit.

    Raises:
        GateError: The name is empty, or the value is no finite number.

    Example:
        >>> import flowkit as fk
        >>> str(fk.at_least("accuracy", 0.9))
        'accuracy >= 0.9'
    """
    return AtLeast(metric, value)


def at_most(metric: str, value: float) -> AtMost:
    """Return the gate that lets `metric` pass at `value` or less.

    Args:
        metric: The metric's name.
        value: The limit, in the metric's unit.

    Raises:
        GateError: The name is empty, or the value is no finite number.

    Example:
        >>> import flowkit as fk
        >>> str(fk.at_most("error", 0.1))
        'error <= 0.1'
    """
    return AtMost(metric, value)


def no_worse_than(metric: str, tolerance: float = 0.0, better: Better = "higher") -> NoWorseThan:
    """Return the gate that compares `metric` with the champion's.

    It compares with the baseline of the promotion where there is one, else with the metric that was recorded for the
    champion; where there is no champion it passes.

    Args:
        metric: The metric's name.
        tolerance: How much worse the candidate may be, in the metric's unit; 0 or more.
        better: Whether a `"higher"` or a `"lower"` value is the better one.

    Raises:
        GateError: An argument is not of that kind.

    Example:
        >>> import flowkit as fk
        >>> str(fk.no_worse_than("error", tolerance=0.02, better="lower"))
        'error <= champion + 0.02'
    """
    return NoWorseThan(metric, tolerance, better)


def _check_metric(gate: str, metric: object) -> None:
    if not isinstance(metric, str) or not metric.strip():
        raise GateError.for_metric_name(gate, metric)


def _finite(gate: str, argument: str, value: object) -> float:
    # A bool is a Real too, but a threshold of True is a mistake; numpy's scalars are Real and welcome.
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise GateError.for_number(gate, argument, value)
    return float(value)
