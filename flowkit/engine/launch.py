"""Puts a run or a plan together from a workspace and an executor, and sees it through to its record."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from flowkit import engine
from flowkit.engine import remote
from flowkit.engine.assembly import Parts, assemble
from flowkit.engine.claiming import Claiming
from flowkit.engine.drivers import Drivers
from flowkit.engine.hosting import host_settings, widest_of
from flowkit.engine.interruption import Interruption, interruption
from flowkit.engine.ledger import Ledger
from flowkit.engine.lookup import Finder
from flowkit.engine.placement import Demand, Placement
from flowkit.engine.progress import Listener
from flowkit.engine.provenance import GitQuery, GitState, current_host, current_user, new_run_id
from flowkit.engine.report import RunReport
from flowkit.engine.runner import Runner
from flowkit.engine.workspace import Workspace
from flowkit.errors import CapacityError, StoreError
from flowkit.execution.base import Executor
from flowkit.graph.graph import Graph
from flowkit.lineage.entries import Entries
from flowkit.lineage.history import last_status
from flowkit.lineage.liveness import identify_driver
from flowkit.records import FailureKind, Forecast, Outcome, RunRecord, RunStatus
from flowkit.signals import Interrupted
from flowkit.store.checkpoints import remove_checkpoints
from flowkit.store.claims import joined

MOST_LIVE_KEYS = 4096
"""How many keys of a step travel with a packet, the newest first; an older result is found by the driver alone."""

EXIT_CODES = {RunStatus.SUCCEEDED: 0, RunStatus.FAILED: 1, RunStatus.CANCELLED: 130, RunStatus.CRASHED: 1}
REFUSED_PROMOTION = 3


class RunRequest(Struct, frozen=True):
    """What is to be run.

    Attributes:
        target: What `rerun` loads again.
        parameters: The pipeline's parameters for people and JSON.
        recorded: The same as JSON texts that give the values back.
        forced: Nodes that run whatever there is.
        spared: Nodes that nobody selected and the selected ones need: they run only where they must.
        require_promotion: Whether a refused promotion gives exit code 3.
    """

    graph: Graph
    target: str
    env: str
    parameters: Mapping[str, Any]
    recorded: Mapping[str, str]
    forced: frozenset[str]
    spared: frozenset[str] = frozenset()
    argv: tuple[str, ...] = ()
    require_promotion: bool = False


class RunInterrupted(Interrupted):
    """A run was interrupted more than once: it is recorded, and whoever called it is to end as well.

    Attributes:
        report: What became of it.
    """

    def __init__(self, report: RunReport) -> None:
        super().__init__(f"run {report.run} was interrupted")
        self.report = report


def run_graph(workspace: Workspace, executor: Executor, request: RunRequest, listener: Listener) -> RunReport:
    """Run a graph to its end and return the report; whatever happens, the run's record is ended.

    Raises:
        FlowkitError: The store or the workers as a whole failed; what had ended until then is recorded.
        RunInterrupted: A person insisted on its end.
    """
    refuse_excess(workspace, executor, request)
    try:
        if _has_new_work(workspace, request):
            executor.expect(widest_of(request.graph))
        return _see_through(workspace, executor, request, listener)
    finally:
        executor.dismiss()


def _see_through(workspace: Workspace, executor: Executor, request: RunRequest, listener: Listener) -> RunReport:
    clock = _Clock()
    git = GitQuery(workspace.project.root)
    run = new_run_id(clock.started)
    sharing = workspace.make_sharing(lambda text: ledger.warn(text), fetch=True)
    with joined(workspace.folder, run) as claims:
        claiming = Claiming(claims, request.forced, Drivers(workspace.reader), listener, lambda text: ledger.warn(text))
        offer = sharing.offer if sharing is not None else None
        ledger = Ledger(run, workspace.writer, listener, offer, claiming.when_durable)
        with interruption() as stopping:
            runner = _assemble(workspace, executor, request, listener, ledger, claiming, sharing, stopping)
            state = git.answer()
            workspace.writer.begin_run(_record(request, run, clock.started, state))
            broken_off = False
            try:
                listener.run_started(run, request.graph)
                for text in request.graph.remarks:
                    ledger.warn(text)
                runner.run()
                if sharing is not None:
                    sharing.tell_distrust()
                    sharing.finish()
            except KeyboardInterrupt:
                broken_off = True
            except BaseException as error:
                _end_broken_run(workspace, run, error, clock.now)
                raise
            stopping.settle()
            try:
                if broken_off:
                    runner.abandon()
                report = _finish(workspace, request, runner.graph, ledger, runner.state.status, clock, state, listener)
            except KeyboardInterrupt as error:
                workspace.writer.give_up()
                error.add_note(f"The end of run {run} could not be recorded in time; what is not is run again.")
                raise
            if stopping.insisted:
                raise RunInterrupted(report)
            return report


def _has_new_work(workspace: Workspace, request: RunRequest) -> bool:
    """Whether something must run, as far as can be told before any key is known: workers come up meanwhile."""
    if request.forced:
        return True
    if last_status(workspace.reader, request.graph.pipeline) is RunStatus.SUCCEEDED:
        return False
    steps = {node.step.name for node in request.graph if node.step is not None}
    return len(Entries(workspace.reader).steps_with_results(sorted(steps))) < len(steps)


def refuse_excess(workspace: Workspace, executor: Executor, request: RunRequest) -> None:
    """Refuse a run in which a node that may have to run asks for more than this machine has.

    Raises:
        CapacityError: There is one; nothing ran.
    """
    capacity = executor.capacity
    if capacity is None or not capacity.limited:
        return
    room = Placement(capacity, {})
    over = [node for node in request.graph if node.step and not room.fits_any(Demand.of(node.step.options))]
    if not over:
        return
    # What is reused needs nothing, so only now is it worth knowing what would run.
    planned = plan_graph(workspace, request.graph, request.forced, request.spared).reports
    for node in over:
        if node.step is not None and planned[node.name].outcome is not Forecast.REUSE:
            worker, slots = next(iter(capacity.workers.items()))
            options = node.step.options
            raise CapacityError.for_step(
                node.step.name, options.cpus, options.resources, slots, capacity.resources.get(worker, {})
            )


def plan_graph(
    workspace: Workspace, graph: Graph, forced: frozenset[str], spared: frozenset[str] = frozenset()
) -> engine.Planner:
    """Return a planner that has planned: its reports and its lookups.

    Raises:
        StoreError: The store cannot be read.
    """
    return plan_with(workspace, graph, forced, spared, lambda lookups: lookups)


def plan_with(
    workspace: Workspace,
    graph: Graph,
    forced: frozenset[str],
    spared: frozenset[str],
    finding: Callable[[Finder], Finder],
) -> engine.Planner:
    """Return a planner that has planned, with what `finding` makes of a plan's lookups.

    Raises:
        StoreError: The store cannot be read.
    """
    warnings: list[str] = []
    sharing = workspace.make_sharing(warnings.append, fetch=False)
    keys = workspace.make_keys()
    keys.prepare_all(node.step for node in graph if node.step is not None)
    planner = engine.Planner(
        graph,
        keys,
        finding(workspace.make_lookups(graph.pipeline, forced, spared, sharing, warn=warnings.append)),
        workspace.make_promotions(),
        forced,
        warnings,
    )
    planner.plan()
    if sharing is not None:
        sharing.tell_distrust()
    return planner


def _assemble(
    workspace: Workspace,
    executor: Executor,
    request: RunRequest,
    listener: Listener,
    ledger: Ledger,
    claiming: Claiming,
    sharing: remote.Sharing | None,
    stopping: Interruption,
) -> Runner:
    graph = request.graph
    keys = workspace.make_keys()
    # Now, before anything runs: a later edit on disk must not speak for the code of this run.
    steps = dict.fromkeys(node.step for node in graph if node.step is not None)
    keys.prepare_all(steps)
    entries = Entries(workspace.reader)
    if entries.any_edited({step.name: keys.prepare(step).code.digest for step in steps}):
        executor.expect(widest_of(graph))
    parts = Parts(
        root=workspace.project.root,
        folder=workspace.folder,
        ledger=ledger,
        keys=keys,
        lookups=workspace.make_lookups(graph.pipeline, request.forced, request.spared, sharing, warn=ledger.warn),
        claiming=claiming,
        executor=executor,
        promotions=workspace.make_promotions,
        listener=listener,
        start_executor=lambda: executor.start(host_settings(workspace, graph, keys, bundled=executor.ships_code)),
        live_keys=lambda steps: entries.live_keys(steps, MOST_LIVE_KEYS),
        forced=request.forced,
        interrupted=stopping.heed,
        remove_checkpoints=lambda key: remove_checkpoints(workspace.folder, key),
        refusals=workspace.notices.refusals,
    )
    return assemble(graph, parts)


def _record(request: RunRequest, run: str, started: float, git: GitState) -> RunRecord:
    return RunRecord(
        run=run,
        pipeline=request.graph.pipeline,
        target=request.target,
        env=request.env,
        parameters=tuple(request.recorded.items()),
        started=started,
        argv=request.argv or tuple(sys.argv),
        git_commit=git.commit,
        git_dirty=git.dirty,
        user=current_user(),
        host=current_host(),
        driver=identify_driver(os.getpid()),
    )


def _finish(
    workspace: Workspace,
    request: RunRequest,
    graph: Graph,
    ledger: Ledger,
    status: RunStatus,
    clock: _Clock,
    git: GitState,
    listener: Listener,
) -> RunReport:
    workspace.writer.flush()
    for disagreement in workspace.notices.disagreements():
        ledger.disagree(disagreement)
    if status is RunStatus.SUCCEEDED and any(node.outcome is Outcome.FAILED for node in ledger.reports.values()):
        status = RunStatus.FAILED
    refused = any(not promotion.accepted for promotion in ledger.promotions)
    exit_code = EXIT_CODES[status]
    if exit_code == 0 and refused and request.require_promotion:
        exit_code = REFUSED_PROMOTION
    if any(node.error is not None and node.error.kind is FailureKind.STORE for node in ledger.reports.values()):
        exit_code = StoreError.exit_code
    ended = clock.now
    if not workspace.writer.finish_run(ledger.run, status, exit_code, ended):
        status, exit_code = RunStatus.CRASHED, EXIT_CODES[RunStatus.CRASHED]
        ledger.warn(
            f"Run {ledger.run} was taken for crashed while this process stood still, and stays that in the record."
            " What it computed is kept and reused."
        )
    report = RunReport(
        run=ledger.run,
        pipeline=request.graph.pipeline,
        env=request.env,
        status=status,
        exit_code=exit_code,
        started=clock.started,
        seconds=ended - clock.started,
        parameters=request.parameters,
        git_commit=git.commit,
        git_dirty=git.dirty,
        nodes=tuple(ledger.reports[node.name] for node in graph.visible),
        promotions=tuple(ledger.promotions),
        warnings=tuple(ledger.warnings),
    )
    listener.run_ended(report)
    return report


def _end_broken_run(workspace: Workspace, run: str, error: BaseException, ended: float) -> None:
    """Record that a run could not go on. Where even that fails the next command finds it crashed."""
    try:
        workspace.writer.finish_run(run, RunStatus.FAILED, getattr(error, "exit_code", 1), ended)
    except StoreError as second:
        error.add_note(f"The end of run {run} could not be recorded: {second.message}")


class _Clock:
    """The time of day when it was made, and how far it is since then, whatever becomes of the machine's clock."""

    def __init__(self) -> None:
        self.started = time.time()
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return self.started + time.monotonic() - self._began
