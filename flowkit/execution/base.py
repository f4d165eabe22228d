"""What the engine asks of an executor, and what it hears back.

The engine submits packets to workers and reads events. An executor never touches the lineage database, decides nothing
about reuse, and retries nothing: a node that fails is reported once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from flowkit.execution.proof import StepProof
from flowkit.graph.arguments import Ref
from flowkit.records import ArgumentPart, Artifact, Digest, StepOptions, StepResult
from flowkit.records.comparison import ComparedInPart

StepPlace = tuple[str, str]
"""A module and a qualified name in it."""


class StepOrder(Struct, frozen=True):
    """What a step host needs to find a step and to prove that it is the one that was meant.

    Attributes:
        module: Where `qualname` is looked up in the host.
        pickled: The specification by value, where no module can be imported (`__main__`, notebooks).
        sources: Text by file name for `linecache`, for code that was pickled by value.
        code: The code fingerprint's digest; the host recomputes it and refuses on a mismatch.
        environment: The environment fingerprint's digest, part of every key the host computes.
        unpacks: Whether it takes a list apart, with flowkit's own code.
    """

    name: str
    module: str
    qualname: str
    code: Digest
    environment: Digest
    options: StepOptions
    pickled: bytes | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    unpacks: bool = False


class NodeOrder(Struct, frozen=True):
    """One node to run.

    Attributes:
        token: Unique to this attempt; a result with another token is late and counts for nothing.
        arguments: Argument trees, with `Ref`, `Gather`, `FileInput` and `StoredConstant` leaves.
        parts: The key's share of every argument that needs nothing from this packet.
        inputs: The artifacts of those `Ref`s that exist; the others are made earlier in this packet.
        skipped: Refs whose producers were skipped: left out of a `Gather`, `None` elsewhere.
        key: The cache key, where it is known already.
        live_keys: Keys of this step that could be reused: where the host computes one of these it hands the node back.
        log: Path below the store for the captured output.
        validated: Parameters whose contracts the producers have proven already; those of all others are validated.
    """

    node: str
    attempt: int
    token: str
    step: StepOrder
    arguments: Mapping[str, Any]
    parts: Mapping[str, ArgumentPart]
    inputs: Mapping[Ref, Artifact]
    skipped: frozenset[Ref]
    key: Digest | None
    live_keys: frozenset[Digest]
    log: str
    validated: frozenset[str] = frozenset()


class Packet(Struct, frozen=True):
    """Nodes for one slot, in order; a later one may need what an earlier one gives.

    Attributes:
        budget: Seconds after which what has not started is handed back.
    """

    id: str
    nodes: tuple[NodeOrder, ...]
    budget: float


class HostSettings(ComparedInPart, frozen=True, eq=False):
    """What every step host of a session is started with.

    Attributes:
        store: Absolute path of the store's folder.
        root: The project's root: the working directory of steps.
        code: Further project code, from the configuration.
        bundle: Digest of the code bundle, which the store holds; None where steps run in the driver's process.
        pickle: The project's policy for opaque values: `allow` or `deny`.
        undeclared: What becomes of a step that reads something undeclared: it counts, is warned about too, or fails.
        variables: Environment variables that its processes are given on top of the driver's.
        keeps_checkpoints: Whether what a step keeps under its key is there again for its next attempt.
        memory_bytes: How much of recent values a host may keep.
        warm: Modules to import before the first packet; they make no difference to results.
        at_once: How many steps can run side by side, as far as that is known: no more hosts are started beforehand.
        proofs: The code of every step that is found by name, to be proven before the first packet: later a step that
            ran may have changed what another one reaches.
        environments: The readable values of every environment fingerprint that an order may ask for, by its digest.
    """

    uncompared = frozenset({"warm", "at_once", "proofs", "environments"})

    store: str
    root: str
    code: tuple[str, ...] = ()
    bundle: Digest | None = None
    pickle: Literal["allow", "deny"] = "allow"
    undeclared: Literal["track", "warn", "error"] = "track"
    variables: tuple[tuple[str, str], ...] = ()
    keeps_checkpoints: bool = True
    memory_bytes: int = 64 * 1024 * 1024
    warm: tuple[str, ...] = ()
    at_once: int | None = None
    proofs: Mapping[StepPlace, StepProof] = field(default_factory=dict)
    environments: Mapping[Digest, Mapping[str, str]] = field(default_factory=dict)


class NodeStarted(Struct, frozen=True):
    """A host began a node; `key` is its cache key, empty where the host could not tell."""

    packet: str
    node: str
    attempt: int
    token: str
    worker: str
    at: float
    key: Digest = ""


class NodeEnded(Struct, frozen=True):
    """An attempt ended; the result says how."""

    packet: str
    result: StepResult


class NodeReturned(Struct, frozen=True):
    """A node was handed back unstarted, at no charge: no time left, reusable, or its slot died before it."""

    packet: str
    node: str
    token: str
    reason: str


class NodeWaiting(Struct, frozen=True):
    """A node that runs waits for Dask tasks of its own, or goes on: while it waits, its packet holds no slot."""

    packet: str
    token: str
    waiting: bool


class PacketEnded(Struct, frozen=True):
    """Nothing more will come from a packet; a worker that was lost has `error` set."""

    packet: str
    worker: str
    error: str | None = None


class ExecutorWarned(Struct, frozen=True):
    """Something about the workers that a person should know; the run goes on."""

    text: str


class ExecutorFailed(Struct, frozen=True):
    """The executor as a whole cannot go on; the run ends with this error."""

    error: BaseException


ExecutorEvent = NodeStarted | NodeEnded | NodeReturned | NodeWaiting | PacketEnded | ExecutorWarned | ExecutorFailed


class Slots(Struct, frozen=True):
    """How many packets each worker can work on at once, by worker name.

    Attributes:
        resources: What else each worker has, such as `{"gpu": 1.0}`.
        limited: Whether what a step asks for binds; it does not where one node runs at a time in the driver.
    """

    workers: Mapping[str, int]
    resources: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    limited: bool = True

    @property
    def total(self) -> int:
        """Slots over all workers."""
        return sum(self.workers.values())


class Executor(Protocol):
    """Runs packets somewhere and reports. Not thread-safe: one engine drives it."""

    @property
    def ships_code(self) -> bool:
        """Whether other processes run the steps, which need the project's code as a bundle in the store."""
        ...

    def expect(self, at_once: int | None) -> None:
        """Begin with what takes time whatever will run; called where most likely steps will.

        Args:
            at_once: How many steps can run side by side, as far as that is known.
        """
        ...

    def dismiss(self) -> None:
        """End what was begun in expectation and has not been needed: the run is over."""
        ...

    def start(self, settings: HostSettings) -> None:
        """Begin to make workers ready without waiting for them; called again when the code bundle changes."""
        ...

    @property
    def capacity(self) -> Slots | None:
        """What the workers will have, known before they are started; None where only the cluster knows."""
        ...

    def slots(self) -> Slots:
        """Return the workers that are ready: none while they are being made ready, which takes no more than a moment.

        Raises:
            WorkerError: There is none within the time allowed, or one cannot see the store.
        """
        ...

    def submit(self, packet: Packet, worker: str) -> None:
        """Hand a packet to a worker."""
        ...

    def cancel(self, nodes: Sequence[str]) -> None:
        """Kill what runs these nodes; each is reported as ended or returned."""
        ...

    def events(self, timeout: float | None) -> list[ExecutorEvent]:
        """Return what happened since the last call, waiting up to `timeout` seconds for the first event."""
        ...

    def close(self) -> None:
        """End every worker that this executor started, and forget the others."""
        ...
