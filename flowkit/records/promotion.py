"""Records of models, gates and promotions."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class VersionState(StrEnum):
    """What became of a model version."""

    REGISTERED = "registered"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"


class GateVerdict(Struct, frozen=True):
    """One gate's verdict, with what was observed and what was required.

    Attributes:
        gate: The gate as it is shown, such as `accuracy >= 0.85`.
        observed: The candidate's metric.
        required: What it had to reach, in the same unit; None where there is no champion to compare with.
        passed: Whether it did.
        note: Where `required` came from, such as `no champion` or `champion's recorded metric`; empty otherwise.
    """

    gate: str
    observed: float
    required: float | None
    passed: bool
    note: str = ""


class Promotion(Struct, frozen=True):
    """What `promote` decided: the version, whether it was accepted, and each gate's verdict.

    Attributes:
        model: The model's name.
        version: The version's number, from 1.
        alias: The alias that was asked for.
        accepted: Whether it passed; then the alias points to that version, but for a dry run.
        reason: Why it was refused, or what else is to be said; None where nothing is.
        verdicts: One a gate, in order; empty where the gates were not asked.
    """

    model: str
    version: int
    alias: str
    accepted: bool
    reason: str | None
    verdicts: tuple[GateVerdict, ...]
