"""What a run tells while it goes on."""

from __future__ import annotations

from typing import Protocol

from flowkit.engine.report import NodeReport, RunReport
from flowkit.graph.graph import Graph
from flowkit.records import Failure


class Listener(Protocol):
    """Hears of a run as it happens, in the driver's main thread."""

    def run_started(self, run: str, graph: Graph) -> None:
        """Report that a run of `graph` has begun."""
        ...

    def run_grown(self, graph: Graph) -> None:
        """Report that a list became known, so that the run has the nodes of `graph` now."""
        ...

    def node_waits(self, node: str, driver: str) -> None:
        """Report that a node waits for what `driver`, another run, computes; said once of each such run."""
        ...

    def node_started(self, node: str, attempt: int, worker: str) -> None:
        """Report that a worker began a node."""
        ...

    def node_retried(self, node: str, attempt: int, failure: Failure, delay: float) -> None:
        """Report that an attempt failed and that another follows in `delay` seconds."""
        ...

    def node_ended(self, node: NodeReport) -> None:
        """Report how a node ended."""
        ...

    def warned(self, text: str) -> None:
        """Report a warning, each once."""
        ...

    def run_ended(self, report: RunReport) -> None:
        """Report that the run is over."""
        ...


class Quiet:
    """A listener that says nothing."""

    def run_started(self, run: str, graph: Graph) -> None:
        """Ignore it."""

    def run_grown(self, graph: Graph) -> None:
        """Ignore it."""

    def node_waits(self, node: str, driver: str) -> None:
        """Ignore it."""

    def node_started(self, node: str, attempt: int, worker: str) -> None:
        """Ignore it."""

    def node_retried(self, node: str, attempt: int, failure: Failure, delay: float) -> None:
        """Ignore it."""

    def node_ended(self, node: NodeReport) -> None:
        """Ignore it."""

    def warned(self, text: str) -> None:
        """Ignore it."""

    def run_ended(self, report: RunReport) -> None:
        """Ignore it."""
