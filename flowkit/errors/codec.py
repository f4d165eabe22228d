"""Errors of values that cannot be stored or read back; one node fails, exit code 1."""

from __future__ import annotations

from typing import ClassVar, Self

from flowkit.errors.step import StepError


class CodecError(StepError):
    """A value that cannot be stored or read back."""

    retryable: ClassVar[bool] = False

    @classmethod
    def for_table_column(cls, column: str, held: str, problem: str) -> Self:
        """A column whose values have no stored form."""
        return cls(
            f"Column {column} cannot be stored.",
            [("holds", held), ("problem", problem)],
            "convert the column with .astype(…) or .map(…) before returning the table.",
        )

    @classmethod
    def for_changed_value(cls, format_name: str) -> Self:
        """A value that something wrote to while it was stored."""
        return cls(
            "The value changed while it was stored.",
            [("format", format_name)],
            "end the threads that write to it before it is returned, or return a copy.",
        )

    @classmethod
    def for_pickled_column(cls, column: str, held: str) -> Self:
        """A column that needs pickle where pickle is denied."""
        return cls(
            f"Column {column} needs pickle, which this project denies.",
            [("holds", held), ("setting", 'pickle = "deny"')],
            'convert the column to text, numbers or dates, or set pickle = "allow" in [tool.flowkit].',
        )

    @classmethod
    def for_pickled_table(cls, digest: str) -> Self:
        """A stored table that holds pickle where pickle is denied."""
        return cls(
            "A stored table holds pickled values, which this project denies.",
            [("artifact", digest), ("setting", 'pickle = "deny"')],
            'set pickle = "allow" in [tool.flowkit] if you trust who wrote this store, or run its step again.',
        )

    @classmethod
    def for_undeclared_pickle(cls, digest: str) -> Self:
        """A stored table that holds pickle and hides it: none that flowkit wrote does."""
        return cls(
            "A stored table holds pickled values that its manifest does not name: it was not written by flowkit.",
            [("artifact", digest)],
            "find out who writes to this store or its remote; run the step again with --force.",
        )

    @classmethod
    def for_table_view(cls, stored: str, wanted: str) -> Self:
        """A stored table that cannot be given as the annotated kind."""
        return cls(
            f"A stored {stored} cannot be given as {wanted}.",
            [("stored", stored), ("wanted", wanted)],
            "annotate the parameter with the stored kind, or convert the table in the step that makes it.",
        )

    @classmethod
    def for_table_index(cls, index: str, wanted: str) -> Self:
        """A pandas index that the wanted kind of table has no place for."""
        return cls(
            f"A pandas table with its own index cannot be given as {wanted}.",
            [("index", index)],
            "call .reset_index() (or .reset_index(drop=True)) in the step that makes the table.",
        )

    @classmethod
    def for_column_labels(cls, label: str, wanted: str) -> Self:
        """A pandas column label that the wanted kind of table cannot carry."""
        return cls(
            f"Column {label} cannot be named in {wanted}: labels must be unique text there.",
            [("label", label)],
            "rename the columns in the step that makes the table, as in df.columns = df.columns.map(str).",
        )

    @classmethod
    def for_column_view(cls, column: str, held: str, wanted: str) -> Self:
        """A stored column that the wanted kind of table has no type for."""
        return cls(
            f"Column {column} cannot be given as {wanted}.",
            [("holds", held)],
            "convert the column with .astype(…) in the step that makes the table.",
        )

    @classmethod
    def for_missing_column(cls, column: str, columns: str) -> Self:
        """A column that was asked for and that the stored table does not have."""
        return cls(f"The stored table has no column {column}.", [("columns", columns)], "ask for one of its columns.")

    @classmethod
    def for_table_version(cls, found: object, known: int) -> Self:
        """A table written by another version of the format."""
        return cls(
            f"A stored table has format version {found}; this flowkit reads version {known}.",
            hint="run the step that made it again with --force, or use the flowkit that wrote it.",
        )

    @classmethod
    def for_table_export(cls, path: str, problem: str) -> Self:
        """A table that cannot be written to the file asked for."""
        return cls(
            f"The table cannot be exported to '{path}'.", [("problem", problem)], "name a .parquet or .csv file."
        )

    @classmethod
    def for_array_dtype(cls, dtype: str) -> Self:
        """An array whose elements are not plain bytes."""
        return cls(
            f"An array of dtype {dtype} has no .npy form; it is stored as pickle.",
            [("dtype", dtype)],
            "return it from a step whose project allows pickle, or convert it with .astype(…).",
        )

    @classmethod
    def for_array_content(cls, problem: str) -> Self:
        """A payload that is not the array it should be."""
        return cls("A stored array cannot be read.", [("problem", problem)], "run the step that made it with --force.")

    @classmethod
    def for_refused(cls, type_name: str, what: str, remedy: str, inside: str = "") -> Self:
        """Report a live thing, such as an open file, in a value to be stored; `inside` names the value around it."""
        facts = [("type", type_name)]
        if inside:
            facts.append(("inside", inside))
        return cls(f"{what} cannot be stored.", facts, f"{remedy.rstrip('.')}.")

    @classmethod
    def for_foreign(cls, type_name: str, where: str, why: str) -> Self:
        """Report a part of a value that JSON cannot hold; `where` is its place in the value, such as `['a'][3]`."""
        return cls(
            f"A value of type {type_name} cannot be stored as JSON.",
            (("at", where or "the value itself"), ("because", why)),
            "return plain values, dataclasses or pydantic models, named in the annotation.",
        )

    @classmethod
    def for_denied_pickle(cls, type_name: str, reason: str) -> Self:
        """Report a value that only pickle could hold, in a project that denies pickle."""
        return cls(
            f"A value of type {type_name} would be stored as pickle, which this project denies.",
            (("type", type_name), ("because", reason), ("setting", 'pickle = "deny"')),
            f"register a codec with @fk.codec({type_name.rpartition('.')[2]}), return plain values, "
            'or set pickle = "allow" in [tool.flowkit].',
        )

    @classmethod
    def for_denied_load(cls, format_name: str) -> Self:
        """Report stored pickle that this project does not load."""
        return cls(
            f"An artifact of format '{format_name}' is pickle, which this project denies.",
            (("format", format_name), ("setting", 'pickle = "deny"')),
            'set pickle = "allow" in [tool.flowkit] if you trust this store, or run its step again with a codec.',
        )

    @classmethod
    def for_unpicklable(cls, type_name: str, error: BaseException) -> Self:
        """Report a value that pickle cannot write, or cannot read back once written."""
        return cls(
            f"A value of type {type_name} cannot be stored: pickle fails on it.",
            (("type", type_name), ("error", f"{type(error).__name__}: {error}")),
            f"return plain values, or register a codec with @fk.codec({type_name.rpartition('.')[2]}).",
        )

    @classmethod
    def for_unloadable(cls, format_name: str, error: BaseException) -> Self:
        """Report stored content that does not load in this process."""
        return cls(
            f"An artifact of format '{format_name}' cannot be loaded here.",
            (("format", format_name), ("error", f"{type(error).__name__}: {error}")),
            "install what its classes need, or run its step again with --force.",
        )

    @classmethod
    def for_unknown_class(cls, class_name: str, hint: str) -> Self:
        """Report stored fields of a class that the consumer's annotation does not name."""
        return cls(
            f"A stored {class_name.rpartition(':')[2]} cannot be read as {hint}.",
            (("stored class", class_name), ("annotation", hint)),
            f"annotate the parameter with {class_name.rpartition(':')[2]}.",
        )

    @classmethod
    def for_changed_class(cls, class_name: str, detail: str) -> Self:
        """Report stored fields or members that the class of that name no longer has."""
        return cls(
            f"A stored {class_name.rpartition(':')[2]} does not fit the class of that name.",
            (("class", class_name), ("difference", detail)),
            "run the step that made it again with --force.",
        )

    @classmethod
    def for_damaged(cls, format_name: str, detail: str) -> Self:
        """Report a payload that is not what its format says."""
        return cls(
            f"An artifact of format '{format_name}' does not follow its format.",
            (("format", format_name), ("detail", detail)),
            "run the step that made it again with --force.",
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
            "do not trust this store; run the step that made the tree again with --force.",
        )

    @classmethod
    def for_unwritable(cls, path: str, error: BaseException) -> Self:
        """Report a stored tree or file that could not be written for a consumer."""
        return cls(
            f"A stored file could not be written to '{path}'.",
            (("path", path), ("error", f"{type(error).__name__}: {error}")),
            "free space there, or give write permission.",
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
            f"mend {codec_name}.save: it must write one file at exactly the path it is given.",
        )

    @classmethod
    def for_failed_load(cls, codec_name: str, problem: str) -> Self:
        """Report a registered codec whose `load` did not give the value back."""
        return cls(
            f"The codec '{codec_name}' could not load what it saved.",
            (("problem", problem),),
            f"mend {codec_name}.load: it must return the value saved in the file it is given.",
        )
