"""What a step may change in its process and the next one must not see: folder, environment, state, scratch files."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from msgspec import Struct

from flowkit.execution.identity import Identity
from flowkit.execution.interpreter_state import InterpreterState, disarm
from flowkit.execution.observing.noted import take_lasting, take_variables
from flowkit.execution.process_settings import ProcessSettings
from flowkit.execution.process_state import ProcessState
from flowkit.execution.process_tree import end_marked, keep_ties
from flowkit.execution.traces import text_of
from flowkit.execution.tracing import Tracing
from flowkit.store.forks import close_own, keep_from_forks

COPY_PREFIX = "flowkit-verify-"
"""How the names of folders begin that hold a copy of a project."""

WORK_PREFIX = "flowkit-work-"
"""How those begin that hold what steps and Dask leave for the moment."""

_ZONE = b"TZ"
_OWNER, _UNOWNED = "owner", "new"
_LEFT_SECONDS = 3600.0
"""How long a folder without an owner stays: it takes moments to make or remove one."""
_OWNED: dict[Path, int] = {}
"""The folders of this process, each with the descriptor that holds its lock."""


class Isolation(Struct):
    """Gives step after step its process as the first one found it.

    Attributes:
        marred: Whether a step has changed what cannot be put back, so that nothing more may run here.
        alone: Whether the process is there for steps only, so that nobody else has set an alarm or a tracer in it.
        error: Why not all of what the latest step has changed could be put back, where that failed.
    """

    marred: bool = False
    alone: bool = False
    error: Exception | None = None
    _before: _Before | None = None

    def begin(self, root: str) -> None:
        """Take note of the process before a step, and work in `root`."""
        if not self.alone or self._before is None or not self._before.holds:
            # Else nothing has changed it since it was put back: to read it again would take longer than all the rest.
            self._before = _Before(self.alone, self._before)
        take_variables()
        take_lasting()
        self.error = None
        os.chdir(root)

    def end(self) -> None:
        """Put back what the step may have changed of its process."""
        if self.alone:
            disarm()
        self._restore()
        if self.alone:
            # After it: with another user the kernel has forgotten the one to the parent.
            keep_ties()

    def _restore(self) -> None:
        assert self._before is not None, "begin() comes first"
        for restore in self._before.parts:
            try:
                whole = restore()
            except Exception as error:  # noqa: BLE001  (a step may leave anything where its process is looked at)
                self.error, whole = error, False
            if not whole:
                self.marred = True


def warn_of_marred(step: str, error: Exception, disposable: bool) -> str:
    """Return the warning that what a step has changed of its process could not be put back."""
    follows = "so that is replaced" if disposable else "and later steps run in it all the same"
    return (
        f"Step '{step}' left its process so that it cannot be put back, {follows}: {type(error).__name__}:"
        f" {text_of(error)}. Undo what a step changes of modules and of its process before it returns."
    )


class _Before:
    """The process as it was before a step, and is again when all of its parts have put back what they hold.

    Args:
        alone: Whether the process is there for steps only.
        known: As it was before an earlier step; what is still the same is not read again.

    Attributes:
        parts: What puts back a part each and says whether that is as it was.
    """

    def __init__(self, alone: bool, known: _Before | None) -> None:
        self._folder = os.getcwd()
        self._variables = _environment().copy()
        self._mask = os.umask(0o022)
        os.umask(self._mask)
        self._interpreter: InterpreterState = InterpreterState.read(None if known is None else known._interpreter)
        # A debugger that is attached while a step runs in the driver is to stay.
        tracing = (Tracing.read().restore,) if alone else ()
        self.parts: tuple[Callable[[], bool], ...] = (
            *tracing,
            # First the functions that the rest is done with, then the rights that it takes.
            self._interpreter.restore,
            Identity.read().restore,
            self._restore_place,
            self._restore_variables,
            ProcessSettings.read().restore,
            ProcessState.read().restore,
            _is_without_lasting,
        )

    @property
    def holds(self) -> bool:
        """Whether nothing was imported since, so that what was put back may serve for the next step as well."""
        return self._interpreter.holds

    def _restore_place(self) -> bool:
        os.umask(self._mask)
        return _enter(self._folder)

    def _restore_variables(self) -> bool:
        if _environment() != self._variables:
            _restore_environment(self._variables)
        put = take_variables()
        if put:
            _restore_own(put, self._variables)
        if _ZONE in put:
            # Also where `time` says the same as before: what C has may be another zone.
            time.tzset()
        return True


def _is_without_lasting() -> bool:
    return not take_lasting()


def _enter(folder: str) -> bool:
    try:
        os.chdir(folder)
    except OSError:
        # Removed, or out of reach for a process that sees only a part of the file system now.
        return False
    return True


def _environment() -> dict[bytes, bytes]:
    # The mapping's own dict: through the mapping each look would decode every variable, for every node.
    held = getattr(os.environb, "_data", None)
    return held if type(held) is dict else dict(os.environb)


def _restore_environment(variables: dict[bytes, bytes]) -> None:
    for name in set(os.environb) - set(variables):
        del os.environb[name]
    os.environb.update(variables)


def _restore_own(names: Collection[bytes], variables: Mapping[bytes, bytes]) -> None:
    """Put back what children and compiled code see of these variables, which may differ from `os.environ`."""
    for name in names:
        if name in variables:
            os.putenv(name, variables[name])
        else:
            os.unsetenv(name)


class WorkFolder:
    """Gives each attempt an empty folder of its own. One that an attempt left empty serves the next as well.

    Args:
        base: A folder of its own; whoever made it removes it.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._count = 0
        self._current: Path | None = None
        self._name = ""
        self._has_more = False

    @property
    def path(self) -> Path:
        """The present attempt's folder."""
        if self._current is None:
            self._count += 1
            self._current = self._base / f"{self._count}" / "scratch"
            self._current.mkdir(parents=True)
            self._name = str(self._current)
        return self._current

    def inputs(self) -> Path:
        """Return a new folder beside the scratch folder, for files that an input consists of."""
        self._has_more = True
        return Path(tempfile.mkdtemp(prefix="input-", dir=self.path.parent))

    def beside(self) -> Path:
        """Return where checkpoints go that nobody keeps."""
        self._has_more = True
        return self.path.parent / "checkpoints"

    def reset(self) -> None:
        """Remove what the attempt left, unless that is nothing."""
        if self._current is None:
            return
        if not self._has_more:
            with suppress(OSError):
                if not os.listdir(self._name):
                    return
        shutil.rmtree(self._current.parent, ignore_errors=True)
        self._current = None
        self._has_more = False


def make_work_base(prefix: str = WORK_PREFIX) -> Path:
    """Return a new folder for temporary files, for its owner alone; `remove_stale_bases` knows when that is dead."""
    base = Path(tempfile.mkdtemp(prefix=prefix))
    # Renamed once it is locked: nobody may find it without.
    descriptor = keep_from_forks(os.open(base / _UNOWNED, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    _OWNED[base] = descriptor
    if _lock(descriptor):
        os.rename(base / _UNOWNED, base / _OWNER)
    return base


def remove_work_base(base: Path) -> None:
    """Remove such a folder with all that steps left in it."""
    shutil.rmtree(base, ignore_errors=True)
    descriptor = _OWNED.pop(base, None)
    if descriptor is not None:
        close_own(descriptor)


def remove_stale_bases() -> None:
    """Remove this user's folders of these kinds whose owners were killed before they could."""
    with os.scandir(tempfile.gettempdir()) as entries:
        found = [Path(entry) for entry in entries if entry.name.startswith((WORK_PREFIX, COPY_PREFIX))]
    for base in found:
        with suppress(OSError):
            # What vanishes meanwhile, or belongs to somebody else, is not this process's to remove.
            status = os.lstat(base)
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and base not in _OWNED:
                _remove_if_stale(base, status.st_mtime)


def _remove_if_stale(base: Path, changed: float) -> None:
    try:
        descriptor = os.open(base / _OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        # Its owner was killed as it made or removed it, unless it does so just now, or there are no locks.
        if time.time() - changed > _LEFT_SECONDS and not (base / _UNOWNED).exists():
            shutil.rmtree(base, ignore_errors=True)
        return
    try:
        # The kernel drops a lock with its owner's life, also across containers, where a process id says nothing.
        if _lock(descriptor):
            # A step host bears its folder's name as its mark, and what its steps started may have outlived it.
            end_marked(str(base))
            shutil.rmtree(base, ignore_errors=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Held by another process, or a file system without locks: such a folder is left alone.
        return False
    return True


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
