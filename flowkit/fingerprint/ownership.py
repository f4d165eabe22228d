"""Whose code a module is: the project's, which is followed, or somebody else's, which counts by name and version.

Third-party is only what lies in a `site-packages` folder and was installed from an index or an archive. All else that
is not the standard library or flowkit is the project's own: editable, local and version-control installs, additions to
`sys.path`, notebooks, and what the configuration's `code` names.
"""

from __future__ import annotations

import os
import sys
from enum import Enum
from types import ModuleType

from flowkit.fingerprint.packages import Packages, installed_packages
from flowkit.project import Project
from flowkit.source_imports import stdlib_folders


class Owner(Enum):
    """Whose a module is."""

    PROJECT = "project"
    STDLIB = "standard library"
    THIRD_PARTY = "third party"
    FLOWKIT = "flowkit"


_FLOWKIT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_INSTALLED = ("site-packages", "dist-packages")


class Ownership:
    """Answers whose a module is for one project and one state of the installed packages; remembers its answers."""

    def __init__(self, project: Project, packages: Packages) -> None:
        self.project = project
        self.packages = packages
        self._known: dict[tuple[str, str | None], Owner] = {}
        self._modules: dict[tuple[str, str], Owner] = {}
        self._folders = tuple(os.path.abspath(project.root / entry) for entry in project.code)

    def of_module(self, module: ModuleType) -> Owner:
        """Return the owner of a module object."""
        namespace = module.__dict__
        name, written = namespace.get("__name__"), namespace.get("__file__")
        if type(name) is str and written is None and "__path__" not in namespace:
            return self.of_file(name, None)
        if type(name) is not str or type(written) is not str or written[:1] != os.sep:
            name = getattr(module, "__name__", "")
            return self.of_file(name if isinstance(name, str) else "", file_of(module))
        kept = self._modules.get((name, written))
        if kept is None:
            kept = self._modules[name, written] = self.of_file(name, file_of(module))
        return kept

    def of_name(self, name: str) -> Owner:
        """Return the owner of a module by its name, loaded or not."""
        module = sys.modules.get(name)
        return self.of_file(name, None) if module is None else self.of_module(module)

    def of_file(self, name: str, file: str | None) -> Owner:
        """Return the owner of a module of that name and file; `file` is None for one without, such as a built-in."""
        key = (name, file)
        if key not in self._known:
            self._known[key] = self._without_file(name) if file is None else self._with_file(name, file)
        return self._known[key]

    def _without_file(self, name: str) -> Owner:
        top = name.partition(".")[0]
        if top == "flowkit":
            return Owner.FLOWKIT
        if top in sys.stdlib_module_names and not top.startswith("__main"):
            return Owner.STDLIB
        if top.startswith("_cython_"):
            # Where compiled extensions keep the types that they share.
            return Owner.THIRD_PARTY
        return self._of_install(top)

    def _with_file(self, name: str, file: str) -> Owner:
        if any(name == entry or name.startswith(f"{entry}.") for entry in self.project.code):
            return Owner.PROJECT
        if any(is_below(file, folder) for folder in self._folders):
            return Owner.PROJECT
        if is_below(file, _FLOWKIT):
            return Owner.FLOWKIT
        if top := _top_in_site_packages(file):
            return self._of_install(top)
        return Owner.STDLIB if any(is_below(file, folder) for folder in stdlib_folders()) else Owner.PROJECT

    def _of_install(self, top: str) -> Owner:
        distributions = self.packages.of_module(top)
        if not distributions or any(distribution.is_own_code for distribution in distributions):
            # A file that no distribution claims has no version that could count for it.
            return Owner.PROJECT
        return Owner.THIRD_PARTY


def owner(module: ModuleType | str, project: Project) -> Owner:
    """Return whose a module is, given as an object or by name."""
    ownership = Ownership(project, installed_packages())
    return ownership.of_name(module) if isinstance(module, str) else ownership.of_module(module)


def is_from_library(name: str) -> bool:
    """Whether a module is the standard library's, flowkit's or an installed release's, by its name alone."""
    top = name.partition(".")[0]
    if top == "flowkit" or top in sys.stdlib_module_names:
        return True
    distributions = installed_packages().of_module(top)
    return bool(distributions) and not any(distribution.is_own_code for distribution in distributions)


def project_modules(project: Project) -> dict[str, str]:
    """Return the absolute files of the project's modules that are loaded now, by module name."""
    ownership = Ownership(project, installed_packages())
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and ownership.of_module(module) is Owner.PROJECT:
            found[name] = os.path.abspath(file)
    return found


def file_of(module: ModuleType) -> str | None:
    """Return the absolute path of a module's file, or of a namespace package's first folder; None without one."""
    namespace = module.__dict__
    file = namespace.get("__file__")
    if isinstance(file, str):
        return os.path.abspath(file)
    folders = namespace.get("__path__")
    first = next(iter(folders), None) if folders is not None else None
    return os.path.abspath(first) if isinstance(first, str) else None


def is_below(file: str, folder: str) -> bool:
    """Whether an absolute path is a folder's or lies in it."""
    return file == folder or file.startswith(folder.rstrip(os.sep) + os.sep)


def _top_in_site_packages(file: str) -> str:
    """Return the top-level name under the innermost `site-packages` of a path; empty where there is none."""
    parts = file.split(os.sep)
    for place in range(len(parts) - 2, 0, -1):
        if parts[place] in _INSTALLED:
            return parts[place + 1].partition(".")[0]
    return ""
