"""Runs pipelines for tests: in this process, with a store of the test's own, with the real codecs and contracts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace

from flowkit.authoring.pipeline import Pipeline
from flowkit.config import load_settings
from flowkit.project import Project
from flowkit.records import Outcome
from flowkit.results import Run
from flowkit.session.session import Session
from flowkit.testing.standins import forget_given, with_given


class PipelineRun:
    """A finished run, and which of its nodes ran.

    Attributes:
        run: The run as `fk.run` gives it.
        given: The nodes whose results the test gave.
    """

    def __init__(self, run: Run, given: tuple[str, ...]) -> None:
        self.run = run
        self.given = given

    def __repr__(self) -> str:
        return repr(self.run)

    def __getitem__(self, node: str | tuple[str, int]) -> Any:
        """Return a node's result, as `Run` does."""
        return self.run[node]

    @property
    def status(self) -> str:
        """How it ended: `succeeded`, `failed`."""
        return self.run.status.value

    @property
    def executed(self) -> list[str]:
        """The nodes that ran, in order, without those whose results were given."""
        return [node for node in self._ended(Outcome.EXECUTED) if node not in self.given]

    @property
    def reused(self) -> list[str]:
        """The nodes whose results of an earlier run were taken."""
        return self._ended(Outcome.REUSED)

    @property
    def skipped(self) -> list[str]:
        """The nodes that were skipped."""
        return self._ended(Outcome.SKIPPED)

    @property
    def failed(self) -> list[str]:
        """The nodes that failed; what needed them is in `blocked`."""
        return self._ended(Outcome.FAILED)

    @property
    def blocked(self) -> list[str]:
        """The nodes that could not run because something before them failed."""
        return self._ended(Outcome.BLOCKED)

    def _ended(self, outcome: Outcome) -> list[str]:
        return [report.node for report in self.run.report.nodes if report.outcome is outcome]


class PipelineRunner:
    """Runs pipelines one after the other with one store; the second run of a pipeline reuses what the first made.

    Neither a remote nor a cluster of the project's settings is used.

    Args:
        store: The store's folder; it is made where there is none.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._sessions: dict[Path, Session] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(
        self, pipeline: Pipeline[..., Any], /, *args: Any, given: Mapping[str, object] | None = None, **parameters: Any
    ) -> PipelineRun:
        """Run a pipeline and return the run, also when a node failed.

        Args:
            pipeline: What to run.
            *args: Its parameters, as it is called.
            given: Results by node that are taken instead of running it, such as `{"load": rows}`. Each passes the
                step's contract and codec as if the step had returned it; an exception is raised instead, `fk.Skip`
                among them. What only given nodes need does not run.
            **parameters: Its parameters by name.

        Raises:
            DefinitionError: The pipeline does not check; nothing ran.
            UsageError: There is no such node, or it is a promotion.
        """
        results = dict(given or {})
        session = self._session_of(pipeline)
        run = session.run_changed(lambda graph: with_given(graph, results), pipeline, *args, **parameters)
        return PipelineRun(run, tuple(results))

    def close(self) -> None:
        """Close the store."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        forget_given()

    def _session_of(self, pipeline: Pipeline[..., Any]) -> Session:
        project = Project.containing(Path(pipeline.location.file).parent)
        if project.root not in self._sessions:
            # One database has one writer in a process.
            self.close()
            settings = replace(load_settings(project, flags={"store": self._store}), remote=None, scheduler=None)
            self._sessions[project.root] = Session(project=project, settings=settings, inline=True, durable=False)
        return self._sessions[project.root]
