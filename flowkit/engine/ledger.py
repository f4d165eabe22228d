"""What a run knows so far: the artifacts and metrics made, how nodes ended, what there was to warn of.

Every ending passes through here once: it is handed to the lineage writer, kept for what follows, and told to the
listener.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from flowkit.engine.notices import Disagreed, describe_disagreement
from flowkit.engine.progress import Listener
from flowkit.engine.recording import Ending, record_node, report_node
from flowkit.engine.report import NodeReport, PromotionReport
from flowkit.graph.arguments import Ref
from flowkit.records import Artifact, Digest, NodeRecord, Outcome


class Recorder(Protocol):
    """Takes what happened, to be kept durably."""

    def record(self, node: NodeRecord, durable: Callable[[], None] | None = None, /) -> None:
        """Queue a node's record, and call `durable` once it is that, in whatever thread."""
        ...

    @property
    def backlog(self) -> int:
        """How much is queued."""
        ...

    def flush(self) -> None:
        """Wait until everything queued is durable."""
        ...


class Ledger:
    """The growing account of one run. What takes lists apart is recorded, and told to nobody.

    Attributes:
        artifacts: What each output holds, for every node that executed or was reused.
        metrics: The metrics that a node gave, by node.
        reports: How each node ended.
        promotions: What was decided, in order.
        warnings: Sentences, each once, in order.
    """

    def __init__(
        self,
        run: str,
        recorder: Recorder,
        listener: Listener,
        share: Callable[[NodeRecord], None] | None = None,
        when_durable: Callable[[str], Callable[[], None] | None] = lambda node: None,
    ) -> None:
        self.run = run
        self.artifacts: dict[Ref, Artifact] = {}
        self.metrics: dict[str, tuple[tuple[str, float], ...]] = {}
        self.reports: dict[str, NodeReport] = {}
        self.promotions: list[PromotionReport] = []
        self.warnings: dict[str, None] = {}
        self._recorder = recorder
        self._listener = listener
        self._share = share
        self._when_durable = when_durable
        self._unflushed: set[Digest] = set()
        self._disagreed: set[str] = set()

    def end(self, ending: Ending) -> None:
        """Take note of how a node ended."""
        name = ending.node.name
        for output in ending.outputs:
            self.artifacts[Ref(name, output.name)] = output.artifact
        if ending.outcome is Outcome.EXECUTED and ending.keyed is not None:
            self._unflushed.add(ending.keyed.key)
        record = record_node(self.run, ending)
        self._recorder.record(record, self._when_durable(name))
        if self._share is not None:
            self._share(record)
        if ending.node.hidden:
            return
        report = report_node(ending)
        if report.metrics:
            self.metrics[name] = report.metrics
        if ending.result is not None:
            for text in ending.result.warnings:
                self.warn(text)
        self.reports[name] = report
        self._listener.node_ended(report)

    def disagree(self, notice: Disagreed) -> None:
        """Take note that a node gave something else than its inputs had given before."""
        record = notice.record
        if record.node in self.reports and record.step not in self._disagreed:
            self._disagreed.add(record.step)
            self.warn(describe_disagreement(notice))

    def refuse(self, record: NodeRecord) -> None:
        """Take note of a success that could not be recorded, as the failure that was recorded instead."""
        if record.node not in self.reports:
            # Nobody knows of what takes lists apart; the next run finds no entry and does it again.
            return
        report = replace(self.reports[record.node], outcome=Outcome.FAILED, error=record.failure, outputs=())
        self.reports[record.node] = report
        self._listener.node_ended(report)

    def flush_if_pending(self, keys: set[Digest]) -> None:
        """Make durable what this run executed under any of these keys, so that a lookup finds it."""
        if not self._unflushed.isdisjoint(keys):
            self.flush()

    def flush(self) -> None:
        """Wait until everything so far is durable."""
        self._recorder.flush()
        self._unflushed.clear()

    @property
    def backlog(self) -> int:
        """How much waits to be durable."""
        return self._recorder.backlog

    def makers_of(self, digests: frozenset[Digest] | set[Digest], among: tuple[str, ...]) -> list[str]:
        """Return which of the nodes in `among` made any of these artifacts in this run."""
        found: dict[str, None] = {}
        for ref, artifact in self.artifacts.items():
            if artifact.digest in digests and ref.node in among:
                found[ref.node] = None
        return list(found)

    def warn(self, text: str) -> None:
        """Take note of a warning, and tell it if it is new."""
        if text not in self.warnings:
            self.warnings[text] = None
            self._listener.warned(text)
