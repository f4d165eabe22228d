"""What is known of one step while it runs: what it has looked at, as that was then, and what it has written."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from msgspec import Struct, field

from flowkit.execution.observing.boundaries import Boundaries, is_younger
from flowkit.fingerprint.observed import ObservedDigests, ObservedKind, name_of
from flowkit.fingerprint.stamps import PathStamp, stamp_path

Noted = tuple[ObservedKind, str]
"""A kind and a name."""


class Look(Struct):
    """What something was like when it was looked at: its digest, or a stamp where digesting is left for later."""

    stamp: PathStamp | None = None
    digest: str | None = None

    def is_like(self, other: Look) -> bool:
        """Whether both saw the same, as far as can be told without reading."""
        if self.stamp is not None and other.stamp is not None:
            return self.stamp == other.stamp
        return self.digest is not None and self.digest == other.digest


class _Alias(Struct, frozen=True):
    """A name that the step gave to what was there before, with its stamp if the old name is gone."""

    source: str
    stamp: PathStamp | None


class Account(Struct):
    """What is known of one step while it runs.

    Attributes:
        declared: Paths that it was given.
        variables: Environment variables that it declares.
        reaches: Names of the functions that its fingerprint holds.
        started_ns: When it began.
        looks: What it has looked at.
        written: Paths that hold what the step wrote or made, or nothing since it removed that; `$NAME` for variables.
        programs: Names of programs that it started, in order.
        connected: Whether it opened a connection over a network.
        thread: The number of the thread that it runs in.
        lines: Files whose lines `linecache` keeps for it.
    """

    boundaries: Boundaries
    declared: tuple[str, ...]
    variables: Collection[str]
    reaches: Collection[str]
    started_ns: int
    looks: dict[Noted, Look] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    programs: dict[str, None] = field(default_factory=dict)
    connected: bool = False
    thread: int = field(default_factory=threading.get_ident)
    lines: set[str] = field(default_factory=set)
    _databases: set[str] = field(default_factory=set)
    _changed: dict[str, PathStamp | None] = field(default_factory=dict)
    _aliases: dict[str, _Alias] = field(default_factory=dict)

    def note(self, kind: ObservedKind, place: str, *, direct: bool) -> Look | None:
        """Take note of a look at a path and return what was seen; None where it cannot be an input of any step."""
        alias, place = self._source_of(place)
        if alias is not None and (kind is ObservedKind.LINK or (alias.stamp and kind is ObservedKind.EXISTENCE)):
            return None
        if not self.boundaries.admit(place, direct=direct, started_ns=self.started_ns):
            return None
        noted = (kind, name_of(place, self.boundaries.root))
        look = self.looks.get(noted) or self.look(kind, place)
        if look.stamp is not None:
            before = alias.stamp if alias is not None else self._changed.get(place)
            look.stamp = before or look.stamp
        elif alias is not None and alias.stamp is not None and alias.source == place:
            look = Look(alias.stamp)
        moved = alias is not None and alias.stamp is not None
        if _is_declared(place, self.declared) if moved else self.is_own(kind, place):
            return look
        self.looks.setdefault(noted, look)
        return look

    def look(self, kind: ObservedKind, name: str) -> Look:
        """Look now: content is digested at the end, and what is quickly told is told now, as the step saw it."""
        root = Path(self.boundaries.root)
        place = root / name
        if (kind is ObservedKind.FILE and place.is_file()) or (kind is ObservedKind.TREE and place.exists()):
            return Look(stamp_path(place))
        return Look(digest=self.digest(kind, name))

    def digest(self, kind: ObservedKind, name: str) -> str:
        """Return the digest of something as it is now."""
        return ObservedDigests(Path(self.boundaries.root)).digest(kind, name)

    def is_own(self, kind: ObservedKind, name: str) -> bool:
        """Whether something counts already or is the step's own doing: declared, or written by it."""
        if kind is ObservedKind.VARIABLE:
            return name in self.variables or f"${name}" in self.written
        return name in self.written or _is_declared(name, self.declared)

    def has_made(self, kind: ObservedKind, name: str) -> bool:
        """Whether the step made a file that it had looked for, and the file is still there."""
        place = self._place_of(name)
        return kind is ObservedKind.FILE and place in self.written and os.path.lexists(place)

    def is_of_new_database(self, kind: ObservedKind, name: str) -> bool:
        """Whether a file belongs to a database that was not there before the step connected to it, and is there now."""
        place = self._place_of(name)
        database = place.removesuffix("-wal")
        return kind is ObservedKind.FILE and database in self._databases and os.path.lexists(database)

    def _place_of(self, name: str) -> str:
        return os.path.normpath(os.path.join(self.boundaries.root, name))

    # -- what the step writes: told before it happens, so that each looks whether it can happen ------------------------

    def open_to_write(self, place: str, flags: int) -> None:
        """Take note of a file opened to write: what was in it before is gone, or stays an input when it is read."""
        if not os.path.lexists(place):
            if flags & os.O_CREAT:
                self._own(place)
        elif flags & os.O_EXCL or not os.access(place, os.W_OK) or os.path.isdir(place):
            return
        elif flags & os.O_TRUNC:
            self._own(place)
            self._own(os.path.realpath(place))
        elif place not in self.written:
            self.change(place)

    def connect(self, place: str) -> None:
        """Take note of a database that is connected to; where there is none, what is first done with it makes it."""
        if not os.path.lexists(place):
            self._databases.add(place)

    def change(self, place: str) -> None:
        """Take note that a file that was there is changed: read later, it is not what it was."""
        if place not in self.written:
            self._changed.setdefault(place, stamp_path(Path(place)))

    def make(self, place: str) -> None:
        """Take note of a new folder; the call fails, or is ignored, where something is there."""
        if not os.path.lexists(place):
            self._own(place)

    def remove(self, place: str) -> None:
        """Take note that a file or link is removed; of a folder the call fails."""
        if os.path.islink(place) or not os.path.isdir(place):
            self._own(place)

    def remove_folder(self, place: str) -> None:
        """Take note that a folder is removed; the call fails where it is not empty."""
        try:
            empty = not os.listdir(place)
        except OSError:
            return
        if empty:
            self._own(place)

    def rename(self, source: str, target: str) -> None:
        """Take note of a new name; what was there before the step is still read by whoever reads it there."""
        if not os.path.lexists(source) or (os.path.isdir(target) and not os.path.isdir(source)):
            return
        if source in self.written or is_younger(source, self.started_ns):
            self._own(source)
            self._own(target)
            below = [path for path in self.written if path.startswith(source + os.sep)]
            self.written.update(target + path[len(source) :] for path in below)
        else:
            self.written.discard(target)
            self._aliases[target] = _Alias(source, stamp_path(Path(source)))

    def link(self, source: str, target: str) -> None:
        """Take note of a new link, hard or symbolic."""
        if os.path.lexists(target):
            return
        if source in self.written:
            self._own(target)
        else:
            self.written.discard(target)
            self._aliases[target] = _Alias(source, None)

    def _own(self, place: str) -> None:
        self.written.add(place)
        self._aliases.pop(place, None)
        self._changed.pop(place, None)

    def _source_of(self, place: str) -> tuple[_Alias | None, str]:
        for target, alias in self._aliases.items():
            if place == target or (place.startswith(target + os.sep) and place not in self.written):
                return alias, alias.source + place[len(target) :]
        return None, place


def _is_declared(place: str, declared: Iterable[str]) -> bool:
    return any(place == path or place.startswith(path + os.sep) for path in declared)
