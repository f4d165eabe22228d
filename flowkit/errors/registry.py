"""Errors of gates, model references and what a person does to a model by hand; exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from flowkit.errors.base import show_value
from flowkit.errors.definition import DefinitionError
from flowkit.errors.usage import UsageError


class GateError(DefinitionError):
    """A gate that cannot be judged, whatever the metrics are."""

    @classmethod
    def for_metric_name(cls, gate: str, name: object) -> Self:
        """The metric's name is empty or no text."""
        return cls(
            f"The gate {gate}() needs the name of a metric.",
            [("given", repr(name))],
            f'name one that the evaluation returns, such as {gate}("accuracy", …).',
        )

    @classmethod
    def for_number(cls, gate: str, argument: str, value: object) -> Self:
        """A threshold or tolerance is no finite number."""
        return cls(
            f"The gate {gate}() needs a finite number as {argument}.",
            [("given", show_value(value))],
            "give a number, such as 0.85; a pipeline's parameter is one, a step's result is not.",
        )

    @classmethod
    def for_tolerance(cls, value: float) -> Self:
        """A tolerance is negative."""
        return cls(
            "The gate no_worse_than() needs a tolerance of 0 or more.",
            [("given", repr(value))],
            "write how much worse than the champion a candidate may be, such as tolerance=0.01.",
        )

    @classmethod
    def for_better(cls, value: object) -> Self:
        """`better` is neither of its two words."""
        return cls(
            "The gate no_worse_than() does not know which direction is better.",
            [("given", f"better={value!r}")],
            'write better="higher" or better="lower".',
        )

    @classmethod
    def for_no_gate(cls, model: str) -> Self:
        """A promotion has no gate at all."""
        return cls(
            f"A promotion to {model!r} has no gate.",
            (),
            'add one, such as gates=[fk.at_least("accuracy", 0.85)].',
        )


class RegistryError(UsageError):
    """A model reference that cannot be read, or a change by hand that the model's history does not allow."""

    @classmethod
    def for_name(cls, what: str, name: str) -> Self:
        """A model's or alias's name holds characters that it may not."""
        return cls(
            f"{name!r} cannot be the name of {what}.",
            (),
            "use up to 100 letters, digits, '_', '-' and '.', starting with a letter or digit.",
        )

    @classmethod
    def for_reference(cls, text: str) -> Self:
        """A reference is none of the three kinds."""
        return cls(f"{text!r} names no model version.", (), "write taxi:7, taxi@champion or taxi.")

    @classmethod
    def for_held_version(cls, model: str, version: int, aliases: Sequence[str]) -> Self:
        """A version that an alias points to cannot be retired."""
        held = ", ".join(f"{model}@{alias}" for alias in aliases)
        return cls(
            f"Version {version} of {model!r} is in use.",
            [("alias", held)],
            f"promote another version or `flowkit models rollback {model}@{aliases[0]}` first.",
        )

    @classmethod
    def for_no_earlier(cls, model: str, alias: str, version: int) -> Self:
        """There is no version to roll back to."""
        return cls(
            f"{model}@{alias} has no earlier version to go back to.",
            [("now at", f"{model}:{version}")],
            f"name one with --to, or promote one by hand: flowkit models promote {model}:N --to {alias}.",
        )

    @classmethod
    def for_rollback_target(cls, model: str, version: int, state: str) -> Self:
        """The version named as the target was refused, retired or rolled back, or is the current one."""
        return cls(
            f"Version {version} of {model!r} cannot be rolled back to: it is {state}.",
            (),
            f"choose another, or take it deliberately: flowkit models promote {model}:{version} --to ALIAS.",
        )
