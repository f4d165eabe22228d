"""The result of an attempt while that goes on: each part of the attempt adds what it has come to."""

from __future__ import annotations

from msgspec import Struct, field

from flowkit.errors import LostArtifactError
from flowkit.execution.base import NodeOrder
from flowkit.execution.failure import Circumstances, describe_failure, skip_reason
from flowkit.execution.masking import mask_result
from flowkit.records import Digest, Failure, ObservedInput, Outcome, Output, StepResult


class ResultDraft(Struct):
    """What an attempt has come to so far; the attributes are those of `StepResult`."""

    order: NodeOrder
    key: Digest
    worker: str
    started: float
    outputs: tuple[Output, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    skipped: str | None = None
    lost: tuple[Digest, ...] = ()
    warnings: tuple[str, ...] = ()
    observed: tuple[ObservedInput, ...] = ()
    uncached: str | None = None

    @property
    def outcome(self) -> Outcome:
        """How the attempt ends, as far as it has come."""
        if self.failure is not None:
            return Outcome.FAILED
        return Outcome.EXECUTED if self.skipped is None else Outcome.SKIPPED

    def warn(self, warning: str) -> None:
        """Add a warning."""
        self.warnings += (warning,)

    def end_by(self, error: BaseException, around: Circumstances) -> None:
        """Take note of what was raised in the attempt: a `Skip`, an input that is lost, any other failure."""
        self.skipped = skip_reason(error)
        if self.skipped is not None:
            return
        self.failure = describe_failure(error, around)
        if isinstance(error, LostArtifactError):
            self.lost = (error.digest,)

    def complete(
        self, seconds: float, *, peak_memory: int = 0, log: str | None = None, checkpoints: bool = False
    ) -> StepResult:
        """Return the result, without secrets in its texts; the arguments are known only once the attempt is over."""
        result = StepResult(
            node=self.order.node,
            attempt=self.order.attempt,
            token=self.order.token,
            outcome=self.outcome,
            key=self.key,
            started=self.started,
            seconds=seconds,
            outputs=self.outputs,
            metrics=tuple(self.metrics.items()),
            failure=self.failure,
            skipped=self.skipped,
            worker=self.worker,
            peak_memory=peak_memory,
            observed=self.observed,
            log=log,
            warnings=self.warnings,
            lost=self.lost,
            uncached=self.uncached,
            checkpoints=checkpoints,
        )
        return mask_result(result)
