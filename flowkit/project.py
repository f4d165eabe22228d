"""The project that a pipeline belongs to: its root folder and what in it counts as project code."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct


class Project(Struct, frozen=True):
    """A project's root, and further places or module names whose code counts as the project's own.

    Attributes:
        root: Absolute path; relative paths in defaults and configuration start here, and steps run here.
        code: Module names or folders from `[tool.flowkit] code`, on top of what lies in the project.
    """

    root: Path
    code: tuple[str, ...] = ()

    @classmethod
    def containing(cls, path: Path, code: tuple[str, ...] = ()) -> Project:
        """Return the project around `path`: the nearest folder at or above it with a `pyproject.toml`, else here."""
        # By `os.path`: a path that is too long for the system is not there, where `Path` would raise.
        start = Path(os.path.realpath(path))
        for folder in (start, *start.parents):
            if os.path.isfile(folder / "pyproject.toml"):
                return cls(folder, code)
        return cls(Path.cwd(), code)
