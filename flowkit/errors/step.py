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


class InputError(StepError):
    """A file that a node needs is missing or cannot be read."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_missing(cls, path: object) -> Self:
        """Nothing is there."""
        return cls(
            f"Input {str(path)!r} does not exist.",
            (),
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
    def for_metric(cls, name: str, value: object) -> Self:
        """A metric was made of something that is not a number."""
        return cls(
            f"The metric {name!r} is not a number.",
            [("given", f"{value!r}, a {type(value).__name__}")],
            f"convert it: Metrics({name}=float(…)).",
        )


class CodecError(StepError):
    """A value that cannot be stored or read back."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_table_column(cls, column: str, held: str, problem: str) -> Self:
        """A column whose values have no stored form."""
        return cls(
            f"Column {column} cannot be stored.",
            [("holds", held), ("problem", problem)],
            "convert the column with .astype(…) or .map(…) before returning the table",
        )

    @classmethod
    def for_pickled_column(cls, column: str, held: str) -> Self:
        """A column that needs pickle where pickle is denied."""
        return cls(
            f"Column {column} needs pickle, which this project denies.",
            [("holds", held), ("setting", 'pickle = "deny"')],
            'convert the column to text, numbers or dates, or set pickle = "allow" in [tool.flowkit]',
        )

    @classmethod
    def for_pickled_table(cls, digest: str) -> Self:
        """A stored table that holds pickle where pickle is denied."""
        return cls(
            "A stored table holds pickled values, which this project denies.",
            [("artifact", digest), ("setting", 'pickle = "deny"')],
            'set pickle = "allow" in [tool.flowkit] if you trust who wrote this store, or run its step again',
        )

    @classmethod
    def for_table_view(cls, stored: str, wanted: str) -> Self:
        """A stored table that cannot be given as the annotated kind."""
        return cls(
            f"A stored {stored} cannot be given as {wanted}.",
            [("stored", stored), ("wanted", wanted)],
            "annotate the parameter with the stored kind, or convert the table in the step that makes it",
        )

    @classmethod
    def for_table_index(cls, index: str, wanted: str) -> Self:
        """A pandas index that the wanted kind of table has no place for."""
        return cls(
            f"A pandas table with its own index cannot be given as {wanted}.",
            [("index", index)],
            "call .reset_index() (or .reset_index(drop=True)) in the step that makes the table",
        )

    @classmethod
    def for_column_labels(cls, label: str, wanted: str) -> Self:
        """A pandas column label that the wanted kind of table cannot carry."""
        return cls(
            f"Column {label} cannot be named in {wanted}: labels must be unique text there.",
            [("label", label)],
            "rename the columns in the step that makes the table, as in df.columns = df.columns.map(str)",
        )

    @classmethod
    def for_column_view(cls, column: str, held: str, wanted: str) -> Self:
        """A stored column that the wanted kind of table has no type for."""
        return cls(
            f"Column {column} cannot be given as {wanted}.",
            [("holds", held)],
            "convert the column with .astype(…) in the step that makes the table",
        )

    @classmethod
    def for_missing_column(cls, column: str, columns: str) -> Self:
        """A column that was asked for and that the stored table does not have."""
        return cls(f"The stored table has no column {column}.", [("columns", columns)], "ask for one of its columns")

    @classmethod
    def for_table_version(cls, found: object, known: int) -> Self:
        """A table written by another version of the format."""
        return cls(
            f"A stored table has format version {found}; this flowkit reads version {known}.",
            hint="run the step that made it again with --force, or use the flowkit that wrote it",
        )

    @classmethod
    def for_table_export(cls, path: str, problem: str) -> Self:
        """A table that cannot be written to the file asked for."""
        return cls(f"The table cannot be exported to '{path}'.", [("problem", problem)], "name a .parquet or .csv file")

    @classmethod
    def for_array_dtype(cls, dtype: str) -> Self:
        """An array whose elements are not plain bytes."""
        return cls(
            f"An array of dtype {dtype} has no .npy form; it is stored as pickle.",
            [("dtype", dtype)],
            "return it from a step whose project allows pickle, or convert it with .astype(…)",
        )

    @classmethod
    def for_array_content(cls, problem: str) -> Self:
        """A payload that is not the array it should be."""
        return cls("A stored array cannot be read.", [("problem", problem)], "run the step that made it with --force")

    @classmethod
    def for_refused(cls, type_name: str, what: str, remedy: str, inside: str = "") -> Self:
        """Report a live thing, such as an open file, in a value to be stored; `inside` names the value around it."""
        facts = [("type", type_name)]
        if inside:
            facts.append(("inside", inside))
        return cls(f"{what} cannot be stored.", facts, remedy)

    @classmethod
    def for_foreign(cls, type_name: str, where: str, why: str) -> Self:
        """Report a part of a value that JSON cannot hold; `where` is its place in the value, such as `['a'][3]`."""
        return cls(
            f"A value of type {type_name} cannot be stored as JSON.",
            (("at", where or "the value itself"), ("because", why)),
            "return plain values, dataclasses or pydantic models, named in the annotation",
        )

    @classmethod
    def for_denied_pickle(cls, type_name: str, reason: str) -> Self:
        """Report a value that only pickle could hold, in a project that denies pickle."""
        return cls(
            f"A value of type {type_name} would be stored as pickle, which this project denies.",
            (("type", type_name), ("because", reason), ("setting", 'pickle = "deny"')),
            f"register a codec with @fk.codec({type_name.rpartition('.')[2]}), return plain values, "
            'or set pickle = "allow" in [tool.flowkit]',
        )

    @classmethod
    def for_denied_load(cls, format_name: str) -> Self:
        """Report stored pickle that this project does not load."""
        return cls(
            f"An artifact of format '{format_name}' is pickle, which this project denies.",
            (("format", format_name), ("setting", 'pickle = "deny"')),
            'set pickle = "allow" in [tool.flowkit] if you trust this store, or run its step again with a codec',
        )

    @classmethod
    def for_unpicklable(cls, type_name: str, error: BaseException) -> Self:
        """Report a value that pickle cannot write, or cannot read back once written."""
        return cls(
            f"A value of type {type_name} cannot be stored: pickle fails on it.",
            (("type", type_name), ("error", f"{type(error).__name__}: {error}")),
            f"return plain values, or register a codec with @fk.codec({type_name.rpartition('.')[2]})",
        )

    @classmethod
    def for_unloadable(cls, format_name: str, error: BaseException) -> Self:
        """Report stored content that does not load in this process."""
        return cls(
            f"An artifact of format '{format_name}' cannot be loaded here.",
            (("format", format_name), ("error", f"{type(error).__name__}: {error}")),
            "install what its classes need, or run its step again with --force",
        )

    @classmethod
    def for_unknown_class(cls, class_name: str, hint: str) -> Self:
        """Report stored fields of a class that the consumer's annotation does not name."""
        return cls(
            f"A stored {class_name.rpartition(':')[2]} cannot be read as {hint}.",
            (("stored class", class_name), ("annotation", hint)),
            f"annotate the parameter with {class_name.rpartition(':')[2]}",
        )

    @classmethod
    def for_changed_class(cls, class_name: str, detail: str) -> Self:
        """Report stored fields or members that the class of that name no longer has."""
        return cls(
            f"A stored {class_name.rpartition(':')[2]} does not fit the class of that name.",
            (("class", class_name), ("difference", detail)),
            "run the step that made it again with --force",
        )

    @classmethod
    def for_damaged(cls, format_name: str, detail: str) -> Self:
        """Report a payload that is not what its format says."""
        return cls(
            f"An artifact of format '{format_name}' does not follow its format.",
            (("format", format_name), ("detail", detail)),
            "run the step that made it again with --force",
        )

    @classmethod
    def for_unknown_format(cls, format_name: str) -> Self:
        """Report an artifact in a format that no codec of this process reads."""
        hint = "read it with the flowkit that wrote it, or run its step again with --force"
        if format_name.startswith("custom:"):
            hint = f"import the module that declares the codec class {format_name.removeprefix('custom:')}"
        return cls(f"No codec reads the format '{format_name}'.", (("format", format_name),), hint)

    @classmethod
    def for_path(cls, path: str, problem: str, remedy: str) -> Self:
        """Report a returned file or folder that cannot be stored."""
        return cls(f"The path '{path}' cannot be stored: {problem}.", (("path", path),), remedy)

    @classmethod
    def for_unsafe_name(cls, name: object) -> Self:
        """Report a name in a stored tree that could reach outside the folder it is written to."""
        return cls(
            "A stored tree holds a name that could leave its folder, so nothing of it was written.",
            (("name", ascii(name)),),
            "do not trust this store; run the step that made the tree again with --force",
        )

    @classmethod
    def for_unwritable(cls, path: str, error: BaseException) -> Self:
        """Report a stored tree or file that could not be written for a consumer."""
        return cls(
            f"A stored file could not be written to '{path}'.",
            (("path", path), ("error", f"{type(error).__name__}: {error}")),
            "free space there, or give write permission",
        )

    @classmethod
    def for_declaration(cls, codec_name: str, problem: str, remedy: str) -> Self:
        """Report a class that cannot be a codec."""
        return cls(f"The codec '{codec_name}' cannot be registered: {problem}.", (("codec", codec_name),), remedy)

    @classmethod
    def for_failed_save(cls, codec_name: str, type_name: str, problem: str) -> Self:
        """Report a registered codec whose `save` did not leave one file."""
        return cls(
            f"The codec '{codec_name}' could not save a value of type {type_name}.",
            (("type", type_name), ("problem", problem)),
            f"mend {codec_name}.save: it must write one file at exactly the path it is given",
        )

    @classmethod
    def for_failed_load(cls, codec_name: str, problem: str) -> Self:
        """Report a registered codec whose `load` did not give the value back."""
        return cls(
            f"The codec '{codec_name}' could not load what it saved.",
            (("problem", problem),),
            f"mend {codec_name}.load: it must return the value saved in the file it is given",
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
    def for_moved_alias(cls, reference: str, seen: int | None, now: int | None) -> Self:
        """The alias moved between the evaluation of its version and the decision."""
        was, became = (f"version {number}" if number is not None else "no version" for number in (seen, now))
        return cls(
            f"{reference} moved while this run was deciding on it.",
            [("evaluated against", was), ("now at", became)],
            "run it again: flowkit rerun compares with the version that is there now.",
        )
