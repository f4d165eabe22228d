"""From what a person types to a pipeline: `pipelines/taxi.py`, `pipelines/taxi.py:taxi`, `package.module:taxi`, `taxi`.

A file below the project's root is imported as the module it is there, so that its classes have one identity in the
driver and in workers. What has no such name (outside of the root, or a file name that is no identifier, or a name that
something else has taken) is loaded from its path under a name of its own.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import keyword
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from blake3 import blake3

from flowkit.authoring.pipeline import Pipeline
from flowkit.errors import FlowkitError, TargetError
from flowkit.execution.observing.imports import importing
from flowkit.frames import shorten, telling_place, user_frames
from flowkit.project import Project
from flowkit.source_imports import SourceLoader, install_source_imports

PIPELINES_FOLDER = "pipelines"


class Target(NamedTuple):
    """A loaded target.

    Attributes:
        text: The target as it is recorded: `pipelines/taxi.py:taxi`, relative to the project's root where it can be.
    """

    pipeline: Pipeline[Any, Any]
    project: Project
    text: str


def load_target(text: str, project: Project | None = None) -> Target:
    """Import the pipeline that `text` names, with its project's root first on `sys.path`.

    Args:
        text: A file, a file and a pipeline's name, a module and a pipeline's name, or a name below `pipelines/`, with
            a pipeline's name or without.
        project: The project it belongs to; a relative file then starts at its root. By default the one around it,
            and a relative file starts in the current folder.

    Raises:
        TargetError: It names no pipeline, or more than one, or its module cannot be imported.
        FlowkitError: What flowkit itself found wrong with a step or pipeline while the module was imported.
    """
    place, name = _split(text)
    if not place:
        raise TargetError.for_empty(text)
    if _is_path(place):
        path = _find_file(text, place, project)
        project = project or Project.containing(path)
        return _load_file(path, name, project)
    project = project or Project.containing(Path.cwd())
    if name is not None:
        return _load_module(text, place, name, project)
    return _load_name(place, project)


def describe_target(pipeline: Pipeline[Any, Any]) -> str:
    """Return the target that would load a pipeline which a program or notebook holds, as far as there is one."""
    name = pipeline.function.__qualname__
    file = Path(pipeline.location.file)
    if file.is_file():
        return f"{_relative(file.resolve(), Project.containing(file.parent))}:{name}"
    return f"{pipeline.function.__module__}:{name}"


def project_of(text: str) -> Project:
    """Return the project that a target belongs to, before anything of it is imported."""
    place, _ = _split(text)
    return Project.containing(Path(place) if _is_path(place) else Path.cwd())


def _split(text: str) -> tuple[str, str | None]:
    place, colon, name = text.rpartition(":")
    if not colon or "/" in name or name.endswith(".py"):
        return text, None
    return place, name


def _is_path(place: str) -> bool:
    # By `os.path`: what is too long for a file's name is none, where `Path` would raise.
    return place.endswith(".py") or os.sep in place or os.path.isfile(place)


def _find_file(target: str, place: str, project: Project | None) -> Path:
    base = project.root if project is not None else Path.cwd()
    path = Path(os.path.realpath(base / os.path.expanduser(place)))
    if os.path.isfile(path) and path.suffix == ".py":
        return path
    if os.path.exists(path):
        files = sorted(str(Path(place) / file.name) for file in path.glob("*.py")) if path.is_dir() else []
        raise TargetError.for_not_a_file(target, place, [file for file in files if not file.endswith("__init__.py")])
    raise TargetError.for_missing_file(target, place, _near(place, base))


def _near(place: str, base: Path) -> list[str]:
    """Return files that a person may have meant: the same one below the root, else those with a similar name."""
    import difflib

    root = Project.containing(base).root
    if os.path.isfile(root / place):
        return [os.path.relpath(root / place, base)]
    folder = (base / place).parent
    beside = [folder, root / PIPELINES_FOLDER, root]
    known = {
        file.name: os.path.relpath(file, base) for where in reversed(beside) for file in sorted(where.glob("*.py"))
    }
    return [known[name] for name in difflib.get_close_matches(Path(place).name, list(known), n=3)]


def _load_file(path: Path, name: str | None, project: Project) -> Target:
    shown = _relative(path, project)
    _put_first(project.root)
    module = _import_file(path, shown, project)
    attribute, pipeline = _choose(module, shown, name)
    return Target(pipeline, project, f"{shown}:{attribute}")


def _load_module(target: str, place: str, name: str, project: Project) -> Target:
    _put_first(project.root)
    if not all(part.isidentifier() for part in place.split(".")):
        raise TargetError.for_missing_module(target, place, str(project.root), _known_modules(project))
    if "." not in place and not _is_importable(place):
        holders = _holders(place, project)
        if len(holders) > 1:
            shown = [f"{_relative(path, project)}:{name}" for path in holders]
            raise TargetError.for_ambiguous_name(target, shown)
        if holders:
            return _load_file(holders[0], name, project)
    module = _importing(place, project, lambda: _import_named(target, place, project))
    attribute, pipeline = _choose(module, place, name)
    return Target(pipeline, project, f"{place}:{attribute}")


def _is_importable(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _holders(name: str, project: Project) -> list[Path]:
    """Return the files below `pipelines/` that are called `name`, else those that declare a pipeline of that name."""
    files = list(pipeline_sources(project.root / PIPELINES_FOLDER))
    named = [path for path in files if path.stem == name]
    return named or [path for path in files if name in declared_pipelines(path)]


def _load_name(name: str, project: Project) -> Target:
    """Load what bears `name` below `pipelines/`: a file, else a pipeline in one (found without importing any)."""
    folder = project.root / PIPELINES_FOLDER
    holders = _holders(name, project)
    if len(holders) == 1 and holders[0].stem == name:
        declared = declared_pipelines(holders[0])
        return _load_file(holders[0], name if len(declared) > 1 and name in declared else None, project)
    if len(holders) > 1:
        raise TargetError.for_ambiguous_name(name, [_target_of(path, name, project) for path in holders])
    if not holders:
        if os.path.isdir(name):
            _find_file(name, name, None)
        files = pipeline_sources(folder)
        known = dict.fromkeys(word for path in files for word in (path.stem, *declared_pipelines(path)))
        raise TargetError.for_unknown_name(name, str(folder), tuple(known))
    return _load_file(holders[0], name, project)


def _target_of(path: Path, name: str, project: Project) -> str:
    shown = _relative(path, project)
    return f"{shown}:{name}" if name in declared_pipelines(path) else shown


def pipeline_sources(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder, in order, but for packages' own and hidden ones."""
    for path in sorted(folder.rglob("*.py")):
        below = path.relative_to(folder).parts
        if path.name != "__init__.py" and not any(part.startswith((".", "__pycache__")) for part in below):
            yield path


def declared_pipelines(path: Path) -> tuple[str, ...]:
    """Return the names of the pipelines that a source declares, read and not run; none where it cannot be read."""
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source) if "pipeline" in source else ast.Module([], [])
    except (OSError, ValueError, SyntaxError):
        # A broken neighbour must not hide the pipeline that is asked for; asked for itself, it is imported and named.
        return ()
    return tuple(
        name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        for name in _names_given_by(decorator, function.name)
    )


def _names_given_by(decorator: ast.expr, function: str) -> tuple[str, ...]:
    call = decorator if isinstance(decorator, ast.Call) else None
    called = call.func if call is not None else decorator
    if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)) != "pipeline":
        return ()
    given = (keyword.value for keyword in (call.keywords if call is not None else []) if keyword.arg == "name")
    return (function, *(str(value.value) for value in given if isinstance(value, ast.Constant)))


def _put_first(root: Path) -> None:
    install_source_imports()
    text = str(root)
    if sys.path[:1] != [text]:
        sys.path[:] = [text, *(entry for entry in sys.path if entry != text)]
        importlib.invalidate_caches()


def _import_file(path: Path, shown: str, project: Project) -> ModuleType:
    return _importing(shown, project, lambda: _import_below_root(path, project) or _import_alone(path, project))


def _import_below_root(path: Path, project: Project) -> ModuleType | None:
    """Import `path` as the module that it is below the root; None where it has no name there, or another owns it."""
    name = _module_name(path, project)
    if name is None:
        return None
    known = sys.modules.get(name)
    if known is not None:
        return known if _is_at(known, path) else None
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        return None
    if spec is None or spec.origin is None or Path(spec.origin).resolve() != path:
        return None
    return importlib.import_module(name)


def _module_name(path: Path, project: Project) -> str | None:
    if not path.is_relative_to(project.root):
        return None
    parts = path.relative_to(project.root).with_suffix("").parts
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
        return None
    return ".".join(parts)


def _import_alone(path: Path, project: Project) -> ModuleType:
    # The name must not hold the absolute path: it would stand in every pickled class and differ by machine.
    tail = blake3(_relative(path, project).encode() if path.is_relative_to(project.root) else path.name.encode())
    name = f"flowkit_target_{re.sub(r'[^0-9A-Za-z]', '_', path.stem)}_{tail.hexdigest(4)}"
    known = sys.modules.get(name)
    if known is not None and _is_at(known, path):
        return known
    spec = importlib.util.spec_from_file_location(name, path, loader=SourceLoader(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_named(target: str, name: str, project: Project) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise TargetError.for_missing_module(target, name, str(project.root), _known_modules(project)) from None
        raise


def _importing(shown: str, project: Project, load: Callable[[], ModuleType]) -> ModuleType:
    """Return `load()`, with what a person's module raises told as theirs."""
    try:
        with telling_place(project.root), importing(str(project.root.resolve())):
            return load()
    except FlowkitError:
        raise
    except SyntaxError as error:
        raise _syntax_error(error, shown, project) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a person's module raises is told as theirs)
        frames = user_frames(error, project.root)
        if isinstance(error, SystemExit):
            raise TargetError.for_exiting_module(shown, error.code, frames) from None
        hint = "mend the last line above."
        if isinstance(error, ModuleNotFoundError):
            hint = f"install what gives {error.name!r} into {sys.prefix}, or mend the import."
        raise TargetError.for_failed_import(shown, error, frames, hint) from None


def _syntax_error(error: SyntaxError, shown: str, project: Project) -> TargetError:
    file = shorten(error.filename or shown, project.root)
    try:
        (project.root / file).read_bytes().decode("utf-8")
    except UnicodeDecodeError as problem:
        line = problem.object[: problem.start].count(b"\n") + 1
        if not error.text:
            return TargetError.for_source_encoding(file, line, problem.start, problem.object[problem.start])
    except OSError:
        # What was imported is gone by now; the parser's own words are what there is.
        return TargetError.for_syntax(file, error)
    return TargetError.for_syntax(file, error)


def _known_modules(project: Project) -> list[str]:
    names = (_module_name(path, project) for path in pipeline_sources(project.root / PIPELINES_FOLDER))
    return [name for name in names if name is not None]


def _is_at(module: ModuleType, path: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve() == path


def _choose(module: ModuleType, shown: str, name: str | None) -> tuple[str, Pipeline[Any, Any]]:
    found: dict[str, Pipeline[Any, Any]] = {}
    for attribute, value in vars(module).items():
        if isinstance(value, Pipeline) and value not in found.values():
            found[attribute] = value
    own = {key: value for key, value in found.items() if value.function.__module__ == module.__name__}
    if name is not None:
        for attribute, pipeline in found.items():
            if name in (attribute, pipeline.name):
                return attribute, pipeline
        raise TargetError.for_unknown_pipeline(shown, name, tuple(found))
    if not own:
        raise TargetError.for_no_pipeline(shown, tuple(found))
    if len(own) > 1:
        raise TargetError.for_many_pipelines(shown, tuple(own))
    return next(iter(own.items()))


def _relative(path: Path, project: Project) -> str:
    return str(path.relative_to(project.root) if path.is_relative_to(project.root) else path)
