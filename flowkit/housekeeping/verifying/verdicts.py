"""What a verification found of each node: frozen reports, and their documented JSON form."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct

from flowkit.engine.report import JSON_FORMAT, failure_to_json
from flowkit.records import Artifact, Failure


class Verdict(StrEnum):
    """What came of running a recorded node again."""

    SAME = "same"
    DIFFERENT = "different"
    NOT_VERIFIED = "not verified"


class OutputVerdict(Struct, frozen=True):
    """One output that differs.

    Attributes:
        again: What it was this time; None where it was not made again.
        lines: What differs, for people.
        hint: What usually causes that.
    """

    name: str
    recorded: Artifact
    again: Artifact | None
    lines: tuple[str, ...]
    hint: str


class MetricVerdict(Struct, frozen=True):
    """A metric with another value; an absent side is None."""

    name: str
    recorded: float | None
    again: float | None


class NodeVerdict(Struct, frozen=True):
    """What was found of one node.

    Attributes:
        detail: Why it could not be verified, what became of it where it gave no outputs, or who accepted what it is
            compared with; None else.
        seconds: How long it ran this time.
        outputs: Those that differ.
        failure: Why it failed this time.
    """

    node: str
    step: str
    index: int | None
    verdict: Verdict
    detail: str | None = None
    seconds: float | None = None
    outputs: tuple[OutputVerdict, ...] = ()
    metrics: tuple[MetricVerdict, ...] = ()
    failure: Failure | None = None


class VerificationReport(Struct, frozen=True):
    """What was found of the nodes of a run.

    Attributes:
        hash_seed: The `PYTHONHASHSEED` of the processes that ran them again.
        exit_code: 0, 1 where a node differs, 4 where the store failed, 130 where it was interrupted.
    """

    run: str
    pipeline: str
    hash_seed: int
    seconds: float
    nodes: tuple[NodeVerdict, ...]
    exit_code: int

    def count(self, verdict: Verdict) -> int:
        """Return how many nodes have this verdict."""
        return sum(node.verdict is verdict for node in self.nodes)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `verify --rerun --json` prints."""
        return {
            "format": JSON_FORMAT,
            "run": self.run,
            "pipeline": self.pipeline,
            "exit_code": self.exit_code,
            "hash_seed": self.hash_seed,
            "seconds": round(self.seconds, 3),
            "nodes": [_node_to_json(node) for node in self.nodes],
        }


def _node_to_json(node: NodeVerdict) -> dict[str, Any]:
    return {
        "node": node.node,
        "step": node.step,
        "index": node.index,
        "verdict": node.verdict.value,
        "detail": node.detail,
        "seconds": None if node.seconds is None else round(node.seconds, 6),
        "error": None if node.failure is None else failure_to_json(node.failure),
        "outputs": [
            {
                "name": output.name,
                "recorded": output.recorded.digest,
                "again": output.again.digest if output.again is not None else None,
                "differences": list(output.lines),
                "hint": output.hint,
            }
            for output in node.outputs
        ],
        "metrics": [
            {"name": metric.name, "recorded": metric.recorded, "again": metric.again} for metric in node.metrics
        ],
    }
