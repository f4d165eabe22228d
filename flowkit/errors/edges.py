"""Errors in how steps are connected: what one gives is not what the other takes; exit code 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from flowkit.errors.definition import DefinitionError


class EdgeError(DefinitionError):
    """A step that is given what it cannot take."""

    @classmethod
    def for_contract(
        cls,
        consumer: str,
        parameter: str,
        wanted: str,
        producer: str,
        given: str,
        location: object,
        mismatches: Iterable[tuple[str, str]],
    ) -> Self:
        """The producer's contract does not promise every column that the consumer's needs.

        Args:
            consumer: The step that takes the table, by name.
            parameter: The parameter that takes it.
            wanted: The parameter's annotation, as text.
            producer: The step that gives the table, by name.
            given: The annotation of what it gives, as text.
            location: Where the producer is called or declared.
            mismatches: For every column that does not fit the kind of problem in one word, and the column.
        """
        described: dict[str, list[str]] = {}
        for problem, column in mismatches:
            described.setdefault(problem, []).append(column)
        return cls(
            f"Step {consumer!r} cannot take what {producer!r} gives.",
            [
                ("parameter", f"{parameter}: {wanted}"),
                ("given", f"{given}  ({location})"),
                *((problem, ", ".join(columns)) for problem, columns in described.items()),
            ],
            f"pass the output of a step that gives {wanted}, or declare {given} as the contract of {parameter!r}.",
        )

    @classmethod
    def for_type(
        cls,
        consumer: str,
        parameter: str,
        wanted: str,
        producer: str,
        given: str,
        location: object,
        detail: str = "",
        remedy: str = "",
    ) -> Self:
        """The producer's return type does not fit the consumer's parameter.

        Args:
            consumer: The step that takes the value, by name.
            parameter: The parameter that takes it.
            wanted: The parameter's annotation, as text.
            producer: The step that gives the value, by name.
            given: The annotation of what it gives, as text.
            location: Where the producer is called or declared.
            detail: The part inside of the two types that does not fit, where that is not plain from them.
            remedy: What mends it, where more can be said than that the types differ.
        """
        return cls(
            f"Step {consumer!r} cannot take what {producer!r} gives.",
            [
                ("parameter", f"{parameter}: {wanted}"),
                ("given", f"{given}  ({location})"),
                *([("problem", detail)] if detail else []),
            ],
            remedy or f"pass the output of a step that gives {wanted}, or let {parameter!r} take {given}.",
        )

    @classmethod
    def for_uncollected(
        cls, consumer: str, parameter: str, wanted: str, producer: str, given: str, location: object
    ) -> Self:
        """A mapped value is passed where a list of all its elements is wanted.

        Args:
            consumer: The call that takes it, by name.
            parameter: Its parameter.
            wanted: The parameter's annotation, as text.
            producer: The mapped call, by name.
            given: The annotation of one element, as text.
            location: Where the consumer is called.
        """
        return cls(
            f"Step {consumer!r} wants a list, but is mapped over what {producer!r} gives: one element at a time.",
            [("parameter", f"{parameter}: {wanted}"), ("given", f"{given}, an element  ({location})")],
            "gather the elements with fk.collect(…) and pass that.",
        )
