"""Errors in how a command was called or configured; exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError, cut
from flowkit.errors.wording import list_names, suggest

_PLAIN = ("int", "float", "bool", "str", "Path")


class UsageError(FlowkitError):
    """A command, option, target or setting that does not fit."""

    exit_code: ClassVar[int] = 2

    @classmethod
    def for_command_line(cls, message: str, command: str) -> Self:
        """Options or arguments that a command does not take; `message` is the parser's sentence."""
        return cls(message, [], f"see what it takes with `{command} --help`.")

    @classmethod
    def for_unreadable_argument(cls, argument: str) -> Self:
        """An argument that the operating system could not hand over, nor take as part of a path."""
        return cls(
            "An argument holds a NUL byte, or half a character.",
            [("argument", cut(ascii(argument)))],
            "leave that out.",
        )

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
    def for_dry_rerun(cls) -> Self:
        """`verify --rerun` with --dry-run."""
        return cls(
            "`flowkit verify --rerun` takes no --dry-run: it changes nothing in any case.",
            [],
            "leave --dry-run away, or --rerun to only check what is stored.",
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

    @classmethod
    def for_pinned_path(cls, label: str) -> Self:
        """What came in as a path, to be pinned: there is nothing of it in the store that could stay."""
        return cls(
            f"'{label}' came in as a path: the store keeps its digest, not its content.",
            [("what", label)],
            "keep the file where it is; pin what a step made of it.",
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
