"""Frozen records and enums that cross module borders: no behaviour beyond their own fields, no I/O."""

from flowkit.records.artifacts import INLINE_LIMIT, Artifact, BlobFile, Digest, Output, Stamp
from flowkit.records.keys import (
    ArgumentKind,
    ArgumentPart,
    CodeFingerprint,
    CodePart,
    EnvironmentFingerprint,
    KeyParts,
)
from flowkit.records.outcomes import Forecast, Outcome, Reason, RunStatus
from flowkit.records.promotion import GateVerdict, Promotion, VersionState
from flowkit.records.runs import (
    Entry,
    Execution,
    Failure,
    FailureKind,
    LatestSuccess,
    NodeRecord,
    ObservedInput,
    RunRecord,
    RunSummary,
    StepResult,
)
from flowkit.records.steps import (
    REQUIRED,
    RETURN,
    Location,
    OutputSpecification,
    ParameterSpecification,
    StepOptions,
    StepSpecification,
)

__all__ = [
    "INLINE_LIMIT",
    "REQUIRED",
    "RETURN",
    "ArgumentKind",
    "ArgumentPart",
    "Artifact",
    "BlobFile",
    "CodeFingerprint",
    "CodePart",
    "Digest",
    "Entry",
    "EnvironmentFingerprint",
    "Execution",
    "Failure",
    "FailureKind",
    "Forecast",
    "GateVerdict",
    "KeyParts",
    "LatestSuccess",
    "Location",
    "NodeRecord",
    "ObservedInput",
    "Outcome",
    "Output",
    "OutputSpecification",
    "ParameterSpecification",
    "Promotion",
    "Reason",
    "RunRecord",
    "RunStatus",
    "RunSummary",
    "Stamp",
    "StepOptions",
    "StepResult",
    "StepSpecification",
    "VersionState",
]
