"""What a session holds: its project and settings, the opened store, and the workers that stay warm between runs.

What is still open when the process ends is closed then. A process that was forked starts afresh.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from flowkit import execution
from flowkit.authoring.pipeline import Pipeline
from flowkit.config import Settings, load_settings
from flowkit.engine.workspace import Workspace
from flowkit.errors import UsageError
from flowkit.execution.base import Executor
from flowkit.project import Project

_INHERITED: list[object] = []


class OpenedProject:
    """The store and the workers of one project, each opened when it is first asked for.

    Args:
        project: The project; None for the one around the first pipeline that is asked about.
        settings: Settings that were loaded already; None to load them.
        env: The environment of `[tool.flowkit.env.NAME]`.
        flags: Settings that override those of the files.
        inline: Whether nodes run in this process.
        durable: Whether records are to survive a power cut.
    """

    def __init__(
        self,
        project: Project | None,
        settings: Settings | None,
        env: str | None,
        flags: Mapping[str, Any],
        *,
        inline: bool,
        durable: bool,
    ) -> None:
        self._project = project
        self._settings = settings
        self._env = env
        self._flags = flags
        self._inline = inline
        self._durable = durable
        self._workspace: Workspace | None = None
        self._executor: Executor | None = None
        self._process = os.getpid()
        # One run at a time: two would take each other's events.
        self._lock = threading.RLock()

    @contextmanager
    def own(self) -> Iterator[None]:
        """Be the only thread that uses it; a forked process, which has none of the parent's threads, starts afresh."""
        if self._process != os.getpid():
            # Kept, not closed: their ends would reach into the parent's workers and database.
            _INHERITED.append((self._workspace, self._executor))
            self._workspace, self._executor, self._process = None, None, os.getpid()
            self._lock = threading.RLock()
        with self._lock:
            yield

    def close(self) -> None:
        """End the workers and close the store."""
        atexit.unregister(self.close)
        with self.own():
            if self._executor is not None:
                self._executor.close()
                self._executor = None
            if self._workspace is not None:
                self._workspace.close()
                self._workspace = None

    def project_of(self, pipeline: Pipeline[..., Any]) -> Project:
        """Return the project; the first pipeline that is asked about decides where none was named."""
        if self._project is None:
            file = Path(pipeline.location.file)
            self._project = Project.containing(file.parent if file.is_file() else Path.cwd())
        return self._project

    def settings_of(self, pipeline: Pipeline[..., Any]) -> Settings:
        """Return the settings that hold in the project."""
        if self._settings is None:
            self._settings = load_settings(self.project_of(pipeline), self._env, self._flags)
        return self._settings

    def workspace_for(self, pipeline: Pipeline[..., Any]) -> Workspace:
        """Return the opened store of the project that a pipeline belongs to."""
        with self.own():
            # Again and again is harmless: `close` takes all of them away.
            atexit.unregister(self.close)
            atexit.register(self.close)
            if self._workspace is None:
                self._workspace = self._open(pipeline, self.settings_of(pipeline).store)
            return self._workspace

    @contextmanager
    def looking(self, pipeline: Pipeline[..., Any]) -> Iterator[Workspace]:
        """Yield the opened store, or, where there is none yet, an empty one that is thrown away: nothing is left."""
        if self._workspace is not None or self.settings_of(pipeline).store.exists():
            yield self.workspace_for(pipeline)
            return
        import tempfile

        with tempfile.TemporaryDirectory(prefix="flowkit-plan-") as folder:
            workspace = self._open(pipeline, Path(folder) / "store")
            try:
                yield workspace
            finally:
                workspace.close()

    def executor_of(self, pipeline: Pipeline[..., Any]) -> Executor:
        """Return what runs the nodes.

        Raises:
            UsageError: They are to run in this process and on a cluster.
        """
        if self._executor is None:
            settings = self.settings_of(pipeline)
            if self._inline and settings.scheduler:
                raise UsageError.for_inline_cluster(settings.scheduler)
            self._executor = (
                execution.InlineExecutor()
                if self._inline
                else execution.WorkerExecutor(settings.workers, settings.scheduler, settings.resources)
            )
        return self._executor

    def _open(self, pipeline: Pipeline[..., Any], path: Path) -> Workspace:
        settings = self.settings_of(pipeline)
        return Workspace.open(
            replace(self.project_of(pipeline), code=settings.code),
            path,
            pickle=settings.pickle,
            dry_run=settings.promotions == "dry-run",
            remote=settings.remote,
            trust_remote=settings.trust_remote,
            undeclared=settings.undeclared,
            durable=self._durable,
        )
