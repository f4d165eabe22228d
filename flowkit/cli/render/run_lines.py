"""A run as plain lines: for pipes, logs and CI. Many nodes do not make many lines."""

from __future__ import annotations

import time

from flowkit.cli.render.formats import counted, format_delay, format_seconds
from flowkit.cli.render.output import say, tell
from flowkit.engine.progress import Quiet
from flowkit.engine.report import NodeReport, RunReport
from flowkit.errors import cut
from flowkit.graph.graph import Graph
from flowkit.records import Failure, Outcome

MOST_REUSED = 50
"""How many reused nodes get a line of their own."""
MOST_OTHERS = 500
"""How many executed nodes do; after that only counts are printed, and every failure."""

MOST_CANCELLED = 5
"""How many of the nodes that were cancelled do, when the run has ended."""

_PAUSE = 5.0
_LONGEST_REASON = 200


def describe_node(node: NodeReport) -> str:
    """Return one line on how a node ended, as `train  executed  0.42 s  (code: …)`."""
    parts = [node.node, node.outcome.value]
    if node.outcome is not Outcome.REUSED and node.seconds is not None:
        parts.append(format_seconds(node.seconds))
    why = describe_reason(node)
    return "  ".join([*parts, f"({why})"] if why else parts)


def describe_reason(node: NodeReport) -> str:
    """Return why a node ran, or why it did not; empty where there is nothing to say."""
    if node.error is not None:
        return one_line(node.error.message)
    if node.reason is not None:
        return f"{node.reason.value}: {one_line(node.detail)}" if node.detail else node.reason.value
    if node.detail:
        return one_line(node.detail)
    return f"from run {node.from_run}" if node.from_run else ""


def describe_wait(node: str, driver: str) -> str:
    """Return the line on a node that another run computes just now."""
    return f"waiting for {node!r} of {driver}"


def one_line(text: str) -> str:
    """Return the first line of what a person wrote, as a node has one line; the whole stands below the run."""
    first, *rest = text.strip().splitlines() or [""]
    return cut(f"{first} …" if rest else first, _LONGEST_REASON)


class SilentListener(Quiet):
    """Says nothing on stdout, where one JSON object will stand; warnings go to stderr."""

    def __enter__(self) -> SilentListener:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def node_waits(self, node: str, driver: str) -> None:
        """Say on stderr for whom the run waits."""
        tell(describe_wait(node, driver), err=True)

    def warned(self, text: str) -> None:
        """Print a warning on stderr."""
        tell(f"Warning: {text}", err=True)


class PlainListener:
    """Prints a line as a node ends.

    Args:
        quiet: Print only retries, warnings and failures.
        verbose: Print every node however many there are, its start too, and where its log is.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._total = 0
        self._ended = 0
        self._reused = 0
        self._others = 0
        self._cancelled: list[NodeReport] = []
        self._places: dict[str, int] = {}
        self._told = time.monotonic()

    def __enter__(self) -> PlainListener:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def run_started(self, run: str, graph: Graph) -> None:
        """Name the run and its size."""
        self.run_grown(graph)
        self._say(f"run {run} of {graph.pipeline}: {counted(self._total, 'node')}")

    def run_grown(self, graph: Graph) -> None:
        """Note the size that the run has now, and the order of its nodes."""
        self._total = len(graph.visible)
        self._places = {node.name: place for place, node in enumerate(graph.visible)}

    def node_waits(self, node: str, driver: str) -> None:
        """Say for whom the run waits."""
        self._say(describe_wait(node, driver))

    def node_started(self, node: str, attempt: int, worker: str) -> None:
        """Name the worker, where everything is wanted."""
        if self._verbose:
            self._say(f"{node}  started" + (f" on {worker}" if worker else "") + _attempt(attempt))

    def node_retried(self, node: str, attempt: int, failure: Failure, delay: float) -> None:
        """Say which attempt failed and when the next begins."""
        say(f"{node}  attempt {attempt} failed: {one_line(failure.message)}  (again {format_delay(delay)})")

    def node_ended(self, node: NodeReport) -> None:
        """Print the node's line, unless too many like it were printed already."""
        self._ended += 1
        if node.outcome is Outcome.CANCELLED:
            # They come all at once and in no order: they are told at the end.
            self._cancelled.append(node)
            return
        line = describe_node(node) + (f"  log {node.log}" if self._verbose and node.log else "")
        if node.outcome is Outcome.FAILED:
            say(line)
        elif node.outcome is Outcome.REUSED:
            self._reused += 1
            self._say_within(line, self._reused <= MOST_REUSED)
        else:
            self._others += 1
            self._say_within(line, self._others <= MOST_OTHERS)

    def warned(self, text: str) -> None:
        """Print a warning on stderr."""
        tell(f"Warning: {text}", err=True)

    def run_ended(self, report: RunReport) -> None:
        """Name nodes that were cancelled, and say how many nodes had no line."""
        self._tell_cancelled()
        if self._verbose:
            return
        if self._reused > MOST_REUSED:
            self._say(f"… and {self._reused - MOST_REUSED:,} more reused")
        if self._others > MOST_OTHERS:
            self._say(f"… and {self._others - MOST_OTHERS:,} more that were not")

    def _tell_cancelled(self) -> None:
        ordered = sorted(self._cancelled, key=lambda node: self._places.get(node.node, 0))
        shown = len(ordered) if self._verbose else MOST_CANCELLED
        for node in ordered[:shown]:
            self._say(describe_node(node))
        if ordered[shown:]:
            self._say(f"… and {len(ordered) - shown:,} more cancelled")

    def _say_within(self, line: str, within: bool) -> None:
        if within or self._verbose:
            self._say(line)
        elif time.monotonic() - self._told > _PAUSE:
            self._say(f"… {self._ended:,} of {self._total:,} nodes done")

    def _say(self, line: str) -> None:
        if not self._quiet:
            self._told = time.monotonic()
            say(line)


def _attempt(attempt: int) -> str:
    return f" (attempt {attempt})" if attempt > 1 else ""
