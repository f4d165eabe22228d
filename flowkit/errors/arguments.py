"""Errors in what a person passes to steps and pipelines, and to the functions that connect them; exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from flowkit.errors.base import show_value
from flowkit.errors.definition import DefinitionError
from flowkit.errors.wording import suggest


class ArgumentError(DefinitionError):
    """An unknown, missing or ill-typed argument of a step or pipeline."""

    @classmethod
    def for_too_many(cls, noun: str, name: str, takes: int, given: int) -> Self:
        """More positional arguments than parameters."""
        return cls(
            f"The {noun} {name!r} takes {takes} argument{'' if takes == 1 else 's'}, but {given} were given.",
            [],
            "remove the surplus arguments, or name them.",
        )

    @classmethod
    def for_unknown(cls, noun: str, name: str, key: str, names: Sequence[str], close: str | None) -> Self:
        """An argument that is no parameter."""
        hint = f"did you mean {close!r}?" if close else "use one of the parameters above."
        return cls(f"The {noun} {name!r} has no parameter {key!r}.", [("parameters", ", ".join(names) or "none")], hint)

    @classmethod
    def for_repeated(cls, noun: str, name: str, key: str) -> Self:
        """An argument given by position and by name."""
        return cls(f"The {noun} {name!r} is given {key!r} twice.", [], "give it by position or by name, not both.")

    @classmethod
    def for_missing(cls, noun: str, name: str, missing: Sequence[str]) -> Self:
        """A parameter without default that was not given."""
        listed = ", ".join(repr(item) for item in missing)
        hint = f"pass it with -p {missing[0]}=… or give it a default." if noun == "pipeline" else "pass it in the call."
        return cls(f"The {noun} {name!r} needs {listed}, which was not given.", [], hint)

    @classmethod
    def for_constant(cls, noun: str, name: str, parameter: str, hint: str, value: object, problem: str) -> Self:
        """A constant argument that is not of the annotated type."""
        return cls(
            f"The {noun} {name!r} cannot take this value for {parameter!r}.",
            [("parameter", f"{parameter}: {hint}"), ("given", show_value(value)), ("problem", problem)],
            f"pass a value of type {hint}.",
        )

    @classmethod
    def for_several_outputs(cls, name: str, parameter: str, hint: str, producer: str, outputs: int) -> Self:
        """All outputs of a step at once where one value is needed."""
        names = ", ".join("abcdefgh"[:outputs]) if outputs <= 3 else "a, b, …"
        return cls(
            f"The step {name!r} cannot take all {outputs} outputs of {producer!r} as {parameter!r}.",
            [("parameter", f"{parameter}: {hint}")],
            f"take them apart first, as in {names} = {producer}(…), and pass one.",
        )

    @classmethod
    def for_nesting(cls, noun: str, name: str, parameter: str) -> Self:
        """A value that contains itself, or lists in lists without end."""
        return cls(
            f"The {noun} {name!r} cannot take this value for {parameter!r}: "
            "it contains itself or is nested too deeply.",
            [],
            "pass a flatter value, or a file that holds it.",
        )

    @classmethod
    def for_two_dimensions(cls, name: str) -> Self:
        """A call that is mapped along two different `each`."""
        return cls(
            f"The call of step {name!r} is mapped over two different each(…).",
            [],
            "for every combination write a for loop around the call; to go through both side by side, "
            "pass each() a list of pairs.",
        )

    @classmethod
    def for_collect(cls, given: str) -> Self:
        """`collect` of something that is not mapped."""
        return cls(
            f"collect() was given {given}, which is not mapped.",
            [],
            "pass it what a step called with each(…) returned.",
        )

    @classmethod
    def for_each(cls, given: object) -> Self:
        """`each` of something that is no list."""
        return cls(
            f"each() cannot go through {show_value(given)}.",
            [],
            "pass it a list or tuple, or what a step gives as list[…].",
        )

    @classmethod
    def for_each_of_result(cls, what: str, hint: str) -> Self:
        """`each` of a step's result that is annotated as something other than a list.

        Args:
            what: The handle, as it describes itself.
            hint: Its annotation, as text.
        """
        return cls(
            f"each() cannot go through {what}: it is no list of elements of one type.",
            [("given", hint)],
            "let the step return a list, annotated as list[…]; sort a set, list the items of a dict.",
        )

    @classmethod
    def for_nested_each(cls, what: str) -> Self:
        """`each` of what is mapped already."""
        return cls(
            f"each() cannot go through {what}: it is mapped already, and there is no fan-out in a fan-out.",
            [],
            "pass it on as it is, which maps the next step too; or gather it first: fk.each(fk.collect(…)).",
        )

    @classmethod
    def for_not_a_handle(cls, what: str, given: object) -> Self:
        """A value where a step's result is needed."""
        return cls(
            f"{what} needs a step's result, but was given {show_value(given)}.", [], "pass what a step returned."
        )

    @classmethod
    def for_view(cls, what: str, given: str, wanted: str, *, wanted_is_table: bool) -> Self:
        """Another view of what is no table, or a view that is none.

        Args:
            what: What is viewed, as in `the output of step 'load'`.
            given: Its annotation, as text.
            wanted: The view that was asked for, as text.
            wanted_is_table: Whether that is a view of a table.
        """
        if wanted_is_table:
            hint = f"pass a step's output that is annotated as a table, or make a {wanted} of it in a step of its own."
        else:
            hint = f"name a class of table, such as pd.DataFrame; what makes {wanted} of it is a step of its own."
        return cls(
            f"as_type() cannot view {what} as {wanted}: it gives another view of a table, and converts nothing else.",
            [("given", given), ("wanted", wanted)],
            hint,
        )

    @classmethod
    def for_alias(cls, given: object) -> Self:
        """A promotion whose target is no `model@alias`."""
        return cls(
            f"promote(to={show_value(given)}) names no alias of a model.",
            [],
            "write it as 'model@alias', such as 'taxi@champion'.",
        )

    @classmethod
    def for_model_name(cls, name: object, alias: object) -> Self:
        """A name that no model or alias can have."""
        return cls(
            f"champion({show_value(name)}) names no model that there can be.",
            [("alias", show_value(alias))],
            "use up to 100 letters, digits, '_', '-' and '.', starting with a letter or digit.",
        )

    @classmethod
    def for_gate(cls, to: str, given: object) -> Self:
        """Something among the gates that is none."""
        return cls(
            f"promote(to={to!r}) was given {show_value(given)} as a gate.",
            [],
            "use fk.at_least(…), fk.at_most(…) or fk.no_worse_than(…).",
        )

    @classmethod
    def for_no_gate(cls, to: str) -> Self:
        """A promotion without a gate."""
        return cls(
            f"promote(to={to!r}) has no gate, so anything would be promoted.",
            [],
            "give at least one, such as gates=[fk.at_least('accuracy', 0.8)].",
        )


class IntervalError(DefinitionError):
    """An interval or time zone that there cannot be."""

    @classmethod
    def for_text(cls, text: str) -> Self:
        """A text that is no interval."""
        return cls(
            f"{text!r} is not an interval.",
            [],
            "write a day (2026-03-01), a week (2026-W10), a month (2026-03), or start/end of two days or times, "
            "without the end (2026-03-01/2026-03-08).",
        )

    @classmethod
    def for_naive(cls, bound: str, value: object) -> Self:
        """A bound that is no instant."""
        return cls(
            f"The {bound} of an interval must be a datetime with a time zone.",
            [("given", repr(value))],
            "give it one, such as datetime(2026, 3, 1, tzinfo=UTC), or write Interval.of_day(date(2026, 3, 1)).",
        )

    @classmethod
    def for_order(cls, start: str, end: str) -> Self:
        """An interval that ends before it starts, or at once."""
        return cls(
            "An interval must end after it starts.",
            [("start", start), ("end", end)],
            "the end is not included: a day ends with the next one's first moment.",
        )

    @classmethod
    def for_zone(cls, name: object, known: Sequence[str]) -> Self:
        """A time zone that the system does not know."""
        return cls(
            f"There is no time zone {name!r}.",
            [],
            suggest(str(name), known, "use an IANA name, such as 'UTC' or 'Europe/Berlin'."),
        )
