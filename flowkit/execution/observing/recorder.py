"""Keeps what the step that runs now has read undeclared. One step runs in a process at a time."""

from __future__ import annotations

import linecache
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from msgspec import Struct

from flowkit.execution.observing.account import Account, Look, Noted
from flowkit.execution.observing.boundaries import Boundaries
from flowkit.execution.observing.callers import Caller, find_caller
from flowkit.execution.observing.kept import KeptReads
from flowkit.execution.observing.places import absolute_place
from flowkit.execution.process_tree import MARK
from flowkit.fingerprint.environment import ABSENT
from flowkit.fingerprint.observed import ObservedDigests, ObservedKind, name_of
from flowkit.fingerprint.stamps import stamp_path
from flowkit.records import ObservedInput

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


class Observation(Struct):
    """What one step has read undeclared.

    Attributes:
        inputs: With digests, in order.
        own: Those of them that the step looked for, did not find, and made itself: they count as it left them, and
            nobody need declare them.
        inherited: Those of them that an earlier step read, and that this one may have been spared: they count in case
            it was, and nobody is told of them.
        unstable: Names of files that changed while the step ran, so that nobody knows what it read.
        programs: Names of programs that it started; what they read is not seen.
        connected: Whether it opened a network connection.
    """

    inputs: tuple[ObservedInput, ...] = ()
    own: frozenset[ObservedInput] = frozenset()
    inherited: frozenset[ObservedInput] = frozenset()
    unstable: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    connected: bool = False


class Recorder:
    """The one place that the watches of this process report to."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._accounts: list[Account] = []
        self._busy: set[int] = set()
        self._kept = KeptReads()

    @property
    def active(self) -> bool:
        """Whether a step runs whose reads count."""
        return bool(self._accounts)

    def observing(
        self,
        boundaries: Boundaries,
        *,
        declared: Iterable[Path] = (),
        variables: Collection[str] = (),
        reaches: Collection[str] = (),
    ) -> AbstractContextManager[Observation]:
        """Count what is read meanwhile; the observation is filled in at the end.

        Args:
            boundaries: The project.
            declared: Files and folders that the step was given: they count already.
            variables: Environment variables that it declares.
            reaches: Names of the functions that its fingerprint holds: it inherits what these keep of earlier reads.
        """
        places = tuple(os.path.abspath(path) for path in declared)
        return _Observing(self, Account(boundaries, places, variables, reaches, time.time_ns()))

    def begin(self, account: Account) -> None:
        """Count for a step what is read from now on; no other one may begin until its end."""
        self._lock.acquire()
        try:
            if self._kept.concern(account.reaches):
                self._kept.refresh(account.reaches, account.digest)
        except BaseException:
            self._lock.release()
            raise
        self._accounts.append(account)

    def end(self, account: Account, observation: Observation | None) -> None:
        """End the count, and fill in the observation of a step that has not failed."""
        try:
            self._accounts.remove(account)
            # A step that fails leaves to later ones what it has read.
            self._keep_from(account)
            if observation is not None:
                self._conclude(account, observation)
        finally:
            self._lock.release()

    @contextmanager
    def importing(self, boundaries: Boundaries) -> Iterator[None]:
        """Keep what modules of the project read while they are imported: it counts for each node that reaches them."""
        account = Account(boundaries, (), (), (), time.time_ns())
        with self._lock:
            self._accounts.append(account)
            try:
                yield
            finally:
                self._accounts.remove(account)
            self._keep_from(account)

    # -- what the watches tell ---------------------------------------------------------------------------------------

    def read(
        self,
        kind: ObservedKind,
        path: object,
        *,
        only_direct: bool = False,
        follows: bool = False,
        folder: object = None,
    ) -> None:
        """Take note that a path is about to be read.

        Args:
            kind: What of it.
            path: As it was given.
            only_direct: Whether this is nothing where a library does it.
            follows: Whether a link is read, which counts in the project even where a path is only made plain.
            folder: What a relative path is relative to, if not to the working directory.
        """
        with self._attending() as account:
            if account is None:
                return
            caller = find_caller(sys._getframe(2), account.thread)
            if caller is None or (only_direct and not caller.direct):
                return
            if not _REMOVING.isdisjoint(caller.through) or (caller.finding and kind is not ObservedKind.FILE):
                return
            place = absolute_place(path, folder)
            if place is None:
                return
            if only_direct and not _MAKING.isdisjoint(caller.through):
                if not follows or not place.startswith(account.boundaries.root + os.sep):
                    return
            elif kind is ObservedKind.LINK and not follows and not _LINKS.issuperset(caller.through):
                kind = ObservedKind.EXISTENCE
            self._note(account, kind, place, caller)

    def write(self, how: Callable[[Account, str], None], path: object, *, folder: object = None) -> None:
        """Take note, in a way of the account's, that a path is about to be written, made or removed."""
        with self._attending() as account:
            place = absolute_place(path, folder) if account is not None else None
            if account is not None and place is not None:
                how(account, place)

    def write_from(
        self,
        how: Callable[[Account, str, str], None],
        source: tuple[object, object],
        target: tuple[object, object],
    ) -> None:
        """Take note that a path is about to be moved or linked; each is given with the folder it is relative to."""
        with self._attending() as account:
            if account is not None:
                places = absolute_place(*source), absolute_place(*target)
                if places[0] is not None and places[1] is not None:
                    how(account, places[0], places[1])

    def read_variable(self, name: str) -> None:
        """Take note that an environment variable was asked for."""
        with self._attending() as account:
            caller = find_caller(sys._getframe(2), account.thread) if account is not None and name != MARK else None
            if account is None or caller is None or not caller.direct:
                return
            if (name in _USUAL or name.startswith(_USUAL_PREFIXES)) and not _PLAIN_ACCESS.issuperset(caller.through):
                return
            noted = (ObservedKind.VARIABLE, name)
            look = account.look(*noted)
            if not account.is_own(*noted):
                account.looks.setdefault(noted, look)
            self._keep(caller, noted, look)

    def wrote_variable(self, name: str) -> None:
        """Take note that the step set an environment variable."""
        with self._attending() as account:
            if account is not None:
                account.written.add(f"${name}")

    def started_program(self, program: str, arguments: Iterable[object], folder: object = None) -> None:
        """Take note of a program that the project's own code starts in a folder, and of the files that it is given."""
        with self._attending() as account:
            caller = find_caller(sys._getframe(2), account.thread) if account is not None else None
            if account is None or caller is None or not caller.direct:
                return
            account.programs[program] = None
            place = absolute_place(program, folder) if os.sep in program else None
            if place is not None and place.startswith(account.boundaries.root + os.sep):
                self._note(account, ObservedKind.FILE, place, caller)
            for argument in arguments:
                given = None if isinstance(argument, int) else absolute_place(argument, folder)
                if given is not None and os.path.isfile(given):
                    self._note(account, ObservedKind.FILE, given, caller)

    def connected(self) -> None:
        """Take note that a connection is about to be opened over a network."""
        with self._attending() as account:
            if account is not None and not account.connected:
                caller = find_caller(sys._getframe(2), account.thread)
                account.connected = caller is not None and caller.own

    # -- the rest ----------------------------------------------------------------------------------------------------

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """Take no note of what this thread does meanwhile."""
        with self._attending():
            yield

    @contextmanager
    def _attending(self) -> Iterator[Account | None]:
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

    def _note(self, account: Account, kind: ObservedKind, place: str, caller: Caller) -> None:
        look = account.note(kind, place, direct=caller.direct)
        if look is not None:
            self._keep(caller, (kind, place), look)
        if caller.lines:
            account.lines.add(place)

    def _keep(self, caller: Caller, kept: tuple[ObservedKind, str], look: Look) -> None:
        self._kept.keep(caller.cached, kept, look)
        if caller.keeping is not None:
            self._kept.keep_lasting(caller.keeping, kept, look)

    def _keep_from(self, account: Account) -> None:
        self._kept.settle(account.digest)
        self._kept.forget(account.written)
        _drop_lines(account.lines)

    def _conclude(self, account: Account, observation: Observation) -> None:
        observation.programs = tuple(account.programs)
        observation.connected = account.connected
        if account.looks or self._kept.concern(account.reaches):
            self._conclude_reads(account, observation)

    def _conclude_reads(self, account: Account, observation: Observation) -> None:
        root = Path(account.boundaries.root)
        digests = ObservedDigests(root)
        values: dict[Noted, str] = {}
        unstable: dict[str, None] = {}
        made = {noted for noted, look in account.looks.items() if look.digest == ABSENT and account.has_made(*noted)}
        for (kind, name), look in account.looks.items():
            if account.is_of_new_database(kind, name):
                continue
            values[kind, name] = look.digest or digests.digest(kind, name)
            if (kind, name) in made:
                values[kind, name] = digests.digest(kind, name)
            if look.stamp is not None and stamp_path(root / name) != look.stamp:
                unstable[name] = None
        for (kind, place), before in self._kept.of(account.reaches):
            if kind is not ObservedKind.VARIABLE and place in account.written:
                continue
            name = place if kind is ObservedKind.VARIABLE else name_of(place, account.boundaries.root)
            if before != (values.get((kind, name)) or digests.digest(kind, name)):
                unstable[name] = None
            if not account.is_own(kind, place):
                values.setdefault((kind, name), before)
        inherited: set[Noted] = set()
        for (kind, place), before in self._kept.lasting_of(account.reaches):
            name = place if kind is ObservedKind.VARIABLE else name_of(place, account.boundaries.root)
            if (kind, name) not in values and not account.is_own(kind, place):
                values[kind, name] = before
                inherited.add((kind, name))
        observation.inputs = tuple(ObservedInput(*item) for item in sorted(_inputs_in(values, account)))
        observation.inherited = frozenset(item for item in observation.inputs if (item.kind, item.name) in inherited)
        observation.own = frozenset(item for item in observation.inputs if (item.kind, item.name) in made)
        observation.unstable = tuple(unstable)


class _Observing:
    """Counts what a step reads while it runs."""

    def __init__(self, recorder: Recorder, account: Account) -> None:
        self._recorder = recorder
        self._account = account
        self._observation = Observation()

    def __enter__(self) -> Observation:
        self._recorder.begin(self._account)
        return self._observation

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._recorder.end(self._account, self._observation if kind is None else None)


def _drop_lines(places: Collection[str]) -> None:
    """Let `linecache` forget what a step asked it for, so that the next one reads it."""
    cache = linecache.cache if places else {}
    for name in [name for name in list(cache) if absolute_place(name) in places]:
        del cache[name]


def _inputs_in(values: Mapping[Noted, str], account: Account) -> Iterator[tuple[str, str, str]]:
    """Yield what counts: that something is there does not, where its content does, or the step made it after a look."""
    root = account.boundaries.root
    content = {name for kind, name in values if kind in _CONTENT}
    for (kind, name), value in values.items():
        place = os.path.normpath(os.path.join(root, name))
        made = place in account.written and os.path.lexists(place)
        if kind is not ObservedKind.EXISTENCE or not (name in content or made):
            yield kind.value, name, value


_CONTENT = frozenset({ObservedKind.FILE, ObservedKind.LISTING, ObservedKind.TREE})
_LINKS = frozenset({"is_symlink", "islink", "lexists", "lstat", "stat"})
"""Functions of the standard library that ask about a link itself."""
_MAKING = frozenset({"makedirs", "mkdir", "realpath", "_joinrealpath", "resolve"})
"""Functions of the standard library that look before they make a folder, or follow links: their looks are no input."""
_REMOVING = frozenset({"rmtree", "_rmtree_safe_fd", "_rmtree_unsafe"})
"""Functions of the standard library that look for what they are to remove."""

RECORDER = Recorder()
"""This process's recorder."""
