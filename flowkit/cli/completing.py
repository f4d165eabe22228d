"""What the shell completes: targets, nodes, runs, models, environments. It reads sources and the store, runs nothing.

Where something is broken there is nothing to complete: a person who presses TAB is told so by the command itself.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from flowkit.cli.completers import Completer
from flowkit.cli.looking import open_store
from flowkit.cli.outlines import known_targets, read_outline
from flowkit.cli.references import RUN
from flowkit.config import environment_names
from flowkit.errors import FlowkitError
from flowkit.lineage.history import LAST, artifacts_of, find_run, list_runs, nodes_of
from flowkit.lineage.reader import Reader
from flowkit.project import Project
from flowkit.records import RETURN
from flowkit.registry.models import list_aliases, list_models

Words = Callable[[click.Context, str], Iterable[str]]

_MOST_RUNS = 20
_TAG = "tag:"
_OPERATORS = re.compile(r"[ ,@+]")
_BROKEN = (FlowkitError, OSError, sqlite3.Error, SyntaxError, ValueError, RecursionError)


def _completing(files: bool = False) -> Callable[[Words], Completer]:
    """Return a decorator that makes a completer of a function that gives words; `files` offers files where none fits.

    What is broken gives no words.
    """

    def decorate(words: Words) -> Completer:
        @functools.wraps(words)
        def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
            try:
                fitting = [word for word in dict.fromkeys(words(context, incomplete)) if word.startswith(incomplete)]
            except _BROKEN:
                fitting = []
            found = [CompletionItem(word) for word in fitting]
            return [CompletionItem(incomplete, type="file")] if files and not found else found

        return complete

    return decorate


@_completing(files=True)
def complete_target(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete a pipeline; for `why`, a run once it is begun."""
    project = Project.containing(Path.cwd())
    if context.command.name == "why" and incomplete and RUN.fullmatch(incomplete):
        return _runs(context)
    if incomplete.endswith(".py:") or ".py:" in incomplete:
        file = incomplete.rpartition(":")[0]
        return [f"{file}:{name}" for name in read_outline(file, project).pipelines]
    return known_targets(project)


@_completing()
def complete_node(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete a node of the run or the pipeline that stands before it."""
    return _nodes(context, _subject(context) or LAST)


@_completing()
def complete_selection(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete the last name of a selection, with what stands before it."""
    name = _OPERATORS.split(incomplete)[-1]
    start = incomplete[: len(incomplete) - len(name)]
    tags = _tags(context)
    if name.startswith(_TAG):
        return [f"{start}{_TAG}{tag}" for tag in tags]
    names = [*_nodes(context, _subject(context) or LAST), *([_TAG] if tags else [])]
    return [start + one for one in names]


@_completing()
def complete_parameter(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete the name of a pipeline's parameter."""
    target = _subject(context)
    if target is None or "=" in incomplete:
        return ()
    outline = read_outline(target, Project.containing(Path.cwd()))
    return [f"{name}=" for name in outline.parameters]


@_completing()
def complete_environment(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete an environment of the project's settings."""
    return environment_names(Project.containing(Path.cwd()))


@_completing()
def complete_run(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete a run: `last`, else the latest ones."""
    return _runs(context)


@_completing()
def complete_model(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete a model's name."""
    with _reader(context) as reader:
        return [row.model for row in list_models(reader)]


@_completing()
def complete_alias(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete `model@alias`."""
    with _reader(context) as reader:
        return [f"{row.model}@{row.alias}" for row in list_aliases(reader)]


@_completing(files=True)
def complete_version(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete `model@alias` and `model:version`."""
    with _reader(context) as reader:
        return _versions(reader)


@_completing(files=True)
def complete_what(context: click.Context, incomplete: str) -> Iterable[str]:
    """Complete what names an artifact: `RUN:NODE[.OUTPUT]`, `model@alias`, `model:version`; digests are not listed."""
    run, colon, _ = incomplete.partition(":")
    with _reader(context) as reader:
        if colon and RUN.fullmatch(run):
            return list(_outputs(reader, run))
        # Not for an empty word, where a file may be meant as well.
        return [*_versions(reader), *([f"{LAST}:"] if incomplete else [])]


def _versions(reader: Reader) -> list[str]:
    aliases = [f"{row.model}@{row.alias}" for row in list_aliases(reader)]
    return [*aliases, *(f"{row.model}:{row.version}" for row in reversed(list_models(reader)))]


def _outputs(reader: Reader, run: str) -> Iterator[str]:
    """Yield every output of a run as it may be typed; of a node with several, each of them."""
    for node, outputs in artifacts_of(reader, find_run(reader, run)).items():
        for output in outputs:
            yield f"{run}:{node}" if output.name == RETURN else f"{run}:{node}.{output.name}"


def _tags(context: click.Context) -> tuple[str, ...]:
    target = _subject(context)
    return () if target is None else read_outline(target, Project.containing(Path.cwd())).tags


def _subject(context: click.Context) -> str | None:
    """Return the target or the run that stands in the line already."""
    given = context.params.get("target") or context.params.get("run")
    # click leaves arguments unread where the last word is an option that still waits for its value.
    return str(given) if given else next(iter(context.args), None)


def _runs(context: click.Context) -> list[str]:
    with _reader(context) as reader:
        return [LAST, *(row.run for row in list_runs(reader, _MOST_RUNS))]


def _nodes(context: click.Context, text: str) -> list[str]:
    """Return the nodes of a run, or of a pipeline's latest run; of one that never ran, the steps in its file."""
    if RUN.fullmatch(text):
        with _reader(context) as reader:
            return [row.node for row in nodes_of(reader, find_run(reader, text))]
    outline = read_outline(text, Project.containing(Path.cwd()))
    try:
        with _reader(context) as reader:
            runs = [row.run for name in outline.pipelines for row in list_runs(reader, 1, name)]
            return [row.node for run in runs for row in nodes_of(reader, run)] or list(outline.steps)
    except FlowkitError:
        # There is no store yet, as nothing has run.
        return list(outline.steps)


@contextmanager
def _reader(context: click.Context) -> Iterator[Reader]:
    with open_store(context.params.get("env"), context.params.get("store")) as view:
        yield view.reader
