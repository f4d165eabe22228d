"""The files of a new project, made from the templates beside this package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from flowkit.errors import UsageError

TEMPLATES = Path(__file__).parents[1] / "templates" / "project"

# Listed, not searched for: tools leave files of their own among the templates. What starts with a dot in a project does
# not here, where it would hide the template from the build or make it speak to this repository.
_FILES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "Makefile": "Makefile",
    ".gitignore": "gitignore",
    ".github/workflows/test.yml": "github/workflows/test.yml",
    "pipelines/__init__.py": "pipelines/__init__.py",
    "pipelines/diabetes.py": "pipelines/diabetes.py",
    "tests/__init__.py": "tests/__init__.py",
    "tests/test_diabetes.py": "tests/test_diabetes.py",
}
"""Each file of a new project, and its template."""

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def project_name(folder: Path, given: str | None) -> str:
    """Return the name of a new project: the one given, else the folder's, made fit.

    Raises:
        UsageError: No distribution may be called so.
    """
    name = given if given is not None else re.sub(r"[^A-Za-z0-9._-]+", "-", folder.name).strip("._-")
    if not _NAME.fullmatch(name):
        raise UsageError.for_project_name(name)
    return name


def project_files(values: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every file by its path in the new project.

    Args:
        values: What stands for `{{name}}` and `{{flowkit}}`.
    """
    texts = {path: (TEMPLATES / template).read_text(encoding="utf-8") for path, template in _FILES.items()}
    return {path: _PLACE.sub(lambda match: values[match[1]], text) for path, text in texts.items()}


def write_project(folder: Path, files: Mapping[str, str]) -> None:
    """Write all files, or none where one is there already.

    Raises:
        UsageError: A file would be overwritten, or the folder cannot be written.
    """
    taken = [path for path in files if (folder / path).exists() or (folder / path).is_symlink()]
    blocked = [str(parent) for path in files for parent in Path(path).parents if (folder / parent).is_file()]
    if taken or blocked:
        raise UsageError.for_taken_files(str(folder), sorted({*taken, *blocked}))
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # "x" refuses what has come since the look above.
            with target.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError.for_unwritable_project(str(folder), error.strerror or str(error)) from error
