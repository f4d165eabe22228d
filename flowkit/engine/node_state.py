"""How far a node has come in its run."""

from __future__ import annotations

from enum import Enum, auto

from msgspec import Struct

from flowkit.records import Outcome


class Phase(Enum):
    """Where a node is on its way."""

    WAITING = auto()
    LOOKING = auto()
    RIDING = auto()
    RUNNING = auto()
    DEFERRED = auto()
    RETRYING = auto()
    SETTLED = auto()


class NodeState(Struct):
    """One node's progress. `awaiting` holds the producers that have not settled."""

    phase: Phase
    awaiting: set[str]
    outcome: Outcome | None = None
    attempts: int = 0
    launches: int = 0
    token: str = ""
    retry_at: float = 0.0
