"""What the run state machine asks its shell to do."""

from __future__ import annotations

from dataclasses import dataclass

from flowkit.records import Outcome


@dataclass(frozen=True, slots=True)
class LookUp:
    """All inputs of `node` are known: compute its key and look for a result."""

    node: str


@dataclass(frozen=True, slots=True)
class Launch:
    """Run `node`; what comes back must bear `token`."""

    node: str
    attempt: int
    token: str


@dataclass(frozen=True, slots=True)
class Settle:
    """`node` ended without having run: skipped, blocked or cancelled; failed where its list is none."""

    node: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Kill what runs `nodes`."""

    nodes: tuple[str, ...]


Command = LookUp | Launch | Settle | Stop
