"""Errors in what a person wrote: steps, pipelines, edges. Found before anything runs; exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
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
