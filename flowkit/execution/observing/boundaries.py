"""Which paths can be inputs of a step: not flowkit's own, not the installation's, not the system's."""

from __future__ import annotations

import os
import site
import sys
import tempfile
from collections.abc import Iterable

from msgspec import Struct

from flowkit.source_imports import stdlib_folders

_ARCHIVE = f"python{sys.version_info.major}{sys.version_info.minor}.zip"
_PACKAGES = ("site-packages", "dist-packages")
_NEVER = ("/proc", "/sys", "/dev", "/usr/share/zoneinfo", "/usr/share/locale")
"""What the system is, and its time zones and translations, which are read for whoever names one."""

_SYSTEM = ("/etc", "/usr/share", "/usr/lib", "/usr/local/share", "/lib", "/lib64", "/bin", "/sbin", "/var/lib", "/run")


class Boundaries(Struct, frozen=True):
    """What lies around one project.

    Attributes:
        root: The project's root, absolute and without links.
        own: Folders that are flowkit's: the store, and the step host's own.
    """

    root: str
    own: tuple[str, ...]

    def admit(self, path: str, *, direct: bool, started_ns: int) -> bool:
        """Whether what was read at an absolute path can be an input.

        Args:
            path: Absolute, normalised.
            direct: Whether the project's own code read it: then the system's and the user's files count too.
            started_ns: When the step began: temporary files that are younger are its own.
        """
        if _is_below(path, (*self.own, *_NEVER)) or path.endswith(".pyc") or _is_module(path):
            return False
        if _is_below(path, _INSTALLATION) or (_is_below(path, _PREFIX) and not _is_below(self.root, _PREFIX)):
            return False
        if _is_below(path, (tempfile.gettempdir(),)) and is_younger(path, started_ns):
            return False
        if direct or _is_below(path, (self.root,)):
            return True
        return not _is_below(path, _SYSTEM) and not _is_hidden_at_home(path)


def _installation() -> tuple[str, ...]:
    paths = {*stdlib_folders(), *site.getsitepackages(), site.getusersitepackages()}
    # The standard library may come as an archive, which is looked for whether it is there or not.
    paths |= {path for path in sys.path if os.path.basename(path) in (_ARCHIVE, *_PACKAGES)}
    paths |= {os.path.realpath(path) for path in paths if path}
    return tuple(sorted(os.path.normpath(path) for path in paths if path))


_INSTALLATION = _installation()

# The root of a system's own installation holds everything else as well.
_PREFIX = tuple({os.path.normpath(sys.prefix), os.path.realpath(sys.prefix)}.difference(("/usr", "/usr/local", "/")))
"""All that a virtual environment has; where the project lies in it, the project's files are not the environment's."""


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def _is_module(path: str) -> bool:
    """Whether the file is the source of a module that is loaded: its code counts by its fingerprint."""
    if not path.endswith(".py"):
        return False
    return any(getattr(module, "__file__", None) == path for module in list(sys.modules.values()))


def is_younger(path: str, started_ns: int) -> bool:
    """Whether a path was made or changed since a time."""
    try:
        return os.lstat(path).st_ctime_ns >= started_ns
    except OSError:
        return False


def _is_hidden_at_home(path: str) -> bool:
    home = os.path.expanduser("~")
    return path.startswith(home + os.sep) and path[len(home) + 1 :].startswith(".")
