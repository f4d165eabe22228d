"""Runs the nodes of a recorded run again, each with its recorded inputs, and compares what they give.

They run in processes of their own, under another hash seed, in a copy of the project at another path. Nothing of it is
recorded: what differs from the record lies in the store under its digest, and nothing names it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from flowkit.engine.assembly import Parts, assemble
from flowkit.engine.claiming import Claiming
from flowkit.engine.hosting import host_settings
from flowkit.engine.interruption import Interruption, interruption
from flowkit.engine.keys import KeyMaker
from flowkit.engine.ledger import Ledger
from flowkit.engine.progress import Listener
from flowkit.engine.proven import ProvenParameters
from flowkit.engine.provenance import new_run_id
from flowkit.engine.runner import Runner
from flowkit.engine.workspace import Workspace
from flowkit.errors import FlowkitError
from flowkit.execution.base import Executor
from flowkit.execution.project_copy import ProjectCopy
from flowkit.fingerprint.observed import ObservedDigests
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import Graph, Node
from flowkit.graph.select import Selection
from flowkit.housekeeping.verifying.differences import Contents
from flowkit.housekeeping.verifying.judging import (
    exit_code_of,
    judge,
    not_verified,
    wanted_rows,
    why_changed,
    why_never,
    why_no_room,
)
from flowkit.housekeeping.verifying.recorded_graph import (
    RecordedRun,
    SeparateNodes,
    grow_as_recorded,
    separate,
    unrecorded_producers,
)
from flowkit.housekeeping.verifying.verdicts import NodeVerdict, VerificationReport
from flowkit.lineage.history import artifacts_of, metrics_of, nodes_of
from flowkit.lineage.latest import accounts_of
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import NodeRow
from flowkit.records import Artifact, NodeRecord

HASH_SEEDS = 2**32
"""`PYTHONHASHSEED` is one of these; 0 would switch the randomness off, as some test setups do."""


class Unrecorded:
    """Takes records and keeps none."""

    def record(self, node: NodeRecord, durable: Callable[[], None] | None = None, /) -> None:
        """Ignore it."""

    @property
    def backlog(self) -> int:
        """Nothing ever waits."""
        return 0

    def flush(self) -> None:
        """There is nothing to wait for."""


class Verification(Struct, frozen=True):
    """What a verification works with.

    Attributes:
        graph: The run's graph, with its lists taken apart as they were.
        keys: Hands steps the files of the copy.
    """

    workspace: Workspace
    executor: Executor
    recorded: RecordedRun
    graph: Graph
    keys: KeyMaker
    copy: ProjectCopy
    hash_seed: int
    listener: Listener


def load_recorded(reader: Reader, run: str) -> RecordedRun:
    """Return what the store knows of a run, by its full id."""
    with reader.at_one_moment():
        rows = {row.node: row for row in nodes_of(reader, run)}
        metrics: dict[str, dict[str, float]] = {}
        for metric in metrics_of(reader, run):
            value = float("nan") if metric.value is None else metric.value
            metrics.setdefault(metric.node, {})[metric.name] = value
        outputs = artifacts_of(reader, run, elements=True)
        artifacts = {Ref(node, output.name): output.artifact for node, some in outputs.items() for output in some}
        return RecordedRun(rows, outputs, artifacts, accounts_of(reader, run, list(rows)), metrics)


def verify_run(
    workspace: Workspace, executor: Executor, graph: Graph, run: str, select: Selection | None, listener: Listener
) -> VerificationReport:
    """Run the nodes of a recorded run again and return what differs.

    Args:
        workspace: The opened store, which holds the record.
        executor: Runs the steps; it must have started no process yet.
        graph: What the pipeline builds today from the run's parameters.
        run: The run's full id.
        select: The nodes that are wanted; all, but for those that are declared to give something else, if None.
        listener: Hears of the nodes as they run.

    Raises:
        SelectionError: The selection names no node.
        StoreError: The store or the workers as a whole failed.
    """
    began = time.time()
    recorded = load_recorded(workspace.reader, run)
    grown = grow_as_recorded(graph, recorded)
    chosen = select.resolve(grown) if select is not None else None
    seed = _other_hash_seed()
    with ProjectCopy(workspace.project.root, [workspace.folder.path]) as copy:
        keys = workspace.make_keys(copy.place_of)
        verification = Verification(workspace, executor, recorded, grown, keys, copy, seed, listener)
        rows = wanted_rows(recorded, grown, chosen)
        nodes = _verify(verification, rows, chosen)
    return VerificationReport(run, graph.pipeline, seed, time.time() - began, nodes, exit_code_of(nodes))


def _other_hash_seed() -> int:
    own = os.environ.get("PYTHONHASHSEED")
    while True:
        seed = 1 + secrets.randbelow(HASH_SEEDS - 1)
        if str(seed) != own:
            return seed


def _verify(
    verification: Verification, rows: Sequence[NodeRow], chosen: Collection[str] | None
) -> tuple[NodeVerdict, ...]:
    reasons = {row.node: _why_not(verification, row, chosen=chosen is not None) for row in rows}
    nodes = [separate(verification.graph[row.node], verification.recorded) for row in rows if reasons[row.node] is None]
    ledger = _run(verification, nodes)
    return tuple(_judge(verification, row, reasons[row.node], ledger) for row in rows)


def _why_not(verification: Verification, row: NodeRow, *, chosen: bool) -> str | None:
    """Return why a node cannot be verified; None where it can."""
    graph, recorded, workspace = verification.graph, verification.recorded, verification.workspace
    reason = why_never(row, graph, chosen=chosen)
    if reason is not None:
        return reason
    node = separate(graph[row.node], recorded)
    missing = next(unrecorded_producers(node, recorded.artifacts), None)
    if missing is not None:
        return f"what {missing!r} gave it is not recorded"
    try:
        keyed = verification.keys.key(node, recorded.artifacts.get)
    except FlowkitError as error:
        return error.message
    if keyed.current.code.uncacheable is not None and not chosen:
        return keyed.current.code.uncacheable
    account = recorded.accounts[row.node]
    digests = ObservedDigests(workspace.project.root, workspace.files)
    now = digests.observe((item.kind, item.name) for item in account.observed)
    changed = why_changed(row, keyed, account, now)
    capacity = verification.executor.capacity
    return changed or (why_no_room(node, capacity) if capacity is not None else None)


def _judge(verification: Verification, row: NodeRow, reason: str | None, ledger: Ledger) -> NodeVerdict:
    if reason is not None:
        return not_verified(row, reason)
    workspace, recorded = verification.workspace, verification.recorded
    node = verification.graph[row.node]
    names = {output.artifact.digest: output.name for output in recorded.outputs[row.node]}

    def load(artifact: Artifact) -> object:
        name = names.get(artifact.digest, next(iter(names.values())))
        return workspace.load(artifact, node.output_hint(name))

    contents = Contents(
        lambda artifact: bytes(workspace.store.open(artifact).payload),
        load,
        lambda artifact, digest: bytes(workspace.store.open(artifact).chunk(digest)),
        str(verification.copy.root),
    )
    outputs, metrics = recorded.outputs[row.node], recorded.metrics.get(row.node, {})
    accepted = recorded.accounts[row.node].accepted
    return judge(row, outputs, metrics, ledger.reports[row.node], contents, accepted)


def _run(verification: Verification, nodes: Sequence[Node]) -> Ledger:
    """Run nodes again, each by itself, and return the account of it."""
    workspace, executor = verification.workspace, verification.executor
    run = f"verify-{new_run_id(time.time())}"
    ledger = Ledger(run, Unrecorded(), verification.listener)
    ledger.artifacts.update(verification.recorded.artifacts)
    if not nodes:
        return ledger
    graph = SeparateNodes(verification.graph.pipeline, nodes)
    try:
        with interruption() as stopping:
            verification.listener.run_started(run, graph)
            _assemble(verification, graph, ledger, stopping).run()
    finally:
        executor.close()
        shutil.rmtree(workspace.folder.runs / run, ignore_errors=True)
    return ledger


def _assemble(verification: Verification, graph: Graph, ledger: Ledger, stopping: Interruption) -> Runner:
    workspace, executor, keys = verification.workspace, verification.executor, verification.keys
    names = frozenset(graph.nodes)
    settings = replace(
        host_settings(workspace, graph, keys, bundled=executor.ships_code),
        root=str(verification.copy.root),
        # What it reads undeclared was judged in the run that is verified.
        undeclared="track",
        variables=(("PYTHONHASHSEED", str(verification.hash_seed)),),
        keeps_checkpoints=False,
    )
    parts = Parts(
        root=verification.copy.root,
        folder=workspace.folder,
        ledger=ledger,
        keys=keys,
        lookups=workspace.make_lookups(graph.pipeline, names, frozenset()),
        claiming=Claiming(None, names, None, verification.listener, ledger.warn),
        executor=executor,
        promotions=workspace.make_promotions,
        listener=verification.listener,
        start_executor=lambda: executor.start(settings),
        live_keys=lambda steps: {},
        forced=names,
        proven=ProvenParameters(verification.graph),
        interrupted=stopping.heed,
    )
    return assemble(graph, parts)
