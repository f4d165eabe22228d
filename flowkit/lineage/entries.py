"""Looks up what may be reused. This is the hot path of a reused run: a few queries for thousands of keys."""

# ruff: noqa: S608  (queries are put together from the constants of this module and of `tables` only)

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

from flowkit.lineage.acceptances import acceptances_of
from flowkit.lineage.artifacts import load_inputs, load_outputs
from flowkit.lineage.dropped import dropped_on
from flowkit.lineage.latest import latest_successes, observed_by, successes_to_stand_for
from flowkit.lineage.reader import Reader
from flowkit.lineage.tables import FAILED
from flowkit.lineage.texts import to_bytes, to_prefix
from flowkit.records import Artifact, Digest, Entry, LatestSuccess, ObservedInput

_ENTRIES = """
    SELECT x.id, x.cache_key, e.entry_key, e.generation, r.run, p.name, x.created_ms / 1000.0
    FROM execution AS x
    JOIN entry AS e ON e.id = x.entry AND e.execution = x.id
    JOIN run AS r ON r.id = x.run
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    WHERE substr({column}, 1, 12) IN ({{values}})
    ORDER BY x.id"""

_UNCACHED = """
    SELECT x.id, x.cache_key, x.cache_key, 0, r.run, p.name, x.created_ms / 1000.0
    FROM execution AS x
    JOIN run AS r ON r.id = x.run
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    WHERE substr(x.cache_key, 1, 12) IN ({values}) AND x.succeeded
        AND EXISTS (SELECT 1 FROM output AS o WHERE o.execution = x.id)
    ORDER BY x.id"""

_BY_CACHE_KEY = _ENTRIES.format(column="x.cache_key")
_BY_ENTRY_KEY = _ENTRIES.format(column="e.entry_key")

_METRICS = """
    SELECT m.execution, w.text, m.value
    FROM metric AS m
    JOIN word AS w ON w.id = m.name
    WHERE m.execution IN ({values})
    ORDER BY m.execution, m.position"""

_FAILED = f"""
    SELECT x.cache_key
    FROM execution AS x
    WHERE substr(x.cache_key, 1, 12) IN ({{values}})
    GROUP BY x.cache_key
    HAVING max(x.succeeded) = 0 AND max(
        EXISTS (SELECT 1 FROM node AS n WHERE n.execution = x.id AND n.outcome = {FAILED})
    )"""

_LIVE = """
    SELECT x.cache_key
    FROM entry AS e
    JOIN execution AS x ON x.id = e.execution
    WHERE e.step = (SELECT id FROM word WHERE text = ?)
    ORDER BY e.id DESC
    LIMIT ?"""

_LAST_KEYS = """
    SELECT DISTINCT x.cache_key
    FROM node AS n
    JOIN execution AS x ON x.id = n.execution
    WHERE n.run = (
        SELECT max(r.id)
        FROM run AS r
        WHERE r.pipeline = (SELECT id FROM word WHERE text = ?) AND r.ended IS NOT NULL
    )"""

_KNOWN_CODE = "SELECT digest FROM code_fingerprint WHERE digest IN ({values})"

_WITH_RESULTS = """
    SELECT w.text FROM word AS w
    WHERE w.text IN ({values}) AND EXISTS (SELECT 1 FROM entry AS e WHERE e.step = w.id)"""

_OBSERVED = """
    SELECT c.cache_key, o.names
    FROM cache_key_observed AS c
    JOIN observed_names AS o ON o.id = c.names
    WHERE c.cache_key IN ({values})
    ORDER BY c.execution DESC"""

NameSet = tuple[tuple[str, str], ...]
"""Sorted (kind, name) of what an execution read without declaring it."""


class Entries:
    """What earlier runs left to be reused, or to be explained against."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def find_entries(self, keys: Sequence[Digest], /) -> dict[Digest, Entry]:
        """Return the newest published result under each cache key that has one."""
        return {entry.cache_key: entry for entry in self._find(_BY_CACHE_KEY, keys)}

    def keys_of_last_run(self, pipeline: str, /) -> list[Digest]:
        """Return the cache keys of what the last ended run of a pipeline executed or reused."""
        return [key.hex() for (key,) in self._reader.select(_LAST_KEYS, (pipeline,))]

    def any_edited(self, codes: Mapping[str, Digest], /) -> bool:
        """Whether a step has results, but nothing was ever executed with the code fingerprint that it has now.

        Args:
            codes: The digest of each step's code, by its name.
        """
        wanted = [to_bytes(digest) for digest in dict.fromkeys(codes.values())]
        known = {digest.hex() for (digest,) in self._reader.select_among(_KNOWN_CODE, wanted)}
        return bool(self.steps_with_results([step for step, digest in codes.items() if digest not in known]))

    def steps_with_results(self, steps: Sequence[str], /) -> frozenset[str]:
        """Return those of these steps under whose name there is a result that could be reused."""
        return frozenset(step for (step,) in self._reader.select_among(_WITH_RESULTS, steps))

    def find_entries_at(self, entry_keys: Sequence[Digest], /) -> dict[Digest, Entry]:
        """Return the result that stands under each entry key that has one."""
        return {entry.entry_key: entry for entry in self._find(_BY_ENTRY_KEY, entry_keys)}

    def find_uncached(self, keys: Sequence[Digest], /) -> dict[Digest, Entry]:
        """Return the newest success under each cache key, whether or not it was kept for reuse."""
        return {entry.cache_key: entry for entry in self._find(_UNCACHED, keys)}

    def observed_names(self, keys: Sequence[Digest], /) -> dict[Digest, tuple[NameSet, ...]]:
        """Return the sets of names that executions under each cache key observed, the latest first."""
        found: dict[Digest, list[NameSet]] = {}
        for key, names in self._reader.select_among(_OBSERVED, [to_bytes(key) for key in dict.fromkeys(keys)]):
            found.setdefault(key.hex(), []).append(tuple((kind, name) for kind, name in json.loads(names)))
        return {key: tuple(sets) for key, sets in found.items()}

    def failed_keys(self, keys: Sequence[Digest], /) -> frozenset[Digest]:
        """Return those cache keys under which an attempt failed and none ever succeeded."""
        return frozenset(key.hex() for (key,) in self._reader.select_among(_FAILED, _prefixes(keys)))

    def latest_success(self, pipeline: str, node: str, /) -> LatestSuccess | None:
        """Return the latest success of a node, executed or reused."""
        return self.latest_successes(pipeline, [node]).get(node)

    def latest_successes(self, pipeline: str, nodes: Sequence[str], /) -> dict[str, LatestSuccess]:
        """Return the latest success, executed or reused, of each node that has one."""
        return latest_successes(self._reader, pipeline, nodes)

    def successes_to_stand_for(self, pipeline: str, nodes: Sequence[str]) -> dict[str, tuple[LatestSuccess, ...]]:
        """Return for each node its latest success and, where a person accepted that, what it stands for in turn."""
        return successes_to_stand_for(self._reader, pipeline, nodes)

    def observed_by(self, execution: int) -> tuple[ObservedInput, ...]:
        """Return what an execution read undeclared."""
        return observed_by(self._reader, execution)

    def inputs_of(self, executions: Sequence[int], /) -> dict[int, tuple[tuple[str, Artifact], ...]]:
        """Return (parameter, artifact) of what each execution took, in order."""
        return load_inputs(self._reader, executions)

    def dropped_on(self, digests: Sequence[Digest], /) -> dict[Digest, str]:
        """Return the UTC date on which a collection dropped each of these artifacts that it did."""
        return dropped_on(self._reader, digests)

    def live_keys(self, steps: Sequence[str], limit: int) -> dict[str, frozenset[Digest]]:
        """Return for each step the cache keys with a published result, the `limit` newest of them."""
        return {
            step: frozenset(key.hex() for (key,) in self._reader.select(_LIVE, (step, limit)))
            for step in dict.fromkeys(steps)
        }

    def _find(self, query: str, keys: Sequence[Digest]) -> list[Entry]:
        with self._reader.at_one_moment():
            rows = self._reader.select_among(query, _prefixes(keys))
            executions = [row[0] for row in rows]
            outputs = load_outputs(self._reader, executions)
            metrics = self._load_metrics(executions)
            accepted = acceptances_of(self._reader, executions)
        return [
            Entry(
                identity,
                cache_key.hex(),
                entry_key.hex(),
                generation,
                run,
                node,
                created,
                outputs[identity],
                tuple(metrics.get(identity, ())),
                accepted=accepted.get(identity),
            )
            for identity, cache_key, entry_key, generation, run, node, created in rows
        ]

    def _load_metrics(self, executions: Sequence[int]) -> dict[int, list[tuple[str, float]]]:
        metrics: dict[int, list[tuple[str, float]]] = {}
        for execution, name, value in self._reader.select_among(_METRICS, executions):
            # SQLite stores NaN as NULL.
            metrics.setdefault(execution, []).append((name, math.nan if value is None else value))
        return metrics


def _prefixes(keys: Sequence[Digest]) -> list[bytes]:
    return [to_prefix(key) for key in dict.fromkeys(keys)]
