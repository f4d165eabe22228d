"""Errors in how a command was called or configured; exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError
from flowkit.errors.wording import list_names, place, suggest

_PLAIN = ("int", "float", "bool", "str", "Path")


class UsageError(FlowkitError):
    """A command, option, target or setting that does not fit."""

    exit_code: ClassVar[int] = 2

    @classmethod
    def for_command_line(cls, message: str, command: str) -> Self:
        """Options or arguments that a command does not take; `message` is the parser's sentence."""
        return cls(message, [], f"see what it takes with `{command} --help`.")

    @classmethod
    def for_unknown_command(cls, name: str, group: str, known: Sequence[str]) -> Self:
        """A command that there is not."""
        return cls(
            f"There is no command `{group} {name}`.",
            [("commands", ", ".join(known))],
            suggest(name, known, f"`{group} --help` says what each of them does."),
        )

    @classmethod
    def for_inline_cluster(cls, scheduler: str) -> Self:
        """Both `--inline` and a cluster."""
        return cls(
            "A run is either inline or on a cluster, not both.",
            [("scheduler", scheduler)],
            "leave --inline away, or the scheduler (--scheduler, FLOWKIT_SCHEDULER or the setting).",
        )

    @classmethod
    def for_verified_run(cls, given: str) -> Self:
        """What only makes sense with `verify --rerun`, without that."""
        return cls(
            f"`flowkit verify` goes through the whole store and takes no {given}.",
            [],
            "add --rerun to run the nodes of a recorded run again and compare what they give.",
        )

    @classmethod
    def for_given_promotion(cls, node: str) -> Self:
        """A test that gives the decision of a promotion."""
        return cls(
            f"The decision of {node!r} cannot be given: it follows from the metrics and the gates.",
            [],
            'give the metrics instead, such as given={"evaluate": fk.Metrics(accuracy=0.1)}.',
        )

    @classmethod
    def for_given_element(cls, node: str, call: str) -> Self:
        """A test that gives what is mapped over a list that is known only when the pipeline runs."""
        return cls(
            f"The result of {node!r} cannot be given: {call!r} is mapped over a list that the run only then knows.",
            [],
            "give what makes the list instead, or what takes the elements.",
        )

    @classmethod
    def for_project_name(cls, name: str) -> Self:
        """A name that no project may have."""
        return cls(
            f"A project cannot be called {name!r}.",
            [],
            "give --name with letters, digits, '-', '_' and '.', such as --name churn.",
        )

    @classmethod
    def for_taken_files(cls, folder: str, files: Sequence[str]) -> Self:
        """A new project whose files would overwrite others."""
        return cls(
            f"'{folder}' has files that a new project would overwrite; nothing was written.",
            list_names("files", files),
            "name another folder, or move these away.",
        )

    @classmethod
    def for_unwritable_project(cls, folder: str, reason: str) -> Self:
        """A new project whose files cannot be written."""
        return cls(
            f"The project cannot be written: {reason}.", [("folder", folder)], "name a folder that you may write."
        )

    @classmethod
    def for_unsupported_system(cls, system: str) -> Self:
        """An operating system that flowkit does not run on."""
        return cls(
            f"flowkit does not run on {system} yet.",
            [("supported", "Linux, macOS")],
            "use it in the Windows Subsystem for Linux (WSL), or in a container.",
        )

    @classmethod
    def for_other_reference(cls, text: str, wanted: str, example: str) -> Self:
        """A reference of one kind where another kind is needed, as a model without a version."""
        return cls(f"{text!r} is not {wanted}.", [], f"write it as {example}.")

    @classmethod
    def for_export(cls, path: str, reason: str, hint: str) -> Self:
        """An artifact that cannot be written to that file."""
        return cls(f"Cannot export to '{path}': {reason}.", [("file", path)], hint)

    @classmethod
    def for_pickled_export(cls, path: str, digest: str, held: str) -> Self:
        """A stored table that holds pickle, to be written as another format."""
        return cls(
            f"Cannot export to '{path}': the table holds pickled values, and export never loads pickles.",
            [("file", path), ("artifact", digest), ("holds", held)],
            "convert those columns to text, numbers or dates in the step that makes the table, or write the file in a "
            "step that takes it.",
        )


class OutputError(FlowkitError):
    """What a command has to say cannot be written; exit code 1."""

    @classmethod
    def for_file(cls, path: str, reason: str) -> Self:
        """A file that cannot be written, as on a full disk."""
        return cls(f"Cannot write '{path}': {reason}.", [("file", path)], "make room, or choose another file.")

    @classmethod
    def for_stdout(cls, reason: str) -> Self:
        """Standard output that takes nothing more."""
        return cls(
            f"The output cannot be written: {reason}.",
            [],
            "make room where the output goes; what the command has recorded is kept, and `flowkit runs` shows it.",
        )


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


class ParameterError(UsageError):
    """A pipeline's parameter whose given value cannot be taken."""

    @classmethod
    def for_form(cls, text: str) -> Self:
        """A `-p` that is not `name=value`."""
        name = text if text.isidentifier() else "NAME"
        return cls(f"-p {text!r} is not of the form name=value.", [], f"write it as -p {name}=VALUE.")

    @classmethod
    def for_repeated(cls, name: str) -> Self:
        """A parameter given twice."""
        return cls(f"The parameter {name!r} is given twice.", [], f"give -p {name}=… once.")

    @classmethod
    def for_value(cls, pipeline: str, name: str, hint: str, given: str, origin: str, problem: str) -> Self:
        """A value that is not of the annotated type."""
        facts = [("parameter", f"{name}: {hint}"), ("given", given), ("from", origin)]
        if problem:
            facts.append(("problem", problem))
        remedy = f"give a value of type {hint}."
        if origin.startswith("-p") and hint not in _PLAIN and not problem.startswith("file"):
            remedy = f"give a value of type {hint}; lists and dicts as JSON, or -p {name}=@file.json."
        return cls(f"The pipeline {pipeline!r} cannot take this value of {name!r}.", facts, remedy)

    @classmethod
    def for_unsupported(cls, pipeline: str, name: str, hint: str) -> Self:
        """A type that no text can stand for."""
        return cls(
            f"The parameter {name!r} of pipeline {pipeline!r} cannot be given as text.",
            [("parameter", f"{name}: {hint}")],
            f"let a step read the {hint} from a Path, or pass it with fk.run().",
        )

    @classmethod
    def for_unkept(cls, pipeline: str, name: str, hint: str) -> Self:
        """A recorded run whose parameter had a value that no text can stand for."""
        return cls(
            f"The run cannot be repeated: its value of {name!r} was not of a kind that is recorded.",
            [("pipeline", pipeline), ("parameter", f"{name}: {hint}")],
            "run the pipeline again with fk.run() and that value.",
        )


class SelectionError(UsageError):
    """A selection that cannot be read, or that selects nothing."""

    @classmethod
    def for_form(cls, text: str, term: str) -> Self:
        """A term that is not one of dbt's forms."""
        return cls(
            f"The selection {text!r} cannot be read.",
            [("at", term or "nothing")],
            "write names with dbt's operators: 'train', '+train', 'train+', '2+train', '@train', 'tag:x', 'a b' or "
            "'a,b'.",
        )

    @classmethod
    def for_unknown_node(cls, name: str, known: Sequence[str]) -> Self:
        """A name that no node and no step bears."""
        return cls(
            f"No node is called {name!r}.",
            list_names("nodes", known),
            suggest(name, known, "see the nodes with `flowkit show`."),
        )

    @classmethod
    def for_element(cls, name: str, call: str) -> Self:
        """One element of a list that is known only when the pipeline runs."""
        return cls(
            f"{name!r} cannot be selected: {call!r} is mapped over a list that is known only when the pipeline runs.",
            [],
            f"select all of its elements with {call!r}.",
        )

    @classmethod
    def for_unknown_tag(cls, tag: str, known: Sequence[str]) -> Self:
        """A tag that no step bears."""
        return cls(
            f"No step has the tag {tag!r}.",
            list_names("tags", known),
            suggest(tag, known, "tag a step with @fk.step(tags=('…',))."),
        )

    @classmethod
    def for_nothing(cls, text: str) -> Self:
        """An intersection that is empty."""
        return cls(f"The selection {text!r} selects no node.", [], "see the nodes with `flowkit show`.")


class SettingError(UsageError):
    """A key or value of `[tool.flowkit]` that is not known."""

    @classmethod
    def for_unknown_key(cls, key: str, place: str, known: Sequence[str]) -> Self:
        """A key that is no setting."""
        return cls(
            f"There is no setting {key!r}.",
            [("in", place), ("settings", ", ".join(known))],
            suggest(key, known, "use one of the settings above."),
        )

    @classmethod
    def for_value(cls, key: str, place: str, wanted: str, given: object) -> Self:
        """A value that the setting cannot have."""
        return cls(
            f"The setting {key!r} must be {wanted}.",
            [("given", f"{given!r} ({type(given).__name__})"), ("in", place)],
            f"change it to {wanted}.",
        )

    @classmethod
    def for_unknown_environment(cls, name: str, place: str, known: Sequence[str]) -> Self:
        """An environment without a section."""
        return cls(
            f"There is no environment {name!r}.",
            [("in", place), *list_names("environments", known)],
            suggest(name, known, f"add a section [tool.flowkit.env.{name}]."),
        )

    @classmethod
    def for_unreadable(cls, path: str, reason: str) -> Self:
        """A `pyproject.toml` that cannot be read or is not TOML."""
        return cls(f"The configuration cannot be read: {reason}.", [("file", path)], "mend that file.")
