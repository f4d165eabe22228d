"""What a step's annotations ask of each value that crosses its borders: read once, for all of the step's nodes."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from flowkit.contracts import Border, Selections, contracts_in, enforce, selections_in
from flowkit.errors import ValueTypeError
from flowkit.graph.hint_text import format_hint
from flowkit.graph.valuecheck import check_value
from flowkit.records import OutputSpecification, ParameterSpecification, StepSpecification


class ParameterBorder(Struct, frozen=True):
    """What is asked of a value on its way into a parameter.

    Attributes:
        untracked: Whether it does not count in the key.
        selections: What the contracts in the annotation keep of tables.
        has_contracts: Whether there are any.
    """

    name: str
    hint: Any
    untracked: bool
    selections: Selections
    has_contracts: bool

    @classmethod
    def of(cls, parameter: ParameterSpecification) -> ParameterBorder:
        """Return what the annotation of `parameter` asks."""
        hint = parameter.hint
        return cls(parameter.name, hint, parameter.untracked, selections_in(hint), bool(contracts_in(hint)))

    def prove(self, value: Any, step: str) -> Any:
        """Return `value` with every table in it validated.

        Raises:
            ValueTypeError: It is not of the annotated type.
            ContractError: A table breaks its contract.
        """
        problem = check_value(value, self.hint)
        if problem is not None:
            raise ValueTypeError.for_parameter(step, self.name, format_hint(self.hint), problem)
        return enforce(value, self.hint, where=Border.parameter_of(step, self.name)) if self.has_contracts else value


class OutputBorder(Struct, frozen=True):
    """What is asked of an output on its way out; `has_contracts` says whether the annotation carries any."""

    name: str
    hint: Any
    has_contracts: bool

    @classmethod
    def of(cls, output: OutputSpecification) -> OutputBorder:
        """Return what the annotation of `output` asks."""
        return cls(output.name, output.hint, bool(contracts_in(output.hint)))

    def prove(self, value: Any, step: str) -> Any:
        """Return `value` with every table in it validated.

        Raises:
            ValueTypeError: It is not of the annotated type.
            ContractError: A table breaks its contract.
        """
        problem = check_value(value, self.hint)
        if problem is not None:
            raise ValueTypeError.for_output(step, self.name, format_hint(self.hint), problem)
        return enforce(value, self.hint, where=Border.output_of(step, self.name)) if self.has_contracts else value


class StepBorders(Struct, frozen=True):
    """The borders of one step; `hint` is its whole return annotation, `unpacks` as in its specification."""

    step: str
    parameters: tuple[ParameterBorder, ...]
    outputs: tuple[OutputBorder, ...]
    hint: Any
    unpacks: bool

    @classmethod
    def of(cls, specification: StepSpecification) -> StepBorders:
        """Return the borders of the step that is specified so."""
        return cls(
            specification.name,
            tuple(map(ParameterBorder.of, specification.parameters)),
            tuple(map(OutputBorder.of, specification.outputs)),
            specification.hint,
            specification.unpacks,
        )
