"""Drivers in processes of their own, forked so that they cost little, and what they were heard to say."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from flowkit.authoring.pipeline import Pipeline
from flowkit.engine.progress import Quiet
from flowkit.graph.select import Selection
from flowkit.project import Project
from flowkit.session.session import Session

PATIENCE = 60.0


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds, and fail where that takes too long."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def append(path: str, line: str) -> None:
    """Write a line that other processes may append to at the same time."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def lines(path: Path) -> list[str]:
    """Return the lines of a file; none where there is no file."""
    return path.read_text().splitlines() if path.exists() else []


class Told(Quiet):
    """Keeps what a run says while it goes on."""

    def __init__(self, path: str) -> None:
        self._path = path

    def node_waits(self, node: str, driver: str) -> None:
        """Keep for whom it waits."""
        append(self._path, f"waits: {node} {driver}")

    def warned(self, text: str) -> None:
        """Keep the warning."""
        append(self._path, f"warned: {text}")


def run_here(
    folder: Path, name: str, pipeline: Pipeline[..., Any], parameters: Mapping[str, Any], force: str | None = None
) -> dict[str, Any]:
    """Run a pipeline in this process with the store of `folder`, and return what matters of the report."""
    with Session(store=folder / ".flowkit", inline=True, project=Project(folder)) as session:
        report = session.execute(
            pipeline,
            pipeline.bind(**parameters),
            target="tests",
            force=Selection.parse(force) if force else None,
            listener=Told(str(folder / f"{name}.said")),
        )
    outcomes = {node.node: node.outcome.value for node in report.nodes}
    errors = {node.node: node.error.message for node in report.nodes if node.error is not None}
    return {"run": report.run, "code": report.exit_code, "outcomes": outcomes, "errors": errors}


class Driver:
    """A run in a forked process.

    Args:
        folder: The project; its store is `.flowkit` there.
        name: Under which its words and its end are kept.
        pipeline: What it runs.
        force: What is forced.
        **parameters: The pipeline's.
    """

    def __init__(
        self, folder: Path, name: str, pipeline: Pipeline[..., Any], force: str | None = None, **parameters: Any
    ) -> None:
        self._end = folder / f"{name}.end"
        self._said = folder / f"{name}.said"
        self._status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ending = run_here(folder, name, pipeline, parameters, force)
                append(str(self._end), json.dumps(ending))
                os._exit(0)
            except BaseException:  # noqa: BLE001  (whatever it is, the test is to see it)
                append(str(self._end), json.dumps({"error": traceback.format_exc()}))
                os._exit(70)

    @property
    def said(self) -> str:
        """What it said so far."""
        return "\n".join(lines(self._said))

    def hears(self, text: str) -> None:
        """Wait until the driver has said something."""
        until(lambda: text in self.said or self._end.exists(), f"{text!r} was said")
        assert text in self.said, f"it ended without saying {text!r}: {lines(self._end)}"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it as nothing can be prepared for, if it is still there."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)
            _, self._status = os.waitpid(self.pid, 0)

    def wait(self) -> dict[str, Any]:
        """Wait for its end and return it."""

        def ended() -> bool:
            if self._status is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._status = status if pid else None
            return self._status is not None

        until(ended, "the driver ended")
        ending: dict[str, Any] = json.loads(lines(self._end)[-1])
        assert "error" not in ending, ending["error"]
        return ending
