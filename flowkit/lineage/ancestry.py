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
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

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
    SELECT x.id, r.run, p.name, s.text, x.cache_key, c.digest
    FROM execution AS x
    JOIN run AS r ON r.id = x.run
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    JOIN word AS s ON s.id = p.step
    JOIN code_fingerprint AS c ON c.id = x.code
    WHERE x.id IN ({values})"""

_INPUTS = """
    SELECT i.execution, w.text, a.digest
    FROM input AS i JOIN word AS w ON w.id = i.parameter JOIN artifact AS a ON a.id = i.artifact
    WHERE i.execution IN ({values}) ORDER BY i.execution, i.position"""

_OUTPUTS = """
    SELECT o.execution, w.text, a.digest
    FROM output AS o JOIN word AS w ON w.id = o.name JOIN artifact AS a ON a.id = o.artifact
    WHERE o.execution IN ({values}) ORDER BY o.execution, o.position"""


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
    rows = _load(reader, list(dict.fromkeys(ran.values())))
    return _by_distance(rows, [ran[execution] for execution in first if execution in ran], ways)


def _load(reader: Reader, executions: Sequence[int]) -> dict[int, LineageRow]:
    inputs = _pairs(reader.select_among(_INPUTS, executions))
    outputs = _pairs(reader.select_among(_OUTPUTS, executions))
    accepted = accepted_since(reader, executions)
    observed = load_observed(reader, executions)
    rows = {
        identity: LineageRow(
            0,
            run,
            node,
            step,
            key.hex(),
            code.hex(),
            tuple(inputs.get(identity, ())),
            tuple(outputs.get(identity, ())),
            accepted.get(identity, ()),
            observed.get(identity, ()),
        )
        for identity, run, node, step, key, code in reader.select_among(_EXECUTIONS, executions)
    }
    return {identity: rows[identity] for identity in executions}


def _pairs(rows: Iterable[tuple[int, str, bytes]]) -> dict[int, list[tuple[str, Digest]]]:
    pairs: dict[int, list[tuple[str, Digest]]] = {}
    for execution, name, digest in rows:
        pairs.setdefault(execution, []).append((name, digest.hex()))
    return pairs


def _by_distance(
    rows: Mapping[int, LineageRow], first: Iterable[int], ways: Mapping[int, Sequence[int]]
) -> tuple[LineageRow, ...]:
    """Return the rows with their depth, in its order: the first ones, then what each way leads on to."""
    depths: dict[int, int] = {}
    front, depth = list(first), 0
    while front:
        depth += 1
        reached: list[int] = []
        # What takes a list apart is no step of the way: what lies beyond it is as near as it is.
        for execution in front:
            if execution not in rows or execution in depths:
                continue
            depths[execution] = depth
            (front if rows[execution].step == UNPACKING else reached).extend(ways.get(execution, ()))
        front = reached
    shown = {execution: depth for execution, depth in depths.items() if rows[execution].step != UNPACKING}
    return tuple(replace(rows[execution], depth=depth) for execution, depth in shown.items())
