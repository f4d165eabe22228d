"""`@step`: a typed function whose calls in a pipeline become nodes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from flowkit.authoring.builder import GraphBuilder, calling_location, current_builder
from flowkit.authoring.fanout import at_element, find_dimension, join_elements, remark_on_mapping
from flowkit.authoring.handles import Handle, items_of, unpacking_of
from flowkit.authoring.quantities import parse_duration, parse_size
from flowkit.authoring.signature import (
    bind_arguments,
    check_function,
    location_of,
    outputs_of,
    parameters_of,
    resolve_hints,
)
from flowkit.errors import StepDefinitionError
from flowkit.graph.arguments import Ref
from flowkit.graph.graph import NodeKind
from flowkit.records import RETURN, Location, StepOptions, StepSpecification

P = ParamSpec("P")
R = TypeVar("R")


class Step(Generic[P, R]):
    """A typed function that can be a node.

    Outside of a pipeline's body, and inside another step, calling it just calls the function. In a pipeline's body it
    adds a node and returns a handle, which type checkers see as the function's return type.

    Attributes:
        function: The undecorated function.
        options: What `@step(…)` was given.
    """

    def __init__(self, function: Callable[P, R], options: StepOptions, call_name: str | None = None) -> None:
        check_function(function, "step")
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self._call_name = call_name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function; in a pipeline's body, add a node instead and return a handle to its result."""
        builder = current_builder()
        if builder is None:
            return self.function(*args, **kwargs)
        return cast(R, self._add_to(builder, args, kwargs, calling_location()))

    def __repr__(self) -> str:
        return f"<step {self.function.__name__}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        # By name, like a function: unpickling must give the one object that the module holds. What no module of
        # another process can hold goes by value.
        if self.function.__module__ == "__main__" or "<" in self.function.__qualname__:
            return Step, (self.function, self.options, self._call_name)
        return self.function.__qualname__

    def named(self, name: str) -> Step[P, R]:
        """Return the same step whose calls in a pipeline are nodes called `name`."""
        return Step(self.function, self.options, name)

    @cached_property
    def specification(self) -> StepSpecification:
        """Everything known of the step from its declaration, with annotations resolved.

        Raises:
            StepDefinitionError: An annotation names something that does not exist at run time.
        """
        hints = resolve_hints(self.function, "step")
        return StepSpecification(
            name=self.function.__name__,
            function=self.function,
            module=self.function.__module__,
            qualname=self.function.__qualname__,
            parameters=parameters_of(self.function, hints),
            hint=hints["return"],
            outputs=outputs_of(hints["return"]),
            options=self.options,
            location=location_of(self.function),
        )

    def _add_to(self, builder: GraphBuilder, args: Sequence[Any], kwargs: Mapping[str, Any], location: Location) -> Any:
        step = self.specification
        arguments = bind_arguments("step", step.name, step.parameters, args, kwargs)
        name = builder.name_call(step.name if self._call_name is None else self._call_name, step)
        dimension = find_dimension(step.name, arguments)
        if dimension is None:
            return self._add_node(builder, name, arguments, None, location)
        for text in remark_on_mapping(name, dimension, arguments):
            builder.remark(text)
        unpacking = unpacking_of(dimension)
        if unpacking is not None:
            stands_for_all = self._add_node(
                builder, f"{name}[*]", at_element(arguments, 0), None, location, dimension=unpacking
            )
            return join_elements(dimension, [stands_for_all], functools.partial(shape_outputs, step))
        results = [
            self._add_node(builder, f"{name}[{index}]", at_element(arguments, index), index, location)
            for index in range(len(items_of(dimension)))
        ]
        return join_elements(dimension, results, functools.partial(shape_outputs, step))

    def _add_node(
        self,
        builder: GraphBuilder,
        name: str,
        arguments: Mapping[str, Any],
        index: int | None,
        location: Location,
        dimension: str | None = None,
    ) -> Any:
        step = self.specification
        builder.add_node(
            name,
            NodeKind.STEP,
            arguments,
            location=location,
            step=step,
            map_index=index,
            hints={parameter.name: parameter.hint for parameter in step.parameters},
            dimension=dimension,
        )
        return shape_outputs(step, lambda output, hint: Handle(Ref(name, output), hint))


def shape_outputs(step: StepSpecification, make: Callable[[str, Any], Any]) -> Any:
    """Return `make(name, annotation)` of each output, in the shape of the step's return annotation.

    One output is given as it is; `tuple[A, B]` as a tuple, a NamedTuple or dataclass as one with these fields.
    """
    if len(step.outputs) == 1 and step.outputs[0].name == RETURN:
        return make(RETURN, step.hint)
    values = {output.name: make(output.name, output.hint) for output in step.outputs}
    if not isinstance(step.hint, type) or step.hint is tuple:
        return tuple(values.values())
    if issubclass(step.hint, tuple):
        return step.hint._make(values.values())  # type: ignore[attr-defined]
    # Not through `__init__`: it may compute with its fields, which are no values yet.
    result = object.__new__(step.hint)
    for field_name, value in values.items():
        object.__setattr__(result, field_name, value)
    return result


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...


@overload
def step(
    *,
    retries: int = 0,
    retry_delay: str | float = "0s",
    backoff: float = 1.0,
    timeout: str | float | None = None,
    cache: bool = True,
    max_age: str | float | None = None,
    version: str = "",
    tags: Sequence[str] = (),
    env: Sequence[str] = (),
    network: bool = False,
    cpus: int = 1,
    memory: str | int | None = None,
    resources: Mapping[str, float] | None = None,
) -> Callable[[Callable[P, R]], Step[P, R]]: ...


def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a typed function a step.

    Args:
        function: The function, where the decorator is used without parentheses.
        **options: See below; only `version`, `env` and the code count in the cache key.

            - `retries`: further attempts after a failure; `retry_delay`: the wait before the first of them; `backoff`:
              the factor, at least 1, by which each wait grows.
            - `timeout`: the longest that one attempt may take.
            - `cache=False`: run always. `max_age`: rerun when the result is older. `version`: counts in the key.
            - `tags`: names for `--select tag:x`. `env`: names of environment variables that count.
            - `network`: the step may use the network although it is cached.
            - `cpus`, `memory`, `resources`: what an attempt needs.

            Durations are texts such as `"250ms"`, `"90s"`, `"10m"`, `"24h"` and `"7d"`, or seconds; sizes are texts
            such as `"512MB"` and `"1GiB"`, or bytes.

    Raises:
        StepDefinitionError: The function is async, a generator, a method or not annotated, or an option does not fit.

    Example:
        >>> import flowkit as fk
        >>> @fk.step(retries=2, timeout="10m")
        ... def double(n: int) -> int:
        ...     return 2 * n
        >>> double(21)
        42
    """
    if function is not None:
        return Step(function, StepOptions())
    parsed = _parse_options(options)
    return lambda wrapped: Step(wrapped, parsed)


def _parse_options(options: Mapping[str, Any]) -> StepOptions:
    known = StepOptions.__struct_fields__
    for name in options:
        if name not in known:
            raise StepDefinitionError.for_unknown_option(name, tuple(known))
    timeout, max_age, memory = options.get("timeout"), options.get("max_age"), options.get("memory")
    return StepOptions(
        retries=_whole("retries", options.get("retries", 0), 0),
        retry_delay=parse_duration(options.get("retry_delay", 0.0), "retry_delay"),
        backoff=_factor("backoff", options.get("backoff", 1.0)),
        timeout=None if timeout is None else parse_duration(timeout, "timeout"),
        cache=_flag("cache", options.get("cache", True)),
        max_age=None if max_age is None else parse_duration(max_age, "max_age"),
        version=_text("version", options.get("version", "")),
        tags=_texts("tags", options.get("tags", ())),
        env=_texts("env", options.get("env", ())),
        network=_flag("network", options.get("network", False)),
        cpus=_whole("cpus", options.get("cpus", 1), 1),
        memory=None if memory is None else parse_size(memory, "memory"),
        resources=_amounts("resources", options.get("resources")),
    )


def _whole(option: str, value: Any, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise StepDefinitionError.for_bad_option(option, value, f"a whole number of at least {least}")


def _factor(option: str, value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 1:
        return float(value)
    raise StepDefinitionError.for_bad_option(option, value, "a number of at least 1")


def _flag(option: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise StepDefinitionError.for_bad_option(option, value, "True or False")


def _text(option: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    raise StepDefinitionError.for_bad_option(option, value, "a str")


def _texts(option: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise StepDefinitionError.for_bad_option(option, value, f"a tuple of str, such as {option}=({_example(value)},)")


def _example(value: Any) -> str:
    return repr(value) if isinstance(value, str) else "'name'"


def _amounts(option: str, value: Any) -> dict[str, float]:
    if value is None:
        return {}
    numbers = isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(amount, (int, float)) and not isinstance(amount, bool) and amount > 0
        for name, amount in value.items()
    )
    if not numbers:
        raise StepDefinitionError.for_bad_option(option, value, 'a dict of positive numbers, such as {"GPU": 1}')
    return dict(value)
