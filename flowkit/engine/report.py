"""What a run or a plan gives back: frozen reports, and their documented JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from flowkit.errors import facts_to_json
from flowkit.records import Failure, Forecast, GateVerdict, Outcome, Output, Reason, RunStatus

JSON_FORMAT = 1
"""Version of every JSON object that a command prints."""


class NodeReport(Struct, frozen=True):
    """How one node ended, or is forecast to.

    Attributes:
        from_run: The run that made a reused node.
        log: Path of the captured output below the store.
    """

    node: str
    step: str
    index: int | None
    outcome: Outcome | Forecast
    reason: Reason | None = None
    detail: str | None = None
    cache_key: str | None = None
    attempts: int = 0
    seconds: float | None = None
    from_run: str | None = None
    log: str | None = None
    error: Failure | None = None
    outputs: tuple[Output, ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()


class PromotionReport(Struct, frozen=True):
    """What a promotion node decided, or that the alias held this model already; by the gates of this run.

    Attributes:
        from_run: The run by whose decision the alias holds this model already; None where this run decided, or where
            a person did.
    """

    node: str
    model: str
    version: int
    alias: str
    accepted: bool
    reason: str | None
    gates: tuple[GateVerdict, ...]
    from_run: str | None = None


class RunReport(Struct, frozen=True):
    """A run as it ended.

    Attributes:
        parameters: The pipeline's parameters, in a form that JSON can hold.
        warnings: Sentences, each once.
    """

    run: str
    pipeline: str
    env: str
    status: RunStatus
    exit_code: int
    started: float
    seconds: float
    parameters: Mapping[str, Any]
    git_commit: str | None
    git_dirty: bool | None
    nodes: tuple[NodeReport, ...]
    promotions: tuple[PromotionReport, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `run --json` prints."""
        git = None if self.git_commit is None else {"commit": self.git_commit, "dirty": self.git_dirty}
        return {
            "format": JSON_FORMAT,
            "run": self.run,
            "pipeline": self.pipeline,
            "env": self.env,
            "status": self.status.value,
            "exit_code": self.exit_code,
            "started": format_time(self.started),
            "seconds": round(self.seconds, 3),
            "parameters": dict(self.parameters),
            "git": git,
            "nodes": [node_to_json(node) for node in self.nodes],
            "promotions": [promotion_to_json(promotion) for promotion in self.promotions],
            "warnings": list(self.warnings),
        }


class PlanReport(Struct, frozen=True):
    """What a run would do now; each node's outcome is a `Forecast`."""

    pipeline: str
    env: str
    parameters: Mapping[str, Any]
    nodes: tuple[NodeReport, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that `plan --json` prints."""
        return {
            "format": JSON_FORMAT,
            "pipeline": self.pipeline,
            "env": self.env,
            "parameters": dict(self.parameters),
            "nodes": [node_to_json(node) for node in self.nodes],
            "warnings": list(self.warnings),
        }


def node_to_json(node: NodeReport) -> dict[str, Any]:
    """Return one row of `nodes`."""
    return {
        "node": node.node,
        "step": node.step,
        "index": node.index,
        "outcome": node.outcome.value,
        "reason": node.reason.value if node.reason is not None else None,
        "detail": node.detail,
        "cache_key": node.cache_key,
        "attempts": node.attempts,
        "seconds": None if node.seconds is None else round(node.seconds, 6),
        "from_run": node.from_run,
        "log": node.log,
        "error": None if node.error is None else failure_to_json(node.error),
        "outputs": [
            {
                "name": output.name,
                "artifact": output.artifact.digest,
                "format": output.artifact.format,
                "bytes": output.artifact.bytes,
            }
            for output in node.outputs
        ],
    }


def failure_to_json(failure: Failure) -> dict[str, Any]:
    """Return a node's error in the form of every error: type, message, facts, hint; and its traceback."""
    return {
        "type": failure.kind.value,
        "message": failure.message,
        "facts": facts_to_json(failure.facts),
        "hint": failure.hint or None,
        "traceback": failure.traceback or None,
    }


def promotion_to_json(promotion: PromotionReport) -> dict[str, Any]:
    """Return one row of `promotions`."""
    return {
        "model": promotion.model,
        "version": promotion.version,
        "alias": promotion.alias,
        "accepted": promotion.accepted,
        "reason": promotion.reason,
        "from_run": promotion.from_run,
        "gates": [
            {
                "gate": verdict.gate,
                "observed": verdict.observed,
                "required": verdict.required,
                "passed": verdict.passed,
                "note": verdict.note or None,
            }
            for verdict in promotion.gates
        ],
    }


def format_time(seconds: float) -> str:
    """Return a time as UTC ISO 8601, such as `2026-11-20T06:00:00Z`, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")
