"""Rows as queries return them. Where a view has the same name, the fields are its columns, in its order."""

from __future__ import annotations

from msgspec import Struct

from flowkit.records import Acceptance, Digest, Failure, ObservedInput


class RunRow(Struct, frozen=True):
    """A row of `runs`; `argv` is JSON."""

    run: str
    pipeline: str
    env: str
    status: str
    exit_code: int | None
    started: str
    seconds: float | None
    git_commit: str | None
    git_dirty: int | None
    user: str
    host: str
    argv: str


class NodeRow(Struct, frozen=True):
    """A row of `nodes`."""

    run: str
    node: str
    step: str
    map_index: int | None
    outcome: str
    reason: str | None
    detail: str | None
    cache_key: Digest | None
    entry_key: Digest | None
    attempts: int
    started: str | None
    seconds: float | None
    worker: str | None
    peak_memory: int | None


class NodeDetails(Struct, frozen=True):
    """What is recorded of a node beside its row.

    Attributes:
        log: Path of its captured output, below the store.
        from_run: The run that made what a reused node gave, None for other outcomes.
        from_node: The node of that run.
    """

    node: str
    log: str | None
    failure: Failure | None
    from_run: str | None
    from_node: str | None


class ArtifactRow(Struct, frozen=True):
    """A row of `artifacts`."""

    artifact: Digest
    format: str
    bytes: int
    created: str


class InputRow(Struct, frozen=True):
    """A row of `node_inputs`."""

    run: str
    node: str
    parameter: str
    artifact: Digest


class OutputRow(Struct, frozen=True):
    """A row of `node_outputs`."""

    run: str
    node: str
    name: str
    artifact: Digest


class ParameterRow(Struct, frozen=True):
    """A row of `parameters`."""

    run: str
    node: str
    name: str
    value: str
    digest: Digest


class MetricRow(Struct, frozen=True):
    """A row of `metrics`; `value` is None for NaN."""

    run: str
    node: str
    name: str
    value: float | None


class CodeRow(Struct, frozen=True):
    """A row of `code`."""

    run: str
    node: str
    name: str
    digest: Digest
    source: str


class ModelRow(Struct, frozen=True):
    """A row of `models`."""

    model: str
    version: int
    artifact: Digest
    run: str | None
    node: str | None
    created: str
    state: str


class AliasRow(Struct, frozen=True):
    """A row of `aliases`."""

    model: str
    alias: str
    version: int


class AuditRow(Struct, frozen=True):
    """A row of `audit`; `evidence` is JSON."""

    sequence: int
    at: str
    who: str
    action: str
    subject: str
    detail: str
    evidence: str
    previous: Digest
    hash: Digest


class LineageRow(Struct, frozen=True):
    """An execution on the way to or from an artifact.

    Attributes:
        depth: How many executions away it is, from 1.
        run: The run that executed it.
        cache_key: The key it ran under.
        code: Digest of its code.
        inputs: (parameter, artifact) pairs.
        outputs: (name, artifact) pairs.
        accepted: Who let its result stand for edited code since; empty where nobody did.
        observed: What it read undeclared.
    """

    depth: int
    run: str
    node: str
    step: str
    cache_key: Digest
    code: Digest
    inputs: tuple[tuple[str, Digest], ...]
    outputs: tuple[tuple[str, Digest], ...]
    accepted: tuple[Acceptance, ...] = ()
    observed: tuple[ObservedInput, ...] = ()
