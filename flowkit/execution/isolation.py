"""What a step may change in its process and the next one must not see: folder, environment, umask, scratch files."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


@contextmanager
def isolated(root: Path) -> Iterator[None]:
    """Work in `root`, and afterwards put back the folder, the environment variables and the umask."""
    folder = os.getcwd()
    variables = _environment()
    mask = os.umask(0o022)
    os.umask(mask)
    os.chdir(root)
    try:
        yield
    finally:
        os.umask(mask)
        os.chdir(folder)
        if _environment() != variables:
            _restore_environment(variables)


def _environment() -> dict[bytes, bytes]:
    # The mapping's own dict: through the mapping each look would decode every variable, for every node.
    held = getattr(os.environb, "_data", None)
    return dict(held) if type(held) is dict else dict(os.environb)


def _restore_environment(variables: dict[bytes, bytes]) -> None:
    for name in set(os.environb) - set(variables):
        del os.environb[name]
    os.environb.update(variables)


class WorkFolder:
    """Gives each attempt an empty folder of its own. One that an attempt left empty serves the next as well.

    Args:
        base: A folder of its own; whoever made it removes it.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._count = 0
        self._current: Path | None = None
        self._has_inputs = False

    @property
    def path(self) -> Path:
        """The present attempt's folder."""
        if self._current is None:
            self._count += 1
            self._current = self._base / f"{self._count}" / "scratch"
            self._current.mkdir(parents=True)
        return self._current

    def inputs(self) -> Path:
        """Return a new folder beside the scratch folder, for files that an input consists of."""
        self._has_inputs = True
        return Path(tempfile.mkdtemp(prefix="input-", dir=self.path.parent))

    def reset(self) -> None:
        """Remove what the attempt left, unless that is nothing."""
        if self._current is None:
            return
        with suppress(OSError):
            if not self._has_inputs and not os.listdir(self._current):
                return
        shutil.rmtree(self._current.parent, ignore_errors=True)
        self._current = None
        self._has_inputs = False


def make_work_base() -> Path:
    """Return a new folder for temporary files, for its owner alone."""
    return Path(tempfile.mkdtemp(prefix="flowkit-work-"))


def remove_work_base(base: Path) -> None:
    """Remove such a folder with all that steps left in it."""
    shutil.rmtree(base, ignore_errors=True)


def reset_peak_memory() -> None:
    """Start to measure the highest resident memory anew, where the system can."""
    descriptor = _peak_control()
    if descriptor is not None:
        os.pwrite(descriptor, b"5", 0)


def read_peak_memory() -> int:
    """Return the highest resident memory since it was last reset, in bytes."""
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


@cache
def _peak_control() -> int | None:
    try:
        return os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        # No such control here: the peak is that of the whole process then.
        return None
