"""Keeps what the step that runs now has read undeclared. One step runs in a process at a time."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.observing.callers import Caller, find_caller
from flowkit.execution.process_tree import MARK
from flowkit.fingerprint.observed import ObservedDigests, ObservedKind, name_of
from flowkit.fingerprint.stamps import stamp_path
from flowkit.records import Digest, ObservedInput, Stamp

Noted = tuple[ObservedKind, str]
"""A kind and a name."""

_THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
_USUAL = frozenset(
    {
        *("PATH", "HOME", "LANG", "LANGUAGE", "TERM", "TMPDIR", "TEMP", "TMP", "PWD", "USER", "LOGNAME", "SHELL"),
        *("COLUMNS", "LINES", "LOKY_MAX_CPU_COUNT", "POLARS_MAX_THREADS"),
        *(f"{name}_NUM_THREADS" for name in _THREADS),
    }
)
_USUAL_PREFIXES = ("LC_", "PYTHON", "XDG_")
_PLAIN_ACCESS = frozenset({"get", "getenv", "__getitem__", "__contains__", "pop", "setdefault", "getenvb"})


@dataclass(slots=True)
class Observation:
    """What one step has read undeclared.

    Attributes:
        inputs: With digests, in order.
        unstable: Names of files that changed while the step ran, so that nobody knows what it read.
        programs: Names of programs that it started; what they read is not seen.
        connected: Whether it opened a network connection.
    """

    inputs: tuple[ObservedInput, ...] = ()
    unstable: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    connected: bool = False


@dataclass(slots=True)
class _Account:
    """What is known of one step while it runs."""

    boundaries: Boundaries
    declared: tuple[str, ...]
    variables: Collection[str]
    reaches: Collection[str]
    started_ns: int
    values: dict[Noted, str] = field(default_factory=dict)
    stamps: dict[Noted, Stamp | Digest | None] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    programs: dict[str, None] = field(default_factory=dict)
    connected: bool = False


class Recorder:
    """The one place that the watches of this process report to."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._accounts: list[_Account] = []
        self._busy: set[int] = set()
        self._cached: dict[str, dict[Noted, None]] = {}

    @property
    def active(self) -> bool:
        """Whether a step runs whose reads count."""
        return bool(self._accounts)

    @contextmanager
    def observing(
        self,
        boundaries: Boundaries,
        *,
        declared: Iterable[Path] = (),
        variables: Collection[str] = (),
        reaches: Collection[str] = (),
    ) -> Iterator[Observation]:
        """Count what is read meanwhile; the observation is filled in at the end.

        Args:
            boundaries: The project.
            declared: Files and folders that the step was given: they count already.
            variables: Environment variables that it declares.
            reaches: Names of the functions that its fingerprint holds: it inherits what these keep of earlier reads.
        """
        observation = Observation()
        places = tuple(os.path.abspath(path) for path in declared)
        account = _Account(boundaries, places, variables, reaches, time.time_ns())
        with self._lock:
            self._accounts.append(account)
            try:
                yield observation
            finally:
                self._accounts.remove(account)
            self._conclude(account, observation)

    # -- what the watches tell ---------------------------------------------------------------------------------------

    def read(self, kind: ObservedKind, path: object, *, only_direct: bool = False) -> None:
        """Take note that a path is about to be read."""
        with self._attending() as account:
            if account is None:
                return
            caller = find_caller(sys._getframe(2))
            place = _absolute(path)
            if caller is None or place is None or (only_direct and not caller.direct):
                return
            if only_direct and not _MAKING.isdisjoint(caller.through):
                return
            self._note(account, kind, place, caller)

    def wrote(self, path: object) -> None:
        """Take note that a path is about to be written: what the step reads back is its own."""
        with self._attending() as account:
            place = _absolute(path)
            if account is not None and place is not None:
                account.written.add(place)

    def read_variable(self, name: str) -> None:
        """Take note that an environment variable was asked for."""
        with self._attending() as account:
            if account is None or name == MARK or name in account.variables or f"${name}" in account.written:
                return
            caller = find_caller(sys._getframe(2))
            if caller is None or not caller.direct:
                return
            if (name in _USUAL or name.startswith(_USUAL_PREFIXES)) and not _PLAIN_ACCESS.issuperset(caller.through):
                return
            noted = (ObservedKind.VARIABLE, name)
            account.values.setdefault(noted, ObservedDigests(Path(account.boundaries.root)).digest(*noted))
            self._keep_for_later(caller, noted)

    def wrote_variable(self, name: str) -> None:
        """Take note that the step set an environment variable."""
        with self._attending() as account:
            if account is not None:
                account.written.add(f"${name}")

    def started_program(self, program: str, arguments: Iterable[object]) -> None:
        """Take note of a program that the project's own code starts, and of the files that it is given."""
        with self._attending() as account:
            caller = find_caller(sys._getframe(2)) if account is not None else None
            if account is None or caller is None or not caller.direct:
                return
            account.programs[program] = None
            for argument in arguments:
                place = _absolute(argument)
                if place is not None and os.path.isfile(place):
                    self._note(account, ObservedKind.FILE, place, caller)

    def connected(self) -> None:
        """Take note that a connection is about to be opened over a network."""
        with self._attending() as account:
            if account is not None and not account.connected:
                caller = find_caller(sys._getframe(2))
                account.connected = caller is not None and caller.own

    # -- the rest ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _attending(self) -> Iterator[_Account | None]:
        """Yield the account of the step that runs; None inside of another note, so that no note causes notes."""
        me = threading.get_ident()
        if not self._accounts or me in self._busy:
            yield None
            return
        self._busy.add(me)
        try:
            yield self._accounts[-1]
        finally:
            self._busy.discard(me)

    def _note(self, account: _Account, kind: ObservedKind, place: str, caller: Caller) -> None:
        if place in account.written or _is_declared(place, account.declared):
            return
        if not account.boundaries.admit(place, direct=caller.direct, started_ns=account.started_ns):
            return
        noted = (kind, name_of(place, account.boundaries.root))
        self._keep_for_later(caller, noted)
        if noted not in account.values and noted not in account.stamps:
            _take(account, noted, Path(place))

    def _keep_for_later(self, caller: Caller, noted: Noted) -> None:
        for function in caller.cached:
            self._cached.setdefault(function, {})[noted] = None

    def _conclude(self, account: _Account, observation: Observation) -> None:
        root = Path(account.boundaries.root)
        for function in account.reaches:
            for noted in self._cached.get(function, ()):
                if noted not in account.values and noted not in account.stamps:
                    _take(account, noted, root / noted[1])
        digests = ObservedDigests(root)
        unstable = []
        values: dict[Noted, str] = dict(account.values)
        for noted, stamp in account.stamps.items():
            values[noted] = digests.digest(*noted)
            if stamp_path(root / noted[1]) != stamp:
                unstable.append(noted[1])
        content = {name for kind, name in values if kind is not ObservedKind.EXISTENCE}
        kept = sorted(
            (kind.value, name, value)
            for (kind, name), value in values.items()
            if kind is not ObservedKind.EXISTENCE or name not in content
        )
        observation.inputs = tuple(ObservedInput(*item) for item in kept)
        observation.unstable = tuple(unstable)
        observation.programs = tuple(account.programs)
        observation.connected = account.connected


def _take(account: _Account, noted: Noted, place: Path) -> None:
    """Note a name: content is digested at the end, and what is quickly told is told now, as the step saw it."""
    kind, name = noted
    if (kind is ObservedKind.FILE and place.is_file()) or (kind is ObservedKind.TREE and place.exists()):
        account.stamps[noted] = stamp_path(place)
    else:
        account.values[noted] = ObservedDigests(Path(account.boundaries.root)).digest(kind, name)


_MAKING = frozenset({"makedirs", "mkdir", "realpath", "_joinrealpath", "resolve"})
"""Functions of the standard library that look before they make a folder, or follow links: their looks are no input."""


def _absolute(path: object) -> str | None:
    if isinstance(path, (str, bytes, os.PathLike)):
        try:
            return os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError):
            return None
    return None


def _is_declared(place: str, declared: Iterable[str]) -> bool:
    return any(place == path or place.startswith(path + os.sep) for path in declared)


RECORDER = Recorder()
"""This process's recorder."""
