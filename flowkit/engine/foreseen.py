"""Results that a run will probably ask for, fetched together before it asks for them one by one.

A chain of which everything is reused becomes known node by node: a node's key needs what the one before gave. What the
pipeline's last run used is what such a run will want, so all of it is fetched in one query as soon as it is seen that
nodes do not come all at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from flowkit.records import Digest, Entry


class Results(Protocol):
    """Where results are looked up."""

    def find_entries(self, keys: Sequence[Digest], /) -> Mapping[Digest, Entry]:
        """Return the newest result under each key that has one."""
        ...

    def keys_of_last_run(self, pipeline: str, /) -> Sequence[Digest]:
        """Return the keys of what the last ended run of a pipeline used."""
        ...


class Foreseen:
    """The newest result under each key, one query for many waves of one run.

    Each is given from what was fetched once: who asks again wants to know what has become of it.
    """

    def __init__(self, results: Results, pipeline: str) -> None:
        self._results = results
        self._pipeline = pipeline
        self._asked: set[Digest] = set()
        self._ahead: dict[Digest, Entry] | None = None

    def find(self, keys: Sequence[Digest]) -> dict[Digest, Entry]:
        """Return the newest result under each key that has one."""
        if self._ahead is None and self._asked:
            self._ahead = self._fetch(keys)
        found: dict[Digest, Entry] = {}
        rest: list[Digest] = []
        for key in keys:
            entry = self._ahead.pop(key, None) if self._ahead else None
            if entry is None:
                rest.append(key)
            else:
                found[key] = entry
        if rest:
            found.update(self._results.find_entries(rest))
        if self._ahead is None:
            self._asked.update(keys)
        return found

    def _fetch(self, keys: Sequence[Digest]) -> dict[Digest, Entry]:
        wanted = [key for key in self._results.keys_of_last_run(self._pipeline) if key not in self._asked]
        # What is asked for just now is fetched anyway.
        return dict(self._results.find_entries(wanted)) if len(wanted) > len(keys) else {}
