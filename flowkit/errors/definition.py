"""Errors in what a person wrote: steps, pipelines, edges. Found before anything runs; exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError, show_value
from flowkit.errors.wording import suggest

_OTHER_KINDS = {
    "an async function": "write it with def, and call asyncio.run(…) inside for what must be awaited.",
    "an async generator": "write it with def, and return a list of what it gives.",
    "a generator": "return a list of what it yields.",
    "a method": "move it out of its class, and let it take the object as an argument.",
    "a lambda": "write it with def, so that it has a name and annotations.",
    "a class": "write a function (def) that makes one and returns it.",
}
_OTHER_USES = {
    "iterated": "to take several outputs, annotate the step's return as tuple[A, B]; to call a step for each element, "
    "pass it fk.each(…); else do this inside a step.",
    "turned into text": "print or format it inside a step that takes it as an argument.",
}
_LONGEST_NAME = 200


class DefinitionError(FlowkitError):
    """A step or pipeline that cannot be built or checked."""

    exit_code: ClassVar[int] = 2


class StepDefinitionError(DefinitionError):
    """A function that cannot be a step."""

    @classmethod
    def for_kind(cls, noun: str, name: str, kind: str, where: str | None) -> Self:
        """What the decorator was put on is not a plain function."""
        facts = [("defined", where)] if where else []
        return cls(
            f"{name!r} cannot be a {noun}: it is {kind}.",
            facts,
            _OTHER_KINDS.get(kind, f"write a plain function (def) at the top of a module that calls {name}."),
        )

    @classmethod
    def for_parameter_kind(cls, noun: str, name: str, parameter: str, where: str) -> Self:
        """A parameter is positional-only, `*args` or `**kwargs`."""
        return cls(
            f"The {noun} {name!r} takes {parameter!r}, but every parameter needs a name of its own.",
            [("defined", where)],
            "name each parameter; pass many values of one type as a list."
            if parameter.startswith("*")
            else "remove the '/' from its signature.",
        )

    @classmethod
    def for_missing_annotation(cls, noun: str, name: str, what: str, where: str) -> Self:
        """A parameter or the return value has no annotation."""
        return cls(
            f"The {noun} {name!r} has no annotation for {what}.",
            [("defined", where)],
            "annotate it, for instance with int, Path, pd.DataFrame or, for nothing, None.",
        )

    @classmethod
    def for_unresolved_annotation(cls, noun: str, name: str, missing: str, where: str) -> Self:
        """An annotation names something that does not exist at run time."""
        return cls(
            f"The {noun} {name!r} is annotated with {missing!r}, which does not exist when the program runs.",
            [("defined", where)],
            f"import {missing!r}, or define it, outside of `if TYPE_CHECKING:`; values are checked by annotation.",
        )

    @classmethod
    def for_unreadable_annotation(cls, noun: str, name: str, problem: str, where: str) -> Self:
        """An annotation in quotes is no Python, or no type."""
        return cls(
            f"The {noun} {name!r} has an annotation that is no type.",
            [("problem", problem), ("defined", where)],
            "write a type there, such as int, list[str] or pd.DataFrame.",
        )

    @classmethod
    def for_bad_quantity(cls, option: str, value: object, wanted: str) -> Self:
        """A duration or size cannot be read."""
        return cls(
            f"The option {option}={show_value(value)} is not {wanted.split(' such')[0]}.", [], f"write {wanted}."
        )

    @classmethod
    def for_bad_option(cls, option: str, value: object, wanted: str) -> Self:
        """An option has a value that it cannot have."""
        plain = wanted.split(", such")[0]
        return cls(f"The option {option}={show_value(value)} is not {plain}.", [], f"give {option} as {wanted}.")

    @classmethod
    def for_schedule(cls, schedule: object, problem: str) -> Self:
        """A `schedule` that is no cron expression."""
        return cls(
            f"The option schedule={schedule!r} is not a cron expression.",
            [("problem", problem), ("fields", "minute hour day-of-month month day-of-week")],
            "write it like schedule='0 6 * * *', every day at six.",
        )

    @classmethod
    def for_contract(cls, name: str, place: str, problem: str, where: str) -> Self:
        """A contract in an annotation that no table can meet."""
        return cls(
            f"The contract on {place!r} of step {name!r} can never be met.",
            [("problem", problem), ("defined", where)],
            "write the schema for the library of the table that it annotates.",
        )

    @classmethod
    def for_unknown_option(cls, option: str, known: Sequence[str]) -> Self:
        """`@step` was given an option that it does not have."""
        return cls(
            f"@step has no option {option!r}.",
            [("options", ", ".join(known))],
            suggest(option, known, "use one of the options above."),
        )

    @classmethod
    def for_bad_name(cls, noun: str, name: str) -> Self:
        """A name holds characters that node names, selections or files could not carry."""
        return cls(
            f"{name!r} cannot be the name of a {noun}.",
            [],
            "use letters, digits, '_', '-' and '.', starting with a letter or '_'.",
        )

    @classmethod
    def for_long_name(cls, noun: str, name: str) -> Self:
        """A name that no file could carry."""
        return cls(
            f"A {noun}'s name is {len(name)} characters long.",
            [("name", show_value(name))],
            f"use at most {_LONGEST_NAME} characters.",
        )


class PipelineDefinitionError(DefinitionError):
    """A pipeline whose body cannot be built into a graph."""

    @classmethod
    def for_duplicate_nodes(cls, pipeline: str, names: Sequence[str]) -> Self:
        """Two nodes bear one name."""
        repeated = sorted({name for name in names if names.count(name) > 1})
        return cls(
            f"The pipeline {pipeline!r} has more than one node called {repeated[0]!r}.",
            [("repeated", ", ".join(repeated))],
            "give one of the calls a name of its own: step.named('…')(…).",
        )

    @classmethod
    def for_two_steps(cls, pipeline: str, name: str, first: str, second: str) -> Self:
        """Two different steps of one name are called in a pipeline."""
        return cls(
            f"Two different steps called {name!r} meet in the pipeline {pipeline!r}.",
            [("first", first), ("second", second)],
            f"rename one of them, or call it as {name}.named('…')(…).",
        )

    @classmethod
    def for_cycle(cls, pipeline: str, path: Sequence[str]) -> Self:
        """Something needs itself."""
        return cls(
            f"The pipeline {pipeline!r} has a cycle.",
            [("path", " → ".join(path))],
            "break it: a step or pipeline cannot need its own result.",
        )

    @classmethod
    def for_call_outside(cls, pipeline: str) -> Self:
        """A pipeline was called like a function."""
        return cls(
            f"The pipeline {pipeline!r} was called outside of a pipeline, where there is nothing to build.",
            [],
            f"run it with fk.run({pipeline}, …) or `flowkit run`.",
        )

    @classmethod
    def for_nothing_to_do(cls, pipeline: str) -> Self:
        """No step is called in the pipeline."""
        return cls(
            f"The pipeline {pipeline!r} calls no step.",
            [],
            "call at least one function decorated with @fk.step in its body.",
        )

    @classmethod
    def for_misplaced(cls, what: str) -> Self:
        """Something that only makes sense in a pipeline was called elsewhere."""
        return cls(f"{what} was called outside of a pipeline.", [], "call it in the body of a @fk.pipeline function.")


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


class HandleError(DefinitionError, TypeError):
    """A step's future result used as if it were there already."""

    @classmethod
    def for_use(cls, what: str, use: str) -> Self:
        """A handle was used as a value while the pipeline was being built."""
        absent = "they do" if what.startswith("the outputs") else "it does"
        return cls(
            f"{what[:1].upper()}{what[1:]} cannot be {use} while the pipeline is built: {absent} not exist yet.",
            [],
            _OTHER_USES.get(use)
            or "do this inside a step that takes it as an argument; only a pipeline's parameters are real values here.",
        )


class CheckError(DefinitionError):
    """Several things that do not fit in one pipeline."""

    @classmethod
    def for_many(cls, pipeline: str, errors: Sequence[DefinitionError]) -> Self:
        """Name all of them, the hint of the first last."""
        facts = [(str(number), str(error).partition("\nHint:")[0]) for number, error in enumerate(errors, 1)]
        return cls(f"The pipeline {pipeline!r} has {len(errors)} things that do not fit.", facts, errors[0].hint)
