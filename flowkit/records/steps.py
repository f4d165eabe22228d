"""What is known of a step from its declaration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

REQUIRED: Any = inspect.Parameter.empty
"""Stands where a parameter has no default."""

RETURN = "return"
"""The name of the only output of a step with one output."""

ELEMENTS = "*"
"""Stands for the outputs of what takes a list apart: as many as the list has elements, named `0`, `1`, …"""

UNPACKING = "(each)"
"""The name under which taking a list apart is keyed and recorded; no step of a person can have it."""


class StepOptions(Struct, frozen=True):
    """The options of `@step`; times in seconds, memory in bytes. Only `version` and `env` count in the key."""

    retries: int = 0
    retry_delay: float = 0.0
    backoff: float = 1.0
    timeout: float | None = None
    cache: bool = True
    max_age: float | None = None
    version: str = ""
    tags: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    network: bool = False
    cpus: int = 1
    memory: int | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


class ParameterSpecification(Struct, frozen=True):
    """A parameter of a step or pipeline: its resolved annotation, with `Annotated` extras, and its default."""

    name: str
    hint: Any
    default: Any = REQUIRED
    untracked: bool = False

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is REQUIRED


class OutputSpecification(Struct, frozen=True):
    """A declared output: its name and its resolved annotation."""

    name: str
    hint: Any


class Location(Struct, frozen=True):
    """Where something stands in a person's source."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class StepSpecification(Struct, frozen=True, eq=False):
    """A declared step.

    Attributes:
        name: The step's name, which counts in the key; its module does not.
        function: The undecorated function.
        module: The module it is found in by `qualname`, where it can be imported.
        hint: The whole return annotation.
        outputs: One specification an output; a single one named `return` unless the whole annotation is several.
    """

    name: str
    function: Callable[..., Any]
    module: str
    qualname: str
    parameters: tuple[ParameterSpecification, ...]
    hint: Any
    outputs: tuple[OutputSpecification, ...]
    options: StepOptions
    location: Location

    @property
    def unpacks(self) -> bool:
        """Whether it takes a list apart, and gives each element as an output of its own."""
        return len(self.outputs) == 1 and self.outputs[0].name == ELEMENTS

    def parameter(self, name: str) -> ParameterSpecification:
        """Return the parameter called `name`."""
        return next(parameter for parameter in self.parameters if parameter.name == name)

    def output(self, name: str) -> OutputSpecification:
        """Return the output called `name`."""
        if self.unpacks:
            return self.outputs[0]
        return next(output for output in self.outputs if output.name == name)
