"""`@pipeline`: a function whose body, run once, builds the graph."""

from __future__ import annotations

import datetime as dt
import functools
import types
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from flowkit.authoring.builder import GraphBuilder, building, current_builder
from flowkit.authoring.handles import Pending
from flowkit.authoring.intervals import Interval
from flowkit.authoring.signature import bind_arguments, check_function, location_of, parameters_of, resolve_hints
from flowkit.authoring.timetables import Timetable, read_timetable
from flowkit.errors import ArgumentError, PipelineDefinitionError, StepDefinitionError
from flowkit.graph.graph import Graph
from flowkit.graph.typecheck import Verdict, check_constant, format_hint
from flowkit.records import Location, ParameterSpecification

P = ParamSpec("P")
R = TypeVar("R")


class Pipeline(Generic[P, R]):
    """A function that builds a graph out of calls of steps.

    Called in another pipeline's body it adds its nodes there and returns what its body returns; called elsewhere it is
    an error.

    Attributes:
        name: The pipeline's name in lineage and on the command line.
        function: The undecorated function.
        timetable: Its schedule and the options of that.
    """

    def __init__(self, function: Callable[P, R], name: str | None = None, timetable: Timetable | None = None) -> None:
        check_function(function, "pipeline")
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name or function.__name__
        self.timetable = timetable or Timetable()
        if not self.name.replace("-", "_").replace(".", "_").isidentifier():
            raise StepDefinitionError.for_bad_name("pipeline", self.name)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Add the pipeline's nodes to the one being built, and return what its body returns.

        Raises:
            PipelineDefinitionError: No pipeline is being built.
        """
        builder = current_builder()
        if builder is None:
            raise PipelineDefinitionError.for_call_outside(self.name)
        bound = bind_arguments("pipeline", self.name, self.parameters, args, kwargs)
        return cast(R, self._run_body(builder, bound))

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"

    @property
    def location(self) -> Location:
        """Where the pipeline is defined."""
        return location_of(self.function)

    @property
    def schedule(self) -> str | None:
        """The cron expression of its schedule, None where it has none."""
        return self.timetable.schedule

    @cached_property
    def parameters(self) -> tuple[ParameterSpecification, ...]:
        """The pipeline's parameters, in order, with annotations resolved."""
        return parameters_of(self.function, resolve_hints(self.function, "pipeline"))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """Return the value of each parameter for such a call, defaults applied.

        An `Interval` without default that is not given is the last complete one of the pipeline's schedule.

        Raises:
            ArgumentError: An argument is unknown, missing, or not of the annotated type.
        """
        given: dict[str, Any] = {**self._due_intervals(len(args), kwargs), **kwargs}
        bound = bind_arguments("pipeline", self.name, self.parameters, args, given)
        for parameter in self.parameters:
            self._check_value(parameter, bound[parameter.name])
        return bound

    def build(self, parameters: Mapping[str, Any]) -> Graph:
        """Run the body once with real parameter values and return the graph of the calls in it.

        Raises:
            DefinitionError: The body uses a handle as a value, calls a step wrongly, or calls none.
        """
        builder = GraphBuilder(self.name)
        with building(builder):
            self._run_body(builder, parameters)
        return builder.finish()

    def _run_body(self, builder: GraphBuilder, parameters: Mapping[str, Any]) -> Any:
        if self.name in builder.open_pipelines:
            raise PipelineDefinitionError.for_cycle(builder.pipeline, (*builder.open_pipelines, self.name))
        builder.open_pipelines.append(self.name)
        body: Callable[..., Any] = self.function
        try:
            return body(**parameters)
        finally:
            builder.open_pipelines.pop()

    def _due_intervals(self, positional: int, keyword: Mapping[str, Any]) -> dict[str, Interval]:
        missing = [
            parameter.name
            for parameter in self.parameters[positional:]
            if parameter.required and parameter.name not in keyword and admits_interval(parameter.hint)
        ]
        if not missing:
            return {}
        return dict.fromkeys(missing, self.timetable.last_complete(dt.datetime.now(dt.UTC)))

    def _check_value(self, parameter: ParameterSpecification, value: Any) -> None:
        if isinstance(value, Pending):
            return
        fit = check_constant(value, parameter.hint)
        if fit.verdict is Verdict.REFUSED:
            error = ArgumentError.for_constant(
                "pipeline", self.name, parameter.name, format_hint(parameter.hint), value, fit.detail
            )
            raise (
                error.with_facts(("from", "its default"), ("defined", str(self.location)))
                if value is parameter.default
                else error
            )


def admits_interval(hint: Any) -> bool:
    """Whether a parameter annotated so can be an interval: `Interval`, annotated or in a union."""
    origin = typing.get_origin(hint)
    if origin is typing.Annotated:
        return admits_interval(typing.get_args(hint)[0])
    if origin in (typing.Union, types.UnionType):
        return any(map(admits_interval, typing.get_args(hint)))
    return hint is Interval


@overload
def pipeline(function: Callable[P, R], /) -> Pipeline[P, R]: ...


@overload
def pipeline(
    *,
    name: str | None = None,
    schedule: str | None = None,
    timezone: str = "UTC",
    catchup: Literal["latest", "all", "none"] = "latest",
    overlap: Literal["skip", "queue"] = "skip",
) -> Callable[[Callable[P, R]], Pipeline[P, R]]: ...


def pipeline(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    schedule: str | None = None,
    timezone: str = "UTC",
    catchup: str = "latest",
    overlap: str = "skip",
) -> Any:
    """Make a typed function a pipeline.

    Args:
        function: The function, where the decorator is used without parentheses.
        name: What it is called in lineage and on the command line; the function's name by default.
        schedule: When it is due, as a cron expression: `"0 6 * * *"`.
        timezone: The IANA name of the time zone in which the schedule and days are read.
        catchup: Which missed intervals are run later: the `latest`, `all` or `none`.
        overlap: Whether a run that is due while another goes on is left out (`skip`) or waits (`queue`).

    Raises:
        StepDefinitionError: The function is async, a generator, a method or not annotated, or an option does not fit.
        IntervalError: There is no such time zone.

    Example:
        >>> import flowkit as fk
        >>> @fk.step
        ... def double(n: int) -> int:
        ...     return 2 * n
        >>> @fk.pipeline
        ... def doubling(n: int = 21) -> None:
        ...     double(n)
        >>> fk.Session(inline=True).run(doubling)["double"].value()
        42
    """
    if function is not None:
        return Pipeline(function)
    timetable = read_timetable(schedule, timezone, catchup, overlap)
    return lambda wrapped: Pipeline(wrapped, name, timetable)
