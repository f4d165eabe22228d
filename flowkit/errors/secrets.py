"""Errors about secrets; none of them ever shows a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError
from flowkit.errors.step import StepError


class SecretError(StepError):
    """A secret that cannot be read where its step runs."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_missing(cls, name: str, places: Sequence[str]) -> Self:
        """Nothing in the surroundings of the process bears the secret's name."""
        return cls(
            f"The secret {name!r} is not set where the step runs.",
            [("looked for", "\n".join(places))],
            f"export {name}=…, or put the value into a file and export {name}_FILE=PATH, then run again.",
        )

    @classmethod
    def for_unreadable(cls, name: str, path: str, reason: str) -> Self:
        """The file that should hold it cannot be read."""
        return cls(
            f"The secret {name!r} cannot be read from its file: {reason}.",
            [("file", path)],
            "give the user that runs the step a readable text file.",
        )


class SecretUseError(FlowkitError):
    """A secret used as it cannot be: what is written in the code must change. Exit code 2."""

    exit_code: ClassVar[int] = 2

    @classmethod
    def for_name(cls) -> Self:
        """A name that no environment variable has; what was given may be the secret itself, so it is not shown."""
        return cls(
            "A secret is given by the name of an environment variable, never by its value.",
            [],
            "write fk.Secret('CHURN_DB') or -p db=CHURN_DB, and set the variable CHURN_DB where the steps run.",
        )

    @classmethod
    def for_literal(cls, what: str) -> Self:
        """A secret made with `Secret.of`, which has no name that could be kept in its place."""
        return cls(
            f"A secret made with fk.Secret.of() cannot be {what}: it has no name to be kept in place of its value.",
            [],
            "pass fk.Secret('NAME') and set the environment variable NAME; Secret.of() is for plain calls in tests.",
        )

    @classmethod
    def for_node(cls, step: str, parameter: str) -> Self:
        """A secret made with `Secret.of` as an argument of a node."""
        return cls(
            f"Step {step!r} cannot be given fk.Secret.of(…) in a pipeline: it has no name to be recorded.",
            [("parameter", parameter)],
            "pass fk.Secret('NAME') and set the environment variable NAME; Secret.of() is for plain calls in tests.",
        )
