"""Records of models, gates and promotions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class VersionState(StrEnum):
    """What became of a model version."""

    REGISTERED = "registered"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """One gate's verdict, with what was observed and what was required.

    Attributes:
        note: Where `required` came from, such as `no champion` or `champion's recorded metric`; empty otherwise.
    """

    gate: str
    observed: float
    required: float | None
    passed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What `promote` decided: the version, whether it was accepted, and each gate's verdict."""

    model: str
    version: int
    alias: str
    accepted: bool
    reason: str | None
    verdicts: tuple[GateVerdict, ...]
