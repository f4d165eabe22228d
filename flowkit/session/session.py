"""`Session` and `run`: pipelines from Python, with workers that stay warm between runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self

from flowkit import engine
from flowkit.authoring.pipeline import Pipeline
from flowkit.config import Settings
from flowkit.engine import accepting, explaining
from flowkit.engine.launch import RunRequest, plan_graph, run_graph
from flowkit.engine.progress import Listener, Quiet
from flowkit.engine.report import PlanReport, RunReport
from flowkit.engine.workspace import Workspace
from flowkit.errors import NotRecordedError
from flowkit.frames import telling_place
from flowkit.graph.check import CheckReport, check_graph
from flowkit.graph.graph import Graph
from flowkit.graph.select import Selection
from flowkit.lineage.entries import Entries
from flowkit.parameters import dump_parameters, show_parameters
from flowkit.project import Project
from flowkit.results import Run
from flowkit.session.opened import OpenedProject
from flowkit.session.wanted import former_names, resolve_optional, select_nodes

P = ParamSpec("P")


class _OfSessionOrDefault:
    """A method of a session that, called on the class, is that of the session which `run` uses."""

    def __init__(self, function: Callable[[Session, Pipeline[..., Any]], Run]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    def __get__(self, session: Session | None, owner: type[Session]) -> Callable[[Pipeline[..., Any]], Run]:
        function = self._function
        return lambda pipeline: function(session if session is not None else _default_for(pipeline), pipeline)


class Session:
    """Runs pipelines of one project with one store, one after the other, and keeps its workers warm in between.

    Close it, or use it in a `with`; what is still open when the process ends is closed then.

    Args:
        store: The store's folder; by default `.flowkit` in the project's root, or what the configuration says.
        env: The environment of `[tool.flowkit.env.NAME]`.
        workers: How many nodes run at once on this machine; its cores by default.
        scheduler: The address of a Dask scheduler to run on instead.
        inline: Run in this process, one node after the other, for a debugger.
        force: A selection of nodes that run whatever there is, such as `"train+"`.
        project: The project; by default the one around the first pipeline that is run.
        settings: Settings that were loaded already; they override `store`, `env`, `workers` and `scheduler`.
        durable: Whether records are to survive a power cut. Only a store that is thrown away can do without.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def double(n: int) -> int:
        ...     return 2 * n
        >>> @fk.pipeline
        ... def twice(n: int) -> None:
        ...     double(n)
        >>> with fk.Session(inline=True) as session:
        ...     first, again = session.run(twice, n=5), session.run(twice, n=5)
        >>> first["double"].value(), again["double"].outcome
        (10, <Outcome.REUSED: 'reused'>)
    """

    def __init__(
        self,
        store: str | Path | None = None,
        env: str | None = None,
        workers: int | None = None,
        scheduler: str | None = None,
        inline: bool = False,
        force: str | None = None,
        *,
        project: Project | None = None,
        settings: Settings | None = None,
        durable: bool = True,
    ) -> None:
        flags = {"store": store, "workers": workers, "scheduler": scheduler}
        self._opened = OpenedProject(project, settings, env, flags, inline=inline, durable=durable)
        self._force = Selection.parse(force) if force else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- for people ------------------------------------------------------------------------------------------------

    def run(self, pipeline: Pipeline[P, Any], *args: P.args, **kwargs: P.kwargs) -> Run:
        """Run a pipeline and return the run, also when a node failed.

        Raises:
            DefinitionError: The pipeline does not check; nothing ran.
            StoreError: The store or the workers as a whole failed.
        """
        return self.run_changed(lambda graph: graph, pipeline, *args, **kwargs)

    def run_changed(
        self, change: Callable[[Graph], Graph], pipeline: Pipeline[P, Any], *args: P.args, **kwargs: P.kwargs
    ) -> Run:
        """Run a pipeline whose graph, once checked, is changed first: tests put results of their own into it.

        Raises:
            DefinitionError: The pipeline does not check; nothing ran.
            StoreError: The store or the workers as a whole failed.
        """
        given = [*map(str, kwargs), *(parameter.name for parameter in pipeline.parameters[: len(args)])]
        parameters = _from_here(pipeline.bind(*args, **kwargs), given)
        graph = change(self.check(pipeline, parameters).graph)
        target = describe_target(pipeline, self._opened.project_of(pipeline))
        report = self._run_graph(pipeline, graph, parameters, target, self._force, Quiet(), ())
        return Run(report, graph, self.workspace_for(pipeline))

    @_OfSessionOrDefault
    def last(self, pipeline: Pipeline[..., Any]) -> Run:
        """Return the latest run of a pipeline from its record; `Session.last(taxi)` looks into the default store.

        Raises:
            NotRecordedError: No run of it was recorded.
        """
        reopened = import_module("flowkit.reopened")
        run: Run = reopened.reopen_last(pipeline, self.workspace_for(pipeline))
        return run

    def close(self) -> None:
        """End the workers and close the store."""
        self._opened.close()

    # -- for the command line --------------------------------------------------------------------------------------

    def check(self, pipeline: Pipeline[..., Any], parameters: Mapping[str, Any]) -> CheckReport:
        """Build a pipeline's graph and check every edge; run nothing.

        Raises:
            DefinitionError: Something does not fit.
        """
        with telling_place(self._opened.project_of(pipeline).root, str(pipeline.location)):
            return check_graph(pipeline.build(parameters))

    def execute(
        self,
        pipeline: Pipeline[..., Any],
        parameters: Mapping[str, Any],
        *,
        target: str,
        select: Selection | None = None,
        force: Selection | None = None,
        require_promotion: bool = False,
        listener: Listener | None = None,
        argv: Sequence[str] = (),
    ) -> RunReport:
        """Run a pipeline and return the report.

        Args:
            pipeline: What to run.
            parameters: A value for every parameter.
            target: What `rerun` loads again.
            select: The nodes that are wanted. What they need is reused, also where it is declared cache=False, or run
                where it must.
            force: Nodes that run whatever there is.
            require_promotion: Whether a refused promotion gives exit code 3.
            listener: Hears of the run as it goes on.
            argv: The command line, for the record.

        Raises:
            DefinitionError: The pipeline does not check; nothing ran.
            StoreError: The store or the workers as a whole failed.
        """
        graph, spared = select_nodes(self.check(pipeline, parameters).graph, select)
        chosen = force or self._force
        return self._run_graph(
            pipeline,
            graph,
            parameters,
            target,
            chosen,
            listener or Quiet(),
            argv,
            require_promotion=require_promotion,
            spared=spared,
        )

    def plan(
        self,
        pipeline: Pipeline[..., Any],
        parameters: Mapping[str, Any],
        *,
        select: Selection | None = None,
        force: Selection | None = None,
    ) -> PlanReport:
        """Return what a run would do now.

        Raises:
            DefinitionError: The pipeline does not check.
        """
        report = self.check(pipeline, parameters)
        graph, spared = select_nodes(report.graph, select)
        with self._opened.looking(pipeline) as workspace:
            planner = plan_graph(workspace, graph, resolve_optional(force or self._force, graph), spared)
        env = self._opened.settings_of(pipeline).env
        return PlanReport(
            pipeline.name, env, show_parameters(parameters), planner.nodes, (*report.warnings, *planner.warnings)
        )

    def why(self, pipeline: Pipeline[..., Any], parameters: Mapping[str, Any], node: str) -> explaining.WhyReport:
        """Explain what would become of a node now, against its latest success.

        Raises:
            NotRecordedError: The pipeline has no such node.
        """
        graph = self.check(pipeline, parameters).graph
        # Of a call that is mapped at run time the plan may know the elements, of which one must be named.
        if graph.declared(node) is None and f"{node}[*]" not in graph:
            raise NotRecordedError.for_node(pipeline.name, node, [known.name for known in graph.visible])
        with self._opened.looking(pipeline) as workspace:
            planned = plan_graph(workspace, graph, resolve_optional(self._force, graph))
            contents = engine.open_contents(workspace.store, workspace.files.find_folder, counting=True)
            return explaining.explain_planned(planned, Entries(workspace.reader), contents, node)

    def propose(
        self, pipeline: Pipeline[..., Any], parameters: Mapping[str, Any], nodes: Sequence[str], former: str | None
    ) -> accepting.AcceptReport:
        """Return which results could stand for edited code; nothing is recorded.

        Args:
            pipeline: The pipeline as it is now.
            parameters: A value for every parameter.
            nodes: Selections of what is to be accepted.
            former: The name that the one node had before, where that has changed.

        Raises:
            AcceptanceError: More than code has changed of one of them, or there is no result to keep.
            SelectionError: There is no such node.
        """
        graph = self.check(pipeline, parameters).graph
        selected = frozenset().union(*(Selection.parse(node).resolve(graph) for node in nodes))
        # What the registry decides is in the way only where it was asked for by its name.
        wanted = frozenset(name for name in selected if graph[name].step is not None or name in nodes)
        with self._opened.looking(pipeline) as workspace:
            return accepting.propose_acceptance(workspace, graph, wanted, former_names(graph, wanted, former))

    def accept(
        self, pipeline: Pipeline[..., Any], report: accepting.AcceptReport, reason: str = ""
    ) -> accepting.AcceptReport:
        """Let the results stand that `propose` returned, by the word of the user of this process.

        Raises:
            AcceptanceError: Another process has made or replaced one of them meanwhile.
            StoreError: It could not be recorded; nothing was.
        """
        return accepting.accept(self.workspace_for(pipeline), report, reason)

    def workspace_for(self, pipeline: Pipeline[..., Any]) -> Workspace:
        """Return the opened store of the project that a pipeline belongs to."""
        return self._opened.workspace_for(pipeline)

    def _run_graph(
        self,
        pipeline: Pipeline[..., Any],
        graph: Graph,
        parameters: Mapping[str, Any],
        target: str,
        force: Selection | None,
        listener: Listener,
        argv: Sequence[str],
        *,
        require_promotion: bool = False,
        spared: frozenset[str] = frozenset(),
    ) -> RunReport:
        request = RunRequest(
            graph=graph,
            target=target,
            env=self._opened.settings_of(pipeline).env,
            parameters=show_parameters(parameters),
            recorded=dump_parameters(pipeline, parameters),
            forced=resolve_optional(force, graph),
            spared=spared,
            argv=tuple(argv),
            require_promotion=require_promotion,
        )
        opened = self._opened
        with opened.own():
            return run_graph(opened.workspace_for(pipeline), opened.executor_of(pipeline), request, listener)


def describe_target(pipeline: Pipeline[..., Any], project: Project) -> str:
    """Return the target by which a pipeline is loaded again: `pipelines/taxi.py:taxi`, relative to the root."""
    file = Path(pipeline.location.file)
    if file.is_relative_to(project.root):
        return f"{file.relative_to(project.root)}:{pipeline.name}"
    return f"{file}:{pipeline.name}"


def _from_here(values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return parameters in which the relative paths that were given start in the current folder."""
    return {
        name: Path.cwd() / value if name in given and isinstance(value, Path) else value
        for name, value in values.items()
    }


_DEFAULT: dict[str, Session] = {}
_DEFAULT_LOCK = threading.Lock()


def run(pipeline: Pipeline[P, Any], *args: P.args, **kwargs: P.kwargs) -> Run:
    """Run a pipeline in a session that this process keeps, and return the run, also when a node failed.

    Args:
        pipeline: What to run.
        *args: Its parameters, by position.
        **kwargs: Its parameters, by name. A relative `Path` starts in the current folder.

    Raises:
        DefinitionError: The pipeline does not check; nothing ran.
        StoreError: The store or the workers as a whole failed.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def add(a: int, b: int) -> int:
        ...     return a + b
        >>> @fk.pipeline
        ... def sums(a: int, b: int = 1) -> None:
        ...     add(a, b)
        >>> run = fk.run(sums, a=2)
        >>> run.status, run["add"].value()
        (<RunStatus.SUCCEEDED: 'succeeded'>, 3)
    """
    return _default_for(pipeline).run(pipeline, *args, **kwargs)


def _default_for(pipeline: Pipeline[..., Any]) -> Session:
    """Return the session that this process keeps for a pipeline's project."""
    root = str(Project.containing(Path(pipeline.location.file).parent).root)
    with _DEFAULT_LOCK:
        return _DEFAULT.setdefault(root, Session())
