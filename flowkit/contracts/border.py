"""The place where a value crosses a step's border, as messages name it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from flowkit.errors import ContractError


class Border(Struct, frozen=True):
    """An output or a parameter of a step, and where inside of it: `rows[3]`.

    Build one with `output_of` or `parameter_of`.
    """

    step: str
    name: str
    incoming: bool
    item: str = ""

    @classmethod
    def output_of(cls, step: str, output: str) -> Border:
        """Return the border that `output` of `step` crosses on its way out."""
        return cls(step, output, incoming=False)

    @classmethod
    def parameter_of(cls, step: str, parameter: str) -> Border:
        """Return the border that a value crosses on its way into `parameter` of `step`."""
        return cls(step, parameter, incoming=True)

    def at(self, key: object) -> Border:
        """Return the border of an item inside of the value."""
        return replace(self, item=f"{self.item}[{key!r}]")

    def broken(self, contract: str, report: Sequence[tuple[str, str]]) -> ContractError:
        """Return the error for a table that breaks `contract`, with its failure report."""
        if self.incoming:
            return ContractError.for_parameter(self.step, self.name + self.item, contract, report)
        return ContractError.for_output(self.step, self.name + self.item, contract, report)

    def unusable(self, contract: str, reason: str) -> ContractError:
        """Return the error for a contract that cannot be judged on this value."""
        place = f"{'parameter' if self.incoming else 'output'} {self.name}{self.item}"
        return ContractError.for_unusable(self.step, place, contract, reason)
