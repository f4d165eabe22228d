"""What a pipeline's source says of it, read and not run: its steps and its parameters, for completion."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from flowkit.project import Project
from flowkit.targets import PIPELINES_FOLDER, declared_pipelines, pipeline_sources


class Outline(Struct, frozen=True):
    """What stands in the file of a target.

    Attributes:
        pipelines: The names of its pipelines, the one meant alone where the target names one.
        steps: The names of its steps.
        parameters: Those of its pipelines, in order.
        tags: Those that its steps bear.
    """

    pipelines: tuple[str, ...]
    steps: tuple[str, ...]
    parameters: tuple[str, ...]
    tags: tuple[str, ...] = ()


def known_targets(project: Project) -> tuple[str, ...]:
    """Return what may be typed for a pipeline below `pipelines/`: names, then files."""
    files = list(pipeline_sources(project.root / PIPELINES_FOLDER))
    holding = {file: declared for file in files if (declared := declared_pipelines(file))}
    names = dict.fromkeys(name for declared in holding.values() for name in declared)
    return (*names, *(str(file.relative_to(project.root)) for file in holding))


def read_outline(target: str, project: Project) -> Outline:
    """Return the outline of a target; an empty one where no file can be told from it.

    Raises:
        OSError: The file cannot be read.
        SyntaxError: It is not Python.
        ValueError: It is no text.
    """
    file, name = _find(target, project)
    if file is None:
        return Outline((), (), ())
    functions = [item for item in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(item, ast.FunctionDef)]
    pipelines = [item for item in functions if "pipeline" in _decorators(item) and name in (None, item.name)]
    steps = tuple(item.name for item in functions if "step" in _decorators(item))
    arguments = [item.args for item in pipelines]
    named = dict.fromkeys(one.arg for given in arguments for one in (*given.args, *given.kwonlyargs))
    tags = dict.fromkeys(tag for item in functions for decorator in item.decorator_list for tag in _tags(decorator))
    return Outline(tuple(item.name for item in pipelines), steps, tuple(named), tuple(tags))


def _find(target: str, project: Project) -> tuple[Path | None, str | None]:
    place, colon, name = target.rpartition(":")
    if colon and place.endswith(".py"):
        return Path(place), name
    if target.endswith(".py"):
        return Path(target), None
    if colon:
        return project.root.joinpath(*place.split(".")).with_suffix(".py"), name
    for file in pipeline_sources(project.root / PIPELINES_FOLDER):
        declared = declared_pipelines(file)
        if target in declared or file.stem == target:
            return file, target if target in declared else None
    return None, None


def _tags(decorator: ast.expr) -> Iterator[str]:
    """Yield the tags that a decorator spells out."""
    for given in decorator.keywords if isinstance(decorator, ast.Call) else ():
        if given.arg == "tags" and isinstance(given.value, (ast.Tuple, ast.List)):
            for item in given.value.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield item.value


def _decorators(function: ast.FunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
