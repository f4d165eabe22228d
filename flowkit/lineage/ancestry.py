"""Follows artifacts through executions: what made this, and what was made from it.

Equal bytes come from unrelated places (a `0`, an empty list), so content alone would tie everything to everything.
The execution that gave an input is recorded with it, and followed. Where that is not known, of files and in stores of
older versions, an execution is taken to have used another's output only if both belong to one run: the other executed
in it, or was reused in it. Only where no run ties them does the newest maker of the content count.

An execution that a person let stand for another made nothing itself: the other is told in its place, with what was
accepted of it.

A node that was reused in a run took there what the node of its recorded maker's place gave, which may have executed
anew and given equal bytes.
"""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from flowkit.lineage.acceptances import accepted_since, origins_of
from flowkit.lineage.latest import load_observed
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import LineageRow
from flowkit.lineage.tables import REUSED
from flowkit.lineage.texts import to_prefix
from flowkit.records import UNPACKING, Digest

MOST_EXECUTIONS = 1000
"""How many executions an answer holds at most, the nearest ones first."""

_IN_ONE_RUN = f"""(
            maker.run = user.run
            OR EXISTS (
                SELECT 1 FROM node AS n INDEXED BY node_reused
                WHERE n.execution = maker.id AND n.run = user.run AND n.outcome = {REUSED}
            )
        )"""

_TOGETHER = f"""EXISTS (
            SELECT 1 FROM node AS n INDEXED BY node_reused
            WHERE n.execution = user.id AND n.outcome = {REUSED} AND (
                n.run = maker.run
                OR EXISTS (
                    SELECT 1 FROM node AS m INDEXED BY node_reused
                    WHERE m.execution = maker.id AND m.run = n.run AND m.outcome = {REUSED}
                )
            )
        )"""

# What is rarely needed stands in subqueries, so that nobody looks for it where the maker is recorded.
_MAKER = f"""coalesce(
            i.maker,
            (
                SELECT o.execution FROM execution AS user CROSS JOIN output AS o
                JOIN execution AS maker ON maker.id = o.execution
                WHERE user.id = i.execution AND o.artifact = i.artifact AND maker.id <> user.id AND {_IN_ONE_RUN}
                ORDER BY o.execution DESC LIMIT 1
            ),
            (
                SELECT o.execution FROM output AS o
                WHERE o.artifact = i.artifact AND o.execution < i.execution
                ORDER BY o.execution DESC LIMIT 1
            )
        )"""

_PAIR = (
    "SELECT 1 FROM execution AS maker CROSS JOIN execution AS user"
    " WHERE maker.id = o.execution AND user.id = i.execution"
)

_PLACE = "SELECT x.pipeline_node FROM execution AS x WHERE x.id"

_IS_TAKEN = f"""(
            i.maker = o.execution
            OR (i.maker IS NULL AND EXISTS ({_PAIR} AND ({_IN_ONE_RUN} OR {_TOGETHER})))
            OR (({_PLACE} = i.maker) = ({_PLACE} = o.execution) AND EXISTS ({_PAIR} AND {_TOGETHER}))
        )"""

_FIRST_MAKERS = """
    SELECT o.execution FROM artifact AS a JOIN output AS o ON o.artifact = a.id WHERE substr(a.digest, 1, 12) = ?
    ORDER BY o.execution LIMIT ?"""

_FIRST_USERS = """
    SELECT DISTINCT i.execution FROM artifact AS a JOIN input AS i ON i.artifact = a.id
    WHERE substr(a.digest, 1, 12) = ? ORDER BY i.execution LIMIT ?"""

_OBSERVERS = "SELECT DISTINCT execution FROM observed_input WHERE digest = ? ORDER BY execution LIMIT ?"

_FIRST_USERS_OF_ONE = f"""
    SELECT DISTINCT i.execution FROM output AS o CROSS JOIN input AS i ON i.artifact = o.artifact
    WHERE o.execution = ? AND o.artifact = (SELECT a.id FROM artifact AS a WHERE substr(a.digest, 1, 12) = ?)
        AND {_IS_TAKEN}
    ORDER BY i.execution LIMIT ?"""

_MAKERS = f"""
    WITH RECURSIVE found (id) AS (
        SELECT value FROM json_each(?)
        UNION
        SELECT {_MAKER} FROM found CROSS JOIN input AS i ON i.execution = found.id
        LIMIT ?
    )
    SELECT id FROM found WHERE id IS NOT NULL"""

_USERS = f"""
    WITH RECURSIVE found (id) AS (
        SELECT value FROM json_each(?)
        UNION
        SELECT i.execution
        FROM found CROSS JOIN output AS o ON o.execution = found.id CROSS JOIN input AS i ON i.artifact = o.artifact
        WHERE {_IS_TAKEN}
        LIMIT ?
    )
    SELECT id FROM found"""

_EDGES_UP = f"SELECT i.execution, {_MAKER} FROM input AS i WHERE i.execution IN ({{values}})"

_EDGES_DOWN = f"""
    SELECT o.execution, i.execution FROM output AS o CROSS JOIN input AS i ON i.artifact = o.artifact
    WHERE {_IS_TAKEN} AND o.execution IN ({{values}})"""

_GIVEN = """
    SELECT n.execution FROM node AS n
    JOIN run AS r ON r.id = n.run
    JOIN pipeline_node AS p ON p.id = n.pipeline_node
    WHERE r.run = ? AND p.name = ?"""

_EXECUTIONS = """
    SELECT x.id, x.run, p.name, p.step, x.cache_key, x.code
    FROM execution AS x JOIN pipeline_node AS p ON p.id = x.pipeline_node
    WHERE x.id IN ({values})"""

_INPUTS = "SELECT execution, parameter, artifact FROM input WHERE execution IN ({values}) ORDER BY execution, position"

_OUTPUTS = "SELECT execution, name, artifact FROM output WHERE execution IN ({values}) ORDER BY execution, position"

# What many rows name alike is looked up once.
_RUNS = "SELECT id, run FROM run WHERE id IN ({values})"
_WORDS = "SELECT id, text FROM word WHERE id IN ({values})"
_CODES = "SELECT id, digest FROM code_fingerprint WHERE id IN ({values})"
_ARTIFACTS = "SELECT id, digest FROM artifact WHERE id IN ({values})"


def ancestors(
    reader: Reader, digest: Digest, limit: int = MOST_EXECUTIONS, *, given_by: tuple[str, str] | None = None
) -> tuple[LineageRow, ...]:
    """Return the executions that an artifact comes from, the nearest first.

    Args:
        reader: The database.
        digest: The artifact's full digest.
        limit: How many executions to return at most.
        given_by: The run and the node whose output is meant; any that gave this content where it is None.
    """
    reader.remember_pages()
    with reader.at_one_moment():
        origin = _find_origin(reader, given_by)
        first = [origin] if origin is not None else _ids(reader.select(_FIRST_MAKERS, (to_prefix(digest), limit)))
        return _follow(reader, _MAKERS, _EDGES_UP, first, limit)


def descendants(
    reader: Reader, digest: Digest, limit: int = MOST_EXECUTIONS, *, given_by: tuple[str, str] | None = None
) -> tuple[LineageRow, ...]:
    """Return the executions that used an artifact, declared or not, or what was made from it, the nearest first.

    Args:
        reader: The database.
        digest: The artifact's full digest.
        limit: How many executions to return at most.
        given_by: The run and the node whose output is meant; any that gave this content where it is None.
    """
    prefix = to_prefix(digest)
    reader.remember_pages()
    with reader.at_one_moment():
        origin = _find_origin(reader, given_by)
        if origin is not None:
            first = _ids(reader.select(_FIRST_USERS_OF_ONE, (origin, prefix, limit)))
        else:
            first = [*_ids(reader.select(_FIRST_USERS, (prefix, limit))), *_observers(reader, digest, limit)]
        return _follow(reader, _USERS, _EDGES_DOWN, list(dict.fromkeys(first)), limit)


def is_observed(reader: Reader, digest: Digest) -> bool:
    """Whether an execution read a file or folder of this content without declaring it."""
    return bool(_observers(reader, digest, 1))


def _observers(reader: Reader, digest: Digest, limit: int) -> list[int]:
    return _ids(reader.select(_OBSERVERS, (digest, limit)))


def _find_origin(reader: Reader, given_by: tuple[str, str] | None) -> int | None:
    rows = reader.select(_GIVEN, given_by) if given_by is not None else []
    return rows[0][0] if rows else None


def _ids(rows: Iterable[tuple[int, ...]]) -> list[int]:
    return [row[0] for row in rows]


def _follow(reader: Reader, query: str, edges: str, first: list[int], limit: int) -> tuple[LineageRow, ...]:
    found = _ids(reader.select(query, (json.dumps(first), limit)))
    origins = origins_of(reader, found)
    ran = {execution: origins.get(execution, execution) for execution in found}
    ways: dict[int, list[int]] = {}
    for near, far in reader.select_among(edges, found):
        if far in ran:
            ways.setdefault(ran[near], []).append(ran[far])
    executions = _Executions(reader, dict.fromkeys(ran.values()))
    depths = _by_distance([ran[execution] for execution in first if execution in ran], ways, executions.unpacking)
    return executions.describe(depths)


class _Executions:
    """Executions with what went into them and came out, and which of them take lists apart."""

    def __init__(self, reader: Reader, executions: Iterable[int]) -> None:
        self._reader = reader
        self._ids = list(executions)
        self._rows = {row[0]: row[1:] for row in reader.select_among(_EXECUTIONS, self._ids)}
        self._steps = self._look_up(_WORDS, {row[2] for row in self._rows.values()})
        self.unpacking = {execution for execution, row in self._rows.items() if self._steps[row[2]] == UNPACKING}

    def describe(self, depths: Mapping[int, int]) -> tuple[LineageRow, ...]:
        """Return the rows of some of them, in order; `depths` says how far each is away."""
        reader, some = self._reader, list(depths)
        inputs, outputs = reader.select_among(_INPUTS, some), reader.select_among(_OUTPUTS, some)
        names = self._look_up(_WORDS, {name for rows in (inputs, outputs) for _, name, _ in rows})
        found = self._look_up(_ARTIFACTS, {artifact for rows in (inputs, outputs) for _, _, artifact in rows})
        digests = {artifact: digest.hex() for artifact, digest in found.items()}
        taken, given = (_pairs(rows, names, digests) for rows in (inputs, outputs))
        runs = self._look_up(_RUNS, {row[0] for row in self._rows.values()})
        codes = self._look_up(_CODES, {row[4] for row in self._rows.values()})
        accepted, observed = accepted_since(reader, some), load_observed(reader, some)
        return tuple(
            LineageRow(
                depth,
                runs[run],
                node,
                self._steps[step],
                key.hex(),
                codes[code].hex(),
                tuple(taken.get(execution, ())),
                tuple(given.get(execution, ())),
                accepted.get(execution, ()),
                observed.get(execution, ()),
            )
            for execution, depth in depths.items()
            for run, node, step, key, code in (self._rows[execution],)
        )

    def _look_up(self, query: str, ids: set[int]) -> dict[int, Any]:
        return dict(self._reader.select_among(query, sorted(ids)))


def _pairs(
    rows: Iterable[tuple[int, int, int]], names: Mapping[int, str], digests: Mapping[int, Digest]
) -> dict[int, list[tuple[str, Digest]]]:
    pairs: dict[int, list[tuple[str, Digest]]] = {}
    for execution, name, artifact in rows:
        pairs.setdefault(execution, []).append((names[name], digests[artifact]))
    return pairs


def _by_distance(first: Iterable[int], ways: Mapping[int, Sequence[int]], unpacking: Container[int]) -> dict[int, int]:
    """Return how far each execution is away, in that order: the first ones, then what each way leads on to.

    What takes a list apart is no step of the way, and left out: what lies beyond it is as near as it is.
    """
    depths: dict[int, int] = {}
    front, depth = list(first), 0
    while front:
        depth += 1
        reached: list[int] = []
        for execution in front:
            if execution not in depths:
                depths[execution] = depth
                (front if execution in unpacking else reached).extend(ways.get(execution, ()))
        front = reached
    return {execution: depth for execution, depth in depths.items() if execution not in unpacking}
