"""Records of what happened: a run, a node of a run, an attempt's result."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from flowkit.errors import Facts
from flowkit.records.artifacts import Artifact, Digest, Output
from flowkit.records.keys import CodeFingerprint, EnvironmentFingerprint, KeyParts
from flowkit.records.outcomes import Outcome, Reason, RunStatus


class FailureKind(StrEnum):
    """What ended an attempt."""

    RAISED = "raised"
    INPUT = "input"
    CONTRACT = "contract"
    TYPE = "type"
    CODEC = "codec"
    EXITED = "exited"
    SIGNALLED = "signalled"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    CODE = "code"
    PROMOTION = "promotion"
    LOST = "lost"
    STORE = "store"


class Failure(Struct, frozen=True):
    """Why an attempt failed; `traceback` holds the user's frames only."""

    kind: FailureKind
    message: str
    facts: Facts = ()
    hint: str = ""
    traceback: str = ""
    retryable: bool = True


class ObservedInput(Struct, frozen=True):
    """Something a step read without declaring it: kind, name and digest (or `absent`, or a listing's digest)."""

    kind: str
    name: str
    digest: str


class StepResult(Struct, frozen=True):
    """What one attempt of a node gave, as its step host reports it.

    Attributes:
        key: The cache key the host ran it under.
        started: Seconds since the epoch, UTC.
        seconds: Wall time of the attempt: load, call, validate, encode, put.
        peak_memory: Bytes of resident memory of the step host at its highest during this attempt.
        log: Path of the captured output below the store, None where nothing was printed.
        lost: Inputs that were found gone or corrupt; their makers must run again.
        uncached: Why this result must not be reused later, such as an input that changed meanwhile; None where it may.
        checkpoints: Whether it kept checkpoints, which go once this result is recorded.
    """

    node: str
    attempt: int
    token: str
    outcome: Outcome
    key: Digest
    started: float
    seconds: float
    outputs: tuple[Output, ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()
    failure: Failure | None = None
    skipped: str | None = None
    worker: str = ""
    peak_memory: int = 0
    observed: tuple[ObservedInput, ...] = ()
    log: str | None = None
    warnings: tuple[str, ...] = ()
    lost: tuple[Digest, ...] = ()
    uncached: str | None = None
    checkpoints: bool = False


class RunRecord(Struct, frozen=True):
    """A run as it begins.

    Attributes:
        target: What `rerun` loads again: `pipelines/taxi.py:taxi`, relative to the project's root.
        parameters: The pipeline's parameters as JSON texts by name.
        started: Seconds since the epoch, UTC.
        driver: Who drives it: process id, its start time and the host's boot id.
    """

    run: str
    pipeline: str
    target: str
    env: str
    parameters: tuple[tuple[str, str], ...]
    started: float
    argv: tuple[str, ...] = ()
    git_commit: str | None = None
    git_dirty: bool | None = None
    user: str = ""
    host: str = ""
    driver: str = ""


class RunSummary(Struct, frozen=True):
    """A run as the store tells it afterwards."""

    record: RunRecord
    status: RunStatus
    exit_code: int | None
    seconds: float | None


class Execution(Struct, frozen=True):
    """The full account of one executed node, from which its entry, inputs and outputs are recorded.

    Attributes:
        parts: What its key was made of.
        entry_key: Hash of the cache key and the observed inputs; what publication compares and sets.
        inputs: (parameter, artifact) for every artifact that the arguments named, files included.
        supersedes: The generation this one replaces: of a forced, expired or lost rerun; None for a first result.
        cached: Whether later runs may reuse it.
        created: When it was made, where another machine did; None for the end of this node's attempt.
        producers: The node of this run that gave each input, in their order; None for what came in from outside.
            Empty where that is not known.
        ages: Whether its step declares that results age: another one later then says nothing against the step.
        uncached: Why this very result may not be reused, such as an input that changed meanwhile; None where the step
            or its code decides that, or nothing does.
        tries_accepted: Whether it replaces a result that a person let stand for this code.
    """

    parts: KeyParts
    cache_key: Digest
    entry_key: Digest
    code: CodeFingerprint
    environment: EnvironmentFingerprint
    inputs: tuple[tuple[str, Artifact], ...]
    outputs: tuple[Output, ...]
    metrics: tuple[tuple[str, float], ...] = ()
    observed: tuple[ObservedInput, ...] = ()
    supersedes: int | None = None
    cached: bool = True
    created: float | None = None
    producers: tuple[str | None, ...] = ()
    ages: bool = False
    uncached: str | None = None
    tries_accepted: bool = False


class NodeRecord(Struct, frozen=True):
    """How one node ended in one run.

    Attributes:
        execution: What it did where it executed and succeeded; also, without outputs, where it failed with a known key.
        entry: The entry it was reused from.
    """

    run: str
    node: str
    step: str
    map_index: int | None
    outcome: Outcome
    reason: Reason | None = None
    detail: str | None = None
    attempts: int = 0
    started: float | None = None
    seconds: float | None = None
    worker: str = ""
    peak_memory: int = 0
    log: str | None = None
    failure: Failure | None = None
    execution: Execution | None = None
    entry: int | None = None


class Acceptance(Struct, frozen=True):
    """That a person let a result stand for edited code.

    Attributes:
        at: UTC ISO 8601.
        reason: What they wrote; empty where they wrote nothing.
    """

    who: str
    at: str
    reason: str


class Entry(Struct, frozen=True):
    """A recorded result that a later node may reuse.

    Attributes:
        id: The store's own number for it, to be handed back in `NodeRecord.entry`; None where it comes from a remote
            and this store has yet to record it.
        generation: How often it was superseded.
        run: The run that made it.
        created: Seconds since the epoch, UTC.
        host: The machine whose run made it, where it comes from a remote.
        accepted: Who let it stand for the code of this key; None where that code made it.
    """

    id: int | None
    cache_key: Digest
    entry_key: Digest
    generation: int
    run: str
    node: str
    created: float
    outputs: tuple[Output, ...]
    metrics: tuple[tuple[str, float], ...] = field(default=())
    host: str = ""
    accepted: Acceptance | None = None


class LatestSuccess(Struct, frozen=True):
    """A node's latest success in this store, against which a miss is explained.

    Attributes:
        run: The run that executed or reused it last; of one that was accepted since, the run that made it.
        observed: What it read undeclared.
        execution: The store's number of it, by which its inputs are found.
        maker: The run that executed it, where `run` reused it.
        accepted: Who let the result stand for this code; None where this code made it.
        uncached: Why this very result was not kept for reuse, where something that happened meanwhile forbade it.
    """

    run: str
    cache_key: Digest
    parts: KeyParts
    code: CodeFingerprint
    environment: EnvironmentFingerprint
    observed: tuple[ObservedInput, ...] = ()
    execution: int | None = None
    maker: str = ""
    accepted: Acceptance | None = None
    uncached: str | None = None
