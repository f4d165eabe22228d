"""Errors of one node while it runs; the run goes on around it and ends with exit code 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError


class StepError(FlowkitError):
    """A node that failed.

    `retryable` says whether another attempt could end otherwise: a contract that fails or a wrong type cannot.
    """

    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = True

    @classmethod
    def for_no_value(cls, node: str, outcome: str, cause: str | None) -> Self:
        """A value was asked of a node that has none."""
        facts = [("cause", cause)] if cause else []
        return cls(f"The node {node!r} has no value: it is {outcome}.", facts, "look at run.status before its values.")

    @classmethod
    def for_failed_value(
        cls, node: str, message: str, facts: Iterable[tuple[str, str]], hint: str, traceback: str
    ) -> Self:
        """A value was asked of a node that failed: its failure in three parts, its traceback as a note.

        Python prints the note below the error; a fact would be too short for it.
        """
        error = cls(
            f"The node {node!r} has no value: it is failed.",
            [("cause", message), *facts],
            hint or "look at run.status before its values.",
        )
        if traceback:
            error.add_note(traceback.rstrip())
        return error


class InputError(StepError):
    """A file that a node needs is missing or cannot be read."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_missing(cls, path: object) -> Self:
        """Nothing is there."""
        return cls(
            f"Input {str(path)!r} does not exist.",
            (("looked at", str(path)),),
            "check the path: relative ones start at the project's root, those given by -p at the current directory.",
        )

    @classmethod
    def for_unreadable(cls, path: object, reason: object) -> Self:
        """It is there and cannot be read: permission, a socket or device, a loop of links."""
        return cls(
            f"Input {str(path)!r} cannot be read.",
            (("reason", str(reason)),),
            "make it a regular file or folder that this user may read.",
        )


class ContractError(StepError):
    """A table that breaks the contract on its edge."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_output(cls, step: str, output: str, contract: str, report: Iterable[tuple[str, str]]) -> Self:
        """A step returned a table that breaks its contract.

        Args:
            step: The step's name.
            output: The output's name, `return` where the step has one, and the item inside of it.
            contract: The contract's name.
            report: For every failing check its column, and what is wrong in which rows.
        """
        what = "a table" if output == "return" else f"a table as output {output!r}"
        return cls(
            f"Step {step!r} returned {what} that breaks the contract {contract}.",
            report,
            f"mend what {step!r} returns, or change {contract} where the data is right.",
        )

    @classmethod
    def for_parameter(cls, step: str, parameter: str, contract: str, report: Iterable[tuple[str, str]]) -> Self:
        """A step was given a table that breaks the contract of its parameter; for `report` see `for_output`."""
        return cls(
            f"Step {step!r} was given a table that breaks the contract {contract} of {parameter!r}.",
            report,
            f"mend what makes the table, or declare {contract} where it is returned so that it is caught there.",
        )

    @classmethod
    def for_unusable(cls, step: str, place: str, contract: str, reason: str) -> Self:
        """A contract could not be judged on a value: it is for other tables, or pandera cannot use it.

        Args:
            step: The step's name.
            place: Such as `output return` or `parameter rows`.
            contract: The contract's name.
            reason: Why, as a clause.
        """
        return cls(
            f"The contract {contract} of step {step!r} cannot be checked.",
            [("where", place), ("problem", reason)],
            f"make {contract} a schema for the annotated table type, and try it with its own validate().",
        )


class ValueTypeError(StepError):
    """A value that is not of the annotated type."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_output(cls, step: str, output: str, wanted: str, problem: str) -> Self:
        """A step returned a value that is not of its annotated type.

        Args:
            step: The step's name.
            output: The output's name, `return` where the step has one.
            wanted: The annotation, as text.
            problem: What the value is instead, as a clause.
        """
        name = "the return value" if output == "return" else f"output {output!r}"
        return cls(
            f"Step {step!r} did not return what it declares.",
            [("declared", f"{wanted} as {name}"), ("returned", problem)],
            f"return {wanted}, or correct the return annotation of {step!r}.",
        )

    @classmethod
    def for_parameter(cls, step: str, parameter: str, wanted: str, problem: str) -> Self:
        """A step was given a value that is not of its parameter's type; for `problem` see `for_output`."""
        return cls(
            f"Step {step!r} was given a value that {parameter!r} cannot take.",
            [("parameter", f"{parameter}: {wanted}"), ("given", problem)],
            f"annotate what makes the value with its real type, or let {parameter!r} take it.",
        )

    @classmethod
    def for_each(cls, source: str, kind: str) -> Self:
        """A call is mapped over what turned out to be no list; `kind` is the name of its type."""
        return cls(
            f"What {source!r} gave cannot be gone through with each(): it is no list.",
            [("given", kind)],
            f"return a list from {source!r}, and annotate it as list[…] so that this is found before it runs.",
        )

    @classmethod
    def for_other_length(cls, source: str, before: int, now: int) -> Self:
        """A list that was made again, as something of it was lost, has another length."""
        return cls(
            f"The list that {source!r} gives was made again and has another length.",
            [("elements before", str(before)), ("elements now", str(now))],
            f"run it again; let {source!r} give the same list for the same inputs, or declare it with cache=False.",
        )

    @classmethod
    def for_metric(cls, name: str, value: object) -> Self:
        """A metric was made of something that is not a number."""
        return cls(
            f"The metric {name!r} is not a number.",
            [("given", f"{value!r}, a {type(value).__name__}")],
            f"convert it: Metrics({name}=float(…)).",
        )


class PromotionError(StepError):
    """A promotion that cannot be decided: a metric is missing or not a number, or there is no gate."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_missing_metric(cls, gate: str, metric: str, whose: str, given: Iterable[str]) -> Self:
        """A gate needs a metric that is not there; `whose` says of what, as in `the candidate`."""
        return cls(
            f"The gate {gate!r} cannot be judged: {whose} has no metric {metric!r}.",
            [("metrics", ", ".join(sorted(given)) or "none")],
            f"return {metric!r} from the evaluation, or gate on a metric that it returns.",
        )

    @classmethod
    def for_undefined_metric(cls, gate: str, metric: str, whose: str, given: Iterable[str]) -> Self:
        """A gate needs a metric that is not a number (NaN)."""
        return cls(
            f"The gate {gate!r} cannot be judged: the metric {metric!r} of {whose} is not a number (NaN).",
            [("metrics", ", ".join(sorted(given)))],
            f"find out why the evaluation gives NaN for {metric!r}: often an empty or one-sided set of rows.",
        )

    @classmethod
    def for_lost_run(cls, reference: str, run: str) -> Self:
        """The run that asks is not recorded as running any more: another process took its driver for dead."""
        return cls(
            f"{reference} stays as it is: run {run} was taken for crashed while its driver stood still.",
            [("run", run)],
            f"decide anew with: flowkit rerun {run}; what this run has computed is reused.",
        )

    @classmethod
    def for_moved_alias(cls, reference: str, seen: int | None, now: int | None) -> Self:
        """The alias moved between the evaluation of its version and the decision."""
        was, became = (f"version {number}" if number is not None else "no version" for number in (seen, now))
        return cls(
            f"{reference} moved while this run was deciding on it.",
            [("evaluated against", was), ("now at", became)],
            "run it again: flowkit rerun compares with the version that is there now.",
        )
