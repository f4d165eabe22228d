"""The nodes of one packet, run in order in this process: what is handed back, what is run, what is reported."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec.structs import replace

from flowkit.execution.base import NodeEnded, NodeOrder, NodeReturned, NodeStarted, Packet
from flowkit.execution.host_context import HostContext
from flowkit.execution.node_key import node_key
from flowkit.execution.perform import failed_result, perform
from flowkit.execution.reached import advise_on_changes, advise_on_stores, describe_changes, describe_stores
from flowkit.execution.steps import FoundStep, StepFinder
from flowkit.graph.arguments import Ref, refs_of
from flowkit.records import Artifact, Digest, Outcome, StepResult
from flowkit.store.views import TableViews

NO_KEY: Digest = "0" * 64
"""Stands for the key of an attempt that failed before there was one."""

BUDGET_SPENT = "the packet's time is spent"
REUSABLE = "a recorded result may be reused"
WITHDRAWN = "taken back before it began"
WAITS = "an input from the same packet is missing"
SPOILED = "a step changed globals, so its step host is replaced"
LEFT_PROCESSES = "a step left processes running, so its step host is replaced"
LEFT_MEMORY = "earlier steps hold much of the memory that it may take, so its step host is replaced"
MARRED = "a step changed its process for good, so its step host is replaced"


class Report(Protocol):
    """Where a packet's events go; one that a node started must have left this process before the node runs."""

    def started(self, event: NodeStarted, key: Digest) -> None:
        """Report that a node is about to run."""
        ...

    def ended(self, event: NodeEnded) -> None:
        """Report a result."""
        ...

    def returned(self, event: NodeReturned) -> None:
        """Report a node that is handed back."""
        ...

    def flush(self) -> None:
        """Send what is held back; called before anything that may take long."""
        ...


class PacketRun:
    """Runs one packet.

    Args:
        packet: The nodes, in order.
        finder: Finds and proves steps.
        context: This process.
        report: Hears what happens.
        claim: Asked before each node; once it says no, this and all later nodes belong to somebody else.
    """

    def __init__(
        self,
        packet: Packet,
        finder: StepFinder,
        context: HostContext,
        report: Report,
        claim: Callable[[], bool] = lambda: True,
    ) -> None:
        self._packet = packet
        self._finder = finder
        self._context = context
        self._report = report
        self._claim = claim
        self._views = TableViews(context.store)
        self._made: dict[Ref, Artifact] = {}
        self._begin: float | None = None
        self._changed = False
        self._crowded = False

    @property
    def spoiled(self) -> bool:
        """Whether a step changed what its code reaches, or its process, or left others: nothing more may run here."""
        changed = (self._changed or self._is_marred) and self._context.disposable
        return changed or self._has_survivors or self._crowded

    @property
    def _is_marred(self) -> bool:
        return self._context.isolation.marred

    @property
    def _has_survivors(self) -> bool:
        return self._context.survivors is not None and self._context.survivors.found

    def run(self) -> None:
        """Run or hand back every node that this process may claim."""
        for _ in self.advance():
            pass

    def advance(self) -> Iterator[None]:
        """Do the same node by node, pausing before each that runs, once its start is reported."""
        for order in self._packet.nodes:
            if not self._claim():
                return
            yield from self._take(order)

    def _take(self, order: NodeOrder) -> Iterator[None]:
        if self.spoiled:
            self._hand_back(order, self._reason())
        elif self._begin is not None and time.monotonic() - self._begin > self._packet.budget:
            self._hand_back(order, BUDGET_SPENT)
        elif not self._has_inputs(order):
            self._hand_back(order, WAITS)
        elif self._is_crowded(order.step.options.memory):
            self._crowded = True
            self._hand_back(order, LEFT_MEMORY)
        else:
            yield from self._prepare(order)

    def _reason(self) -> str:
        if self._has_survivors:
            return LEFT_PROCESSES
        if self._crowded:
            return LEFT_MEMORY
        return MARRED if self._is_marred else SPOILED

    def _is_crowded(self, limit: int | None) -> bool:
        leavings = self._context.leavings
        return leavings is not None and limit is not None and leavings.crowd(limit)

    def _prepare(self, order: NodeOrder) -> Iterator[None]:
        started = time.time()
        key = order.key or NO_KEY
        try:
            step = self._find(order)
            key = node_key(order, step.borders, self._artifact_of(order), self._context.code, self._views)
        except BaseException as error:
            if self._context.interruptible and isinstance(error, KeyboardInterrupt):
                raise
            self._start(order, key)
            self._end(failed_result(order, key, error, self._context, started))
            return
        if key in order.live_keys:
            self._hand_back(order, REUSABLE)
        else:
            self._start(order, key)
            yield
            self._run(order, key, step)

    def _find(self, order: NodeOrder) -> FoundStep:
        known = self._finder.known(order.step)
        if known is not None:
            return known
        self._report.flush()
        return self._finder.find(order.step)

    def _run(self, order: NodeOrder, key: Digest, step: FoundStep) -> None:
        # What had changed before is not its doing.
        self._finder.changes_for_others(step)
        if self._context.leavings is not None:
            self._context.leavings.begin()
        result = perform(order, key, step, self._artifact_of(order), self._context)
        if changes := step.changes():
            self._changed = True
            result = _with_changes(result, describe_changes(changes), advise_on_changes(order.step.name, changes))
        elif stores := self._finder.changes_for_others(step):
            self._changed = True
            result = _with_changes(result, describe_stores(stores), advise_on_stores(order.step.name, stores))
        if result.outcome is Outcome.EXECUTED:
            for output in result.outputs:
                self._made[Ref(order.node, output.name)] = output.artifact
        self._end(result)

    def _start(self, order: NodeOrder, key: Digest) -> None:
        if self._begin is None:
            # Not earlier: what the first node's imports take is nobody's fault.
            self._begin = time.monotonic()
        packet, worker = self._packet.id, self._context.worker
        known = key if key != NO_KEY else ""
        event = NodeStarted(packet, order.node, order.attempt, order.token, worker, time.time(), known)
        self._report.started(event, key)

    def _end(self, result: StepResult) -> None:
        self._report.ended(NodeEnded(self._packet.id, result))

    def _hand_back(self, order: NodeOrder, reason: str) -> None:
        self._report.returned(NodeReturned(self._packet.id, order.node, order.token, reason))

    def _has_inputs(self, order: NodeOrder) -> bool:
        for tree in order.arguments.values():
            for ref in refs_of(tree):
                if not (ref in order.inputs or ref in order.skipped or ref in self._made):
                    return False
        return True

    def _artifact_of(self, order: NodeOrder) -> Callable[[Ref], Artifact | None]:
        def resolve(ref: Ref) -> Artifact | None:
            found = order.inputs.get(ref) or self._made.get(ref)
            return None if ref in order.skipped else found

        return resolve


def _with_changes(result: StepResult, reason: str, warning: str) -> StepResult:
    """Return a result that is not to be reused, as it may depend on what ran before; others are never reused."""
    if result.outcome is not Outcome.EXECUTED:
        return result
    return replace(result, uncached=result.uncached or reason, warnings=(*result.warnings, warning))
