"""Errors of targets: what a person named, and where no pipeline was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from flowkit.errors.usage import UsageError
from flowkit.errors.wording import list_names, place, suggest


class TargetError(UsageError):
    """A target that names no pipeline, or more than one."""

    @classmethod
    def for_empty(cls, target: str) -> Self:
        """A target without a file, module or name, as an unset variable of a shell leaves it."""
        return cls(
            f"The target {target!r} names no pipeline.",
            [],
            "give a file with a @fk.pipeline in it, such as pipelines/taxi.py; a shell's variable may be unset.",
        )

    @classmethod
    def for_missing_file(cls, target: str, path: str, near: Sequence[str]) -> Self:
        """A file that is not there."""
        hint = f"did you mean {near[0]!r}?" if near else "give a file with a @fk.pipeline in it."
        return cls(f"There is no file '{path}'.", [("target", target), *list_names("near", near)], hint)

    @classmethod
    def for_not_a_file(cls, target: str, path: str, files: Sequence[str]) -> Self:
        """A folder, or something else that is no Python file."""
        hint = f"name a file in it, such as {files[0]!r}." if files else "name a Python file with a @fk.pipeline in it."
        return cls(f"'{path}' is not a Python file.", [("target", target), *list_names("files", files)], hint)

    @classmethod
    def for_unknown_name(cls, name: str, folder: str, known: Sequence[str]) -> Self:
        """A bare name that neither a file below `pipelines/` nor a pipeline in one bears."""
        return cls(
            f"There is no pipeline {name!r} below '{folder}'.",
            list_names("found", known),
            suggest(name, known, "give its file, such as 'pipelines/taxi.py'."),
        )

    @classmethod
    def for_ambiguous_name(cls, name: str, targets: Sequence[str]) -> Self:
        """A bare name that several files bear."""
        return cls(
            f"{name!r} could be {len(targets)} pipelines.",
            list_names("found", targets),
            f"name the one that you mean: {targets[0]}.",
        )

    @classmethod
    def for_missing_module(cls, target: str, module: str, root: str, known: Sequence[str] = ()) -> Self:
        """A module that cannot be found; `known` are those of the project's pipelines."""
        return cls(
            f"There is no module {module!r}.",
            [("target", target), ("project", root)],
            suggest(module, known, "give the file instead, or install the package that the module is in."),
        )

    @classmethod
    def for_no_pipeline(cls, target: str, imported: Sequence[str]) -> Self:
        """A module without a pipeline of its own."""
        return cls(
            f"'{target}' has no pipeline.",
            list_names("imported", imported),
            "decorate the function that calls the steps with @fk.pipeline."
            if not imported
            else f"name an imported one: {target}:{imported[0]}.",
        )

    @classmethod
    def for_many_pipelines(cls, target: str, names: Sequence[str]) -> Self:
        """A module with several pipelines, none of them named."""
        return cls(
            f"'{target}' has {len(names)} pipelines.",
            list_names("pipelines", names),
            f"name one of them: {target}:{names[0]}.",
        )

    @classmethod
    def for_unknown_pipeline(cls, target: str, name: str, names: Sequence[str]) -> Self:
        """A module that has no pipeline of that name."""
        return cls(
            f"'{target}' has no pipeline {name!r}.",
            list_names("pipelines", names),
            suggest(name, names, "decorate the function with @fk.pipeline."),
        )

    @classmethod
    def for_syntax(cls, path: str, error: SyntaxError) -> Self:
        """Source that is not Python."""
        facts = [("at", f"{path}:{error.lineno or 0}")]
        if error.text:
            line = error.text.rstrip("\n")
            start = len(line) - len(line.lstrip())
            caret = " " * max((error.offset or 1) - 1 - start, 0) + "^"
            facts.append(("line", f"{line.lstrip()}\n{caret}"))
        return cls(f"'{path}' is not valid Python: {error.msg}.", facts, "mend that line.")

    @classmethod
    def for_failed_import(cls, path: str, error: BaseException, frames: Sequence[str], hint: str) -> Self:
        """A module that raises while it is imported; `frames` are the user's own, outermost first."""
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(f"'{path}' cannot be imported: {said}.", place(frames), hint)

    @classmethod
    def for_source_encoding(cls, path: str, line: int, offset: int, byte: int) -> Self:
        """Source that is not UTF-8 text; `offset` counts bytes from its beginning."""
        return cls(
            f"'{path}' is not UTF-8 text.",
            [("at", f"{path}:{line}"), ("byte", f"0x{byte:02x} at offset {offset}")],
            "save the file as UTF-8 in your editor.",
        )

    @classmethod
    def for_exiting_module(cls, path: str, code: object, frames: Sequence[str]) -> Self:
        """A module that ends the program while it is imported."""
        shown = "" if code is None else repr(code)
        return cls(
            f"'{path}' cannot be imported: it calls sys.exit({shown}).",
            place(frames),
            'put what only a script does below `if __name__ == "__main__":`.',
        )

    @classmethod
    def for_failed_body(cls, pipeline: str, error: BaseException, frames: Sequence[str]) -> Self:
        """A pipeline whose body raises while the graph is built."""
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(
            f"The body of pipeline {pipeline!r} raised {said}.",
            place(frames),
            "mend it there; a pipeline's body only calls steps, and what computes belongs into a step.",
        )
