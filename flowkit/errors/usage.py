"""Errors in how a command was called or configured; exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from flowkit.errors.base import FlowkitError

_MOST_LISTED = 12


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
            _suggest(name, known, f"`{group} --help` says what each of them does."),
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


class TargetError(UsageError):
    """A target that names no pipeline, or more than one."""

    @classmethod
    def for_missing_file(cls, target: str, path: str, near: Sequence[str]) -> Self:
        """A file that is not there."""
        hint = f"did you mean {near[0]!r}?" if near else "give a file with a @fk.pipeline in it."
        return cls(f"There is no file '{path}'.", [("target", target), *_listed("near", near)], hint)

    @classmethod
    def for_not_a_file(cls, target: str, path: str, files: Sequence[str]) -> Self:
        """A folder, or something else that is no Python file."""
        hint = f"name a file in it, such as {files[0]!r}." if files else "name a Python file."
        return cls(f"'{path}' is not a Python file.", [("target", target), *_listed("files", files)], hint)

    @classmethod
    def for_unknown_name(cls, name: str, folder: str, known: Sequence[str]) -> Self:
        """A bare name that neither a file below `pipelines/` nor a pipeline in one bears."""
        return cls(
            f"There is no pipeline {name!r} below '{folder}'.",
            _listed("found", known),
            _suggest(name, known, "give its file, such as 'pipelines/taxi.py'."),
        )

    @classmethod
    def for_ambiguous_name(cls, name: str, targets: Sequence[str]) -> Self:
        """A bare name that several files bear."""
        return cls(
            f"{name!r} could be {len(targets)} pipelines.",
            _listed("found", targets),
            f"name the one that you mean: {targets[0]}.",
        )

    @classmethod
    def for_missing_module(cls, target: str, module: str, root: str) -> Self:
        """A module that cannot be found."""
        return cls(
            f"There is no module {module!r}.",
            [("target", target), ("project", root)],
            "give the file instead, or install the package that the module is in.",
        )

    @classmethod
    def for_no_pipeline(cls, target: str, imported: Sequence[str]) -> Self:
        """A module without a pipeline of its own."""
        return cls(
            f"'{target}' has no pipeline.",
            _listed("imported", imported),
            "decorate the function that calls the steps with @fk.pipeline."
            if not imported
            else f"name an imported one: {target}:{imported[0]}.",
        )

    @classmethod
    def for_many_pipelines(cls, target: str, names: Sequence[str]) -> Self:
        """A module with several pipelines, none of them named."""
        return cls(
            f"'{target}' has {len(names)} pipelines.",
            _listed("pipelines", names),
            f"name one of them: {target}:{names[0]}.",
        )

    @classmethod
    def for_unknown_pipeline(cls, target: str, name: str, names: Sequence[str]) -> Self:
        """A module that has no pipeline of that name."""
        return cls(
            f"'{target}' has no pipeline {name!r}.",
            _listed("pipelines", names),
            _suggest(name, names, "decorate the function with @fk.pipeline."),
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
        return cls(f"'{path}' cannot be imported: {said}.", _placed(frames), hint)

    @classmethod
    def for_failed_body(cls, pipeline: str, error: BaseException, frames: Sequence[str]) -> Self:
        """A pipeline whose body raises while the graph is built."""
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(
            f"The body of pipeline {pipeline!r} raised {said}.",
            _placed(frames),
            "mend it there; a pipeline's body only calls steps, and what computes belongs into a step.",
        )


class ParameterError(UsageError):
    """A pipeline's parameter whose given value cannot be taken."""

    @classmethod
    def for_form(cls, text: str) -> Self:
        """A `-p` that is not `name=value`."""
        return cls(f"-p {text!r} is not of the form name=value.", [], "write it as -p C=0.5.")

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
        remedy = f"give a value of {hint}."
        if origin.startswith("-p") and not problem.startswith("file"):
            remedy = f"give a value of {hint}; lists and dicts as JSON, or -p {name}=@file.json."
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
            "write names with dbt's operators: 'train', '+train', 'train+', '2+train', 'tag:x', 'a b' or 'a,b'.",
        )

    @classmethod
    def for_unknown_node(cls, name: str, known: Sequence[str]) -> Self:
        """A name that no node and no step bears."""
        return cls(
            f"No node is called {name!r}.",
            _listed("nodes", known),
            _suggest(name, known, "see the nodes with `flowkit show`."),
        )

    @classmethod
    def for_unknown_tag(cls, tag: str, known: Sequence[str]) -> Self:
        """A tag that no step bears."""
        return cls(
            f"No step has the tag {tag!r}.",
            _listed("tags", known),
            _suggest(tag, known, "tag a step with @fk.step(tags=('…',))."),
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
            _suggest(key, known, "use one of the settings above."),
        )

    @classmethod
    def for_unavailable(cls, key: str, place: str) -> Self:
        """A setting whose feature this version does not have."""
        return cls(
            f"The setting {key!r} is not available in this version of flowkit.",
            [("in", place)],
            f"remove {key!r} there.",
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
            [("in", place), *_listed("environments", known)],
            _suggest(name, known, f"add a section [tool.flowkit.env.{name}]."),
        )

    @classmethod
    def for_unreadable(cls, path: str, reason: str) -> Self:
        """A `pyproject.toml` that cannot be read or is not TOML."""
        return cls(f"The configuration cannot be read: {reason}.", [("file", path)], "mend that file.")


class NotRecordedError(UsageError):
    """A run, node, artifact or model that the store does not know."""

    @classmethod
    def for_run(cls, text: str, known: Sequence[str]) -> Self:
        """An id, or the beginning of one, that no run bears."""
        return cls(
            f"No run is called {text!r}." if known else "No run has been recorded in this store yet.",
            _listed("latest", known),
            _suggest(text, known, "see the runs with `flowkit runs`." if known else "start one with `flowkit run`."),
        )

    @classmethod
    def for_ambiguous(cls, what: str, text: str, candidates: Sequence[str]) -> Self:
        """A prefix that several runs or artifacts share."""
        return cls(
            f"{text!r} could be more than one {what}.",
            _listed("candidates", candidates),
            "give more of its characters.",
        )

    @classmethod
    def for_artifact(cls, text: str) -> Self:
        """A digest, or the beginning of one, that no artifact has."""
        return cls(
            f"No artifact has a digest that starts with {text!r}.",
            [],
            "give 4 or more of its hexadecimal digits; see the artifacts with `flowkit artifact list`.",
        )

    @classmethod
    def for_model(cls, model: str, known: Sequence[str]) -> Self:
        """A model of which no version was registered."""
        return cls(
            f"No model is called {model!r}.",
            _listed("models", known),
            _suggest(model, known, "see the models with `flowkit models list`."),
        )

    @classmethod
    def for_version(cls, model: str, version: int, known: Sequence[int]) -> Self:
        """A version that the model does not have."""
        return cls(
            f"The model {model!r} has no version {version}.",
            _listed("versions", [str(number) for number in known]),
            f"see them with `flowkit models show {model}`.",
        )

    @classmethod
    def for_alias(cls, model: str, alias: str, known: Sequence[str]) -> Self:
        """An alias that points to no version of the model."""
        return cls(
            f"The model {model!r} has no {alias!r}.",
            _listed("aliases", known),
            f"promote a version to it: flowkit models promote {model}:N --to {alias}.",
        )

    @classmethod
    def for_node(cls, run: str, node: str, known: Sequence[str]) -> Self:
        """A node that the run, or the pipeline, does not have."""
        return cls(
            f"There is no node {node!r} in {run!r}.",
            _listed("nodes", known),
            _suggest(node, known, "use one of the nodes above."),
        )

    @classmethod
    def for_output(cls, node: str, output: str, known: Sequence[str]) -> Self:
        """An output that the node did not give, or none named of several (`output` is empty)."""
        said = f"gave no output {output!r}" if output else f"gave {len(known)} outputs, and none is named"
        return cls(
            f"The node {node!r} {said}.",
            _listed("outputs", known),
            _suggest(
                output, known, f"write it as {node}.{known[0]}." if known else "look at its log: it has no output."
            ),
        )

    @classmethod
    def for_file(cls, path: str, digest: str) -> Self:
        """A file whose content no run has met."""
        return cls(
            f"The content of '{path}' has not been an input or output of any run.",
            [("digest", digest)],
            "it may have changed since; see the artifacts there are with `flowkit artifact list`.",
        )

    @classmethod
    def for_log(cls, run: str, node: str, outcome: str, lost: str) -> Self:
        """A node without captured output, or whose log (`lost`) is gone."""
        if lost:
            return cls(
                f"The log of {node!r} in run {run!r} is gone.", [("log", lost)], "run the node again with --force."
            )
        hint = "it printed nothing." if outcome in ("executed", "reused", "failed") else "it did not run."
        return cls(f"There is no log of {node!r} in run {run!r}.", [("outcome", outcome)], hint)


def _listed(label: str, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return a fact that lists `names`, the first ones of many; no fact for none."""
    listed = list(names)
    if not listed:
        return []
    rest = f", … {len(listed) - _MOST_LISTED} more" if len(listed) > _MOST_LISTED else ""
    return [(label, ", ".join(listed[:_MOST_LISTED]) + rest)]


def _placed(frames: Sequence[str]) -> list[tuple[str, str]]:
    """Return a fact that says where it happened, a line a frame; no fact for none."""
    return [("at", "\n".join(frames))] if frames else []


def _suggest(name: str, known: Sequence[str], otherwise: str) -> str:
    """Return the hint: the known name that is most like `name`, else `otherwise`."""
    found = nearest_name(name, known)
    return f"did you mean {found!r}?" if found else otherwise


def nearest_name(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that is most like `name`, in another case first; None where none is close."""
    import difflib  # ponderous for a module that every command loads

    same = [other for other in known if other.lower() == name.lower()]
    close = same or difflib.get_close_matches(name, known, n=1)
    return close[0] if close else None
