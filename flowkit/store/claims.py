"""Which driver computes which key just now: byte locks in one file, that the kernel frees when their holder dies.

A claim on a cache key is a POSIX lock on one byte of `claims`, at an offset that the key gives; the file itself stays
tiny. Beside them stand a shared lock of everybody who is on the store, and the name of who came last: a driver that is
alone, and has been since it looked, need not look twice.

Hazards of these locks, and what is done here: they belong to the process, so runs of one process exclude each other by
a table; closing any descriptor of the file drops them all, so a process has one, shared and kept open while a run needs
it; they are not inherited, so a forked process begins anew. A step or a notebook may open the file all the same, to
copy the store, or remove it: so whoever claims, or looks, first goes over to the file that is there, and a thread takes
again what was dropped.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from msgspec import Struct

from flowkit.errors import StoreError
from flowkit.records import Digest
from flowkit.store.files import PRIVATE_FILE
from flowkit.store.folder import StoreFolder, reporting

_NAME_BYTES = 16
_PRESENCE = 16
_FIRST = 64
"""Where the claims begin; before them stand the name of who came last and the lock of everybody who is there."""

_KEY_DIGITS = 15
"""How many hexadecimal digits of a key give its place: 60 bits, as many as an offset can take safely."""

RENEW_SECONDS = 0.5
"""How often a run takes again what it holds, as it may have lost it unawares."""

_HELD = (errno.EACCES, errno.EAGAIN)
_FLOCK = struct.Struct("@qqihh") if sys.platform == "darwin" else struct.Struct("@hhqqi4x")


class Holder(Struct, frozen=True):
    """Who holds a claim.

    Attributes:
        pid: Its process; 0 where the system does not tell, as of another machine's.
        run: Its run, where it is one of this process.
    """

    pid: int
    run: str = ""


class Moment(Struct, frozen=True):
    """Who was on a store at a moment: whoever came last, and whether this run was alone."""

    last: bytes
    alone: bool


class Claims:
    """The claims of one run; safe to use from several threads.

    Attributes:
        refusal: Why the system does not lock this file; empty where it does. Nothing is claimed then, and all is free.
    """

    def __init__(self, file: _File, path: str, run: str) -> None:
        self._file = file
        self._path = path
        self._run = run

    @classmethod
    def join(cls, folder: StoreFolder, run: str) -> Self:
        """Come to a store as `run`, to claim what it computes.

        Raises:
            StoreError: The file cannot be made or opened.
        """
        path = f"{folder.path}/claims"
        with reporting("keep claims", folder.path / "claims"), _GUARD:
            file = _open(path)
            file.add(run)
        return cls(file, path, run)

    def leave(self) -> None:
        """Let everything go. What is let go again later is none of anybody's business."""
        with _GUARD:
            if self._file.remove(self._run):
                _FILES.pop(self._file.identity, None)

    @property
    def refusal(self) -> str:
        """Why the system does not lock this file; empty where it does."""
        return self._file.refusal

    def take(self, key: Digest) -> bool:
        """Claim a key, and return whether this run holds it now; never waits."""
        return key in self.take_all([key])

    def take_all(self, keys: Iterable[Digest]) -> set[Digest]:
        """Claim keys, and return those that this run holds now; never waits."""
        with _GUARD:
            file = self._renewed()
            return {key for key in keys if file.take(_place(key), self._run)}

    def release(self, key: Digest) -> None:
        """Let a key go that this run holds; nothing happens where it does not."""
        with _GUARD:
            self._file.release(_place(key), self._run)

    def find_holder(self, key: Digest) -> Holder | None:
        """Return who else holds a key; None where it is free, or this run's own."""
        with _GUARD:
            return self._renewed().find_holder(_place(key), self._run)

    def look_around(self) -> Moment:
        """Return who is here now, before looking up what may be claimed later."""
        with _GUARD:
            return self._renewed().look_around()

    def undisturbed_since(self, moment: Moment) -> bool:
        """Whether nobody else can have computed anything since a moment. Ask after claiming."""
        return moment.alone and self._file.read_last() == moment.last

    def renew_until(self, over: threading.Event) -> None:
        """Take again what was dropped behind this run's back, again and again, until told that it is over.

        Not with every claim: one call for each that is held would make a wide run's cost grow with its square.
        """
        while not over.wait(RENEW_SECONDS):
            # A folder that is gone is told to whoever claims next.
            with suppress(StoreError), _GUARD:
                if not over.is_set():
                    self._renewed().lock_again()

    def _renewed(self) -> _File:
        """Return the file that others use now; in a new one all that this run holds is taken, as far as it can be."""
        try:
            status = os.lstat(self._path)
            if (status.st_dev, status.st_ino) == self._file.identity:
                return self._file
        except FileNotFoundError:
            # Removed: it is made anew.
            pass
        held, left = self._file.held_by(self._run), self._file
        with reporting("keep claims", Path(self._path)):
            self._file = _open(self._path)
            self._file.add(self._run)
        for place in held:
            self._file.take(place, self._run)
        if left.remove(self._run):
            _FILES.pop(left.identity, None)
        return self._file


@contextmanager
def joined(folder: StoreFolder, run: str) -> Iterator[Claims]:
    """Be on a store as `run` for as long as the block runs; everything that it still claims is let go then.

    Raises:
        StoreError: The file of claims cannot be made or opened.
    """
    claims = Claims.join(folder, run)
    over = threading.Event()
    renewing = threading.Thread(target=claims.renew_until, args=(over,), name="flowkit-claims", daemon=True)
    renewing.start()
    try:
        yield claims
    finally:
        over.set()
        claims.leave()


class _File:
    """The one descriptor that this process has of a claims file, and who in the process holds what."""

    def __init__(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.refusal = ""
        self._descriptor = descriptor
        self._runs: set[str] = set()
        self._holders: dict[int, str] = {}
        self._lock = threading.Lock()

    def add(self, run: str) -> None:
        """Let a run in. The lock comes before the name: who reads no new name finds nobody new, or nobody at all."""
        with self._lock:
            self._runs.add(run)
            self._try_lock(fcntl.LOCK_SH, _PRESENCE)
            os.pwrite(self._descriptor, os.urandom(_NAME_BYTES), 0)

    def remove(self, run: str) -> bool:
        """Let go what a run holds, and close the file after the last one; return whether it was the last."""
        with self._lock:
            for place in [place for place, holder in self._holders.items() if holder == run]:
                self._unlock(place)
            self._runs.discard(run)
            if self._runs or self._descriptor < 0:
                return False
            os.close(self._descriptor)
            self._descriptor = -1
            return True

    def held_by(self, run: str) -> list[int]:
        with self._lock:
            return [place for place, holder in self._holders.items() if holder == run]

    def lock_again(self) -> None:
        """Take what is held once more, which changes nothing unless the locks were dropped behind this one's back."""
        with self._lock:
            if not self._try_lock(fcntl.LOCK_SH, _PRESENCE):
                return
            for place in [place for place in self._holders if not self._try_lock(fcntl.LOCK_EX, place)]:
                # Dropped, and another process has it by now: both compute it.
                del self._holders[place]

    def take(self, place: int, run: str) -> bool:
        with self._lock:
            holder = self._holders.get(place)
            if holder is not None:
                return holder == run
            if not self._try_lock(fcntl.LOCK_EX, place):
                return False
            self._holders[place] = run
            return True

    def release(self, place: int, run: str) -> None:
        with self._lock:
            if self._holders.get(place) == run:
                self._unlock(place)

    def find_holder(self, place: int, run: str) -> Holder | None:
        with self._lock:
            holder = self._holders.get(place)
            if holder is not None:
                return None if holder == run else Holder(os.getpid(), holder)
            return self._ask(place)

    def look_around(self) -> Moment:
        """Read the name first: who comes between the two is then seen by the one or, later, by the other."""
        with self._lock:
            last = self._read_last()
            return Moment(last, len(self._runs) == 1 and self._ask(_PRESENCE) is None)

    def read_last(self) -> bytes:
        with self._lock:
            return self._read_last()

    def _read_last(self) -> bytes:
        return os.pread(self._descriptor, _NAME_BYTES, 0)

    def _ask(self, place: int) -> Holder | None:
        """Return another process that holds a lock on a place; this one's own locks do not count."""
        if self.refusal:
            return None
        asked = fcntl.fcntl(self._descriptor, fcntl.F_GETLK, _pack_flock(fcntl.F_WRLCK, place))
        kind, pid = _unpack_flock(asked)
        return None if kind == fcntl.F_UNLCK else Holder(max(pid, 0))

    def _try_lock(self, mode: int, place: int) -> bool:
        if self.refusal:
            return True
        try:
            fcntl.lockf(self._descriptor, mode | fcntl.LOCK_NB, 1, place)
        except OSError as error:
            if error.errno in _HELD:
                return False
            self.refusal = error.strerror or str(error)
        return True

    def _unlock(self, place: int) -> None:
        del self._holders[place]
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, place)
        except OSError as error:
            self.refusal = error.strerror or str(error)


_FILES: dict[tuple[int, int], _File] = {}
_GUARD = threading.Lock()


def _open(path: str) -> _File:
    """Return this process's one descriptor of the file; a second must not even be opened, as closing it unlocks all."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        known = None
    else:
        known = _FILES.get((status.st_dev, status.st_ino))
    if known is None:
        known = _File(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE))
        _FILES[known.identity] = known
    return known


def _begin_anew() -> None:
    """Forget, in a forked process, what the parent holds: locks are not inherited."""
    global _GUARD
    _FILES.clear()
    _GUARD = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def _place(key: Digest) -> int:
    return _FIRST + int(key[:_KEY_DIGITS], 16)


def _pack_flock(kind: int, place: int) -> bytes:
    if sys.platform == "darwin":
        return _FLOCK.pack(place, 1, 0, kind, os.SEEK_SET)
    return _FLOCK.pack(kind, os.SEEK_SET, place, 1, 0)


def _unpack_flock(data: bytes) -> tuple[int, int]:
    """Return the kind of a lock and the process that holds it."""
    fields = _FLOCK.unpack(data)
    if sys.platform == "darwin":
        return fields[3], fields[2]
    return fields[0], fields[4]
