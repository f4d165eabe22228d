"""A run as a live view on a terminal: how far it is, what runs now, what ended last.

rich is loaded when the first node starts: a run in which everything is reused is over before that.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any

from flowkit.cli.render.formats import counted, format_delay, format_seconds
from flowkit.cli.render.output import OUTCOME_STYLES, tell, terminal_width
from flowkit.cli.render.run_lines import describe_node, describe_wait, one_line
from flowkit.engine.report import NodeReport, RunReport
from flowkit.graph.graph import Graph
from flowkit.records import Failure

_MOST_RUNNING = 8
_MOST_ENDED = 5
_BAR = 30


class LiveListener:
    """Draws the run while it goes on, and leaves nothing of it on the screen."""

    def __init__(self) -> None:
        self._title = ""
        self._run = ""
        self._total = 0
        self._began = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._running: dict[str, float] = {}
        self._ended: deque[NodeReport] = deque(maxlen=_MOST_ENDED)
        self._live: Any = None

    def __enter__(self) -> LiveListener:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the screen back, also after an error."""
        self._stop()

    def run_started(self, run: str, graph: Graph) -> None:
        """Note the run's name and size."""
        self._run = run
        self._began = time.monotonic()
        self.run_grown(graph)

    def run_grown(self, graph: Graph) -> None:
        """Note the size that the run has now."""
        self._total = len(graph.visible)
        self._title = f"{graph.pipeline}  {counted(self._total, 'node')}  run {self._run}"

    def node_waits(self, node: str, driver: str) -> None:
        """Print above the view for whom the run waits."""
        self._print(describe_wait(node, driver))

    def node_started(self, node: str, attempt: int, worker: str) -> None:
        """Show the node as running, and begin to draw with the first one."""
        self._running[node] = time.monotonic()
        if self._live is None:
            self._start()

    def node_retried(self, node: str, attempt: int, failure: Failure, delay: float) -> None:
        """Print the failed attempt above the view."""
        self._running.pop(node, None)
        self._print(f"{node}  attempt {attempt} failed: {one_line(failure.message)}  (again {format_delay(delay)})")

    def node_ended(self, node: NodeReport) -> None:
        """Count it, and show it among the last ones."""
        self._running.pop(node.node, None)
        self._counts[node.outcome.value] += 1
        self._ended.append(node)

    def warned(self, text: str) -> None:
        """Print the warning above the view."""
        self._print(f"Warning: {text}")

    def run_ended(self, report: RunReport) -> None:
        """Take the view away: what follows is the summary."""
        self._stop()

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(width=terminal_width(), highlight=False)
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=8, transient=True, redirect_stdout=False
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print(self, text: str) -> None:
        if self._live is None:
            tell(text)
            return
        from rich.text import Text

        self._live.console.print(Text(text))

    def _draw(self) -> Any:
        # Called from rich's own thread: it reads copies of what the driver's thread changes.
        from rich.text import Text

        lines = [*self._head(), *(self._ended_line(node) for node in list(self._ended)), *self._running_lines()]
        width = terminal_width() - 1
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return Text("\n").join(lines)

    def _head(self) -> list[Any]:
        from rich.text import Text

        counts = dict(self._counts)
        done = sum(counts.values())
        filled = _BAR * done // max(self._total, 1)
        bar = Text.assemble(("━" * filled, "green"), ("━" * (_BAR - filled), "dim"), f"  {done}/{self._total}")
        for outcome, count in counts.items():
            bar.append(f"  {count} {outcome}", OUTCOME_STYLES.get(outcome, ""))
        bar.append(f"  {format_seconds(time.monotonic() - self._began)}", "dim")
        return [Text(self._title, "bold"), bar]

    def _ended_line(self, node: NodeReport) -> Any:
        from rich.text import Text

        return Text(f"  {describe_node(node)}", OUTCOME_STYLES.get(node.outcome.value, ""))

    def _running_lines(self) -> list[Any]:
        from rich.text import Text

        now, running = time.monotonic(), dict(self._running)
        lines = [
            Text(f"  {node}  running  {format_seconds(now - began)}", "bold")
            for node, began in list(running.items())[:_MOST_RUNNING]
        ]
        if len(running) > _MOST_RUNNING:
            lines.append(Text(f"  … {len(running) - _MOST_RUNNING} more running", "bold"))
        return lines
