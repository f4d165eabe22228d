"""How nodes, runs and plans can end, and why a node was not reused."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a node ended in a run."""

    EXECUTED = "executed"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


class RunStatus(StrEnum):
    """The state of a run; `crashed` means that its driver died."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


class Forecast(StrEnum):
    """What a plan says of a node; `unknown` depends on an output that is not there yet."""

    RUN = "run"
    REUSE = "reuse"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a node is not reused, in order of precedence: the first that holds is reported."""

    FORCED = "forced"
    UNCACHED = "uncached"
    LOST = "lost"
    EXPIRED = "expired"
    FAILED = "failed"
    NEW = "new"
    CODE = "code"
    PARAMETER = "parameter"
    INPUT = "input"
    ENVIRONMENT = "environment"
    OBSERVED = "observed"
