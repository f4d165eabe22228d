"""Project code that a stored value names: found again by its name, where it may not be loaded yet.

A name comes from a record of the store. Only modules of the project are ever imported for one.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Final

from flowkit.fingerprint.ownership import Owner, Ownership
from flowkit.fingerprint.packages import installed_packages
from flowkit.project import Project

MISSING: Final = object()
"""Stands for a name of the project behind which there is nothing now."""


class GoneNames:
    """Says of names that stored values bear whether their code is gone, at one moment; each is looked up once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._ownership: Ownership | None = None
        self._known: dict[str, bool] = {}

    def is_gone(self, name: str) -> bool:
        """Whether `module:qualified name` is the project's, and there is nothing behind it now."""
        if name not in self._known:
            if self._ownership is None:
                self._ownership = Ownership(self._project, installed_packages())
            self._known[name] = find_named(name, self._ownership) is MISSING
        return self._known[name]


def find_named(name: str, ownership: Ownership) -> Any:
    """Return what stands behind `module:qualified name`; None where it is not the project's.

    Where it is the project's and cannot be found, `MISSING` stands for it.
    """
    module_name, _, qualified = name.partition(":")
    if not _is_project(module_name, ownership):
        return None
    try:
        found: Any = sys.modules.get(module_name) or importlib.import_module(module_name)
    except Exception:  # noqa: BLE001  (a person's module may raise anything, and does so again where it is needed)
        return MISSING
    for part in qualified.split("."):
        if not hasattr(found, part):
            return MISSING
        found = getattr(found, part)
    return found


def _is_project(name: str, ownership: Ownership) -> bool:
    loaded = sys.modules.get(name)
    if isinstance(loaded, ModuleType):
        return ownership.of_module(loaded) is Owner.PROJECT
    return ownership.of_file(name, _file_of_top(name.partition(".")[0])) is Owner.PROJECT


def _file_of_top(top: str) -> str | None:
    """Return the file or first folder of a top-level module without importing it; None where there is none."""
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    places = [found.origin] if found.has_location else list(found.submodule_search_locations or ())
    return os.path.abspath(places[0]) if places and places[0] else None
