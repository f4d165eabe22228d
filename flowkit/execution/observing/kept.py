"""What functions behind `functools.lru_cache` and `cache`, and modules while they were imported, have read.

Later nodes of the process use it unread. It counts, as it was when it was read, for every later node whose code reaches
the function or the module. If what a function read has changed by the time such a node begins, the caches are emptied,
so that the node sees what its key says. A module is not imported again: a node that reaches it is not trusted then.

What other functions may have kept, wherever they do, counts in the same way for every later node that has not read it
itself. The latest of their reads stands for all, and nobody is told of it, as it may be none of the node's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from flowkit.execution.observing.account import Look
from flowkit.execution.observing.callers import is_projects, names_body
from flowkit.execution.observing.keepers import Keeping
from flowkit.fingerprint.observed import ObservedKind
from flowkit.fingerprint.stamps import stamp_path
from flowkit.garbage import all_objects

Kept = tuple[ObservedKind, str]
"""A kind and an absolute path, or the name of an environment variable."""
Digest = Callable[[ObservedKind, str], str]

_SEVERAL = "several"
"""Instead of a digest: it has been read in more than one state, or nobody knows in which."""


class KeptReads:
    """What has been read by functions that keep their results, by name of function."""

    def __init__(self) -> None:
        self._looks: dict[str, dict[Kept, Look]] = {}
        self._lasting: dict[str, dict[Kept, Look]] = {}
        self._pending: list[tuple[Keeping, Kept, Look]] = []
        self._told: set[tuple[Kept, str | None]] = set()
        self._settled = True

    def concern(self, names: Collection[str]) -> bool:
        """Whether something may have been kept by any of these."""
        return not (self._looks.keys().isdisjoint(names) and self._lasting.keys().isdisjoint(names))

    def keep(self, functions: Iterable[str], kept: Kept, look: Look) -> None:
        """Keep what was read while these functions were on the way."""
        for function in functions:
            self._settled = False
            known = self._looks.setdefault(function, {}).setdefault(kept, look)
            if known is not look and not known.is_like(look):
                self._looks[function][kept] = Look(digest=_SEVERAL)

    def keep_lasting(self, keeping: Keeping, kept: Kept, look: Look) -> None:
        """Keep what may have been kept elsewhere, until it is known at the end of the node whether that is there."""
        self._settled = False
        self._pending.append((keeping, kept, look))

    def settle(self, digest: Digest) -> None:
        """Digest what has been kept by its stamp alone, at the end of the node that read it."""
        if self._settled:
            return
        for keeping, kept, look in self._pending:
            if keeping.alive is None or any(ref() is not None for ref in keeping.alive):
                for name in keeping.names:
                    self._lasting.setdefault(name, {})[kept] = look
        self._pending.clear()
        for looks in (*self._looks.values(), *self._lasting.values()):
            for (kind, name), look in looks.items():
                if look.digest is None:
                    same = stamp_path(Path(name)) == look.stamp
                    look.digest = digest(kind, name) if same else _SEVERAL
        self._settled = True

    def forget(self, written: Collection[str]) -> None:
        """Forget what modules looked at before they, or the step that imported them, wrote it: it is their own."""
        if not written:
            return
        for function, looks in (*self._looks.items(), *self._lasting.items()):
            if names_body(function) or looks is self._lasting.get(function):
                own = [
                    kept
                    for kept in looks
                    if (f"${kept[1]}" if kept[0] is ObservedKind.VARIABLE else kept[1]) in written
                ]
                for kept in own:
                    del looks[kept]

    def of(self, functions: Collection[str]) -> Iterator[tuple[Kept, str]]:
        """Yield what these functions may have kept, with its digest when it was read."""
        for function in functions:
            for kept, look in self._looks.get(function, {}).items():
                yield kept, look.digest or _SEVERAL

    def lasting_of(self, names: Collection[str]) -> Iterator[tuple[Kept, str]]:
        """Yield what may be kept elsewhere by those who are reached, with its digest when it was last read."""
        for name in names:
            for kept, look in self._lasting.get(name, {}).items():
                yield kept, look.digest or _SEVERAL

    def refresh(self, functions: Collection[str], digest: Digest) -> None:
        """Empty the caches of the project's functions where something that these have read is not as it was."""
        cached = [function for function in functions if not names_body(function)]
        looks = [item for function in cached for item in self._looks.get(function, {}).items()]
        if not all(_is_as_it_was(kept, look, digest) for kept, look in looks):
            # One cache may hold what another one gave, so that all are emptied.
            _empty_caches()
            self._looks = {name: looks for name, looks in self._looks.items() if names_body(name)}
        elif self._is_news(functions, digest):
            # What is kept elsewhere may hang on a cache.
            _empty_caches()

    def _is_news(self, names: Collection[str], digest: Digest) -> bool:
        """Whether something that may be kept elsewhere is not as it was, for the first time."""
        told = {
            (kept, look.digest)
            for name in names
            for kept, look in self._lasting.get(name, {}).items()
            if (kept, look.digest) not in self._told and not _is_as_it_was(kept, look, digest)
        }
        self._told |= told
        return bool(told)


def _is_as_it_was(kept: Kept, look: Look, digest: Digest) -> bool:
    kind, name = kept
    if look.stamp is not None and look.digest != _SEVERAL and stamp_path(Path(name)) == look.stamp:
        return True
    return look.digest is not None and look.digest == digest(kind, name)


def _empty_caches() -> None:
    for found in all_objects():
        if type(found) is functools._lru_cache_wrapper and is_projects(found.__wrapped__):
            found.cache_clear()
