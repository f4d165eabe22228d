"""Follows artifacts through executions: what made this, and what was made from it.

Equal bytes come from unrelated places (a `0`, an empty list), so content alone would tie everything to everything. An
execution is taken to have used another's output only if both belong to one run: the other executed in it, or was
reused in it. Only where no run ties them, as for a model promoted long before, the newest maker of the content counts.
"""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace

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
                SELECT 1 FROM node AS n
                WHERE n.execution = maker.id AND n.run = user.run AND n.outcome = {REUSED}
            )
        )"""

_MAKERS = f"""
    WITH RECURSIVE found (id) AS (
        SELECT o.execution FROM artifact AS a JOIN output AS o ON o.artifact = a.id WHERE substr(a.digest, 1, 12) = ?
        UNION
        SELECT coalesce(
            (
                SELECT o.execution FROM output AS o JOIN execution AS maker ON maker.id = o.execution
                WHERE o.artifact = i.artifact AND maker.id <> user.id AND {_IN_ONE_RUN}
                ORDER BY o.execution DESC LIMIT 1
            ),
            (
                SELECT o.execution FROM output AS o
                WHERE o.artifact = i.artifact AND o.execution < user.id
                ORDER BY o.execution DESC LIMIT 1
            )
        )
        FROM found
        JOIN execution AS user ON user.id = found.id
        JOIN input AS i ON i.execution = user.id
        LIMIT ?
    )
    SELECT id FROM found WHERE id IS NOT NULL"""

_USERS = f"""
    WITH RECURSIVE found (id) AS (
        SELECT i.execution FROM artifact AS a JOIN input AS i ON i.artifact = a.id WHERE substr(a.digest, 1, 12) = ?
        UNION
        SELECT i.execution
        FROM found
        JOIN execution AS maker ON maker.id = found.id
        JOIN output AS o ON o.execution = maker.id
        JOIN input AS i ON i.artifact = o.artifact
        JOIN execution AS user ON user.id = i.execution
        WHERE {_IN_ONE_RUN}
        LIMIT ?
    )
    SELECT id FROM found"""

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

Pairs = tuple[tuple[str, Digest], ...]


def ancestors(reader: Reader, digest: Digest, limit: int = MOST_EXECUTIONS) -> tuple[LineageRow, ...]:
    """Return the executions that an artifact comes from, the nearest first.

    Args:
        reader: The database.
        digest: The artifact's full digest.
        limit: How many executions to return at most.
    """
    return _follow(reader, _MAKERS, digest, limit, lambda row: row.outputs, lambda row: row.inputs)


def descendants(reader: Reader, digest: Digest, limit: int = MOST_EXECUTIONS) -> tuple[LineageRow, ...]:
    """Return the executions that used an artifact, or what was made from it, the nearest first.

    Args:
        reader: The database.
        digest: The artifact's full digest.
        limit: How many executions to return at most.
    """
    return _follow(reader, _USERS, digest, limit, lambda row: row.inputs, lambda row: row.outputs)


def _follow(
    reader: Reader,
    query: str,
    digest: Digest,
    limit: int,
    near: Callable[[LineageRow], Pairs],
    far: Callable[[LineageRow], Pairs],
) -> tuple[LineageRow, ...]:
    with reader.at_one_moment():
        found = [identity for (identity,) in reader.select(query, (to_prefix(digest), limit))]
        rows = _load(reader, found)
    return _by_distance(rows, digest, near, far)


def _load(reader: Reader, executions: Sequence[int]) -> list[LineageRow]:
    inputs = _pairs(reader.select_among(_INPUTS, executions))
    outputs = _pairs(reader.select_among(_OUTPUTS, executions))
    rows = {
        identity: LineageRow(
            0, run, node, step, key.hex(), code.hex(), tuple(inputs.get(identity, ())), tuple(outputs.get(identity, ()))
        )
        for identity, run, node, step, key, code in reader.select_among(_EXECUTIONS, executions)
    }
    return [rows[identity] for identity in executions]


def _pairs(rows: Iterable[tuple[int, str, bytes]]) -> dict[int, list[tuple[str, Digest]]]:
    pairs: dict[int, list[tuple[str, Digest]]] = {}
    for execution, name, digest in rows:
        pairs.setdefault(execution, []).append((name, digest.hex()))
    return pairs


def _by_distance(
    rows: Sequence[LineageRow],
    start: Digest,
    near: Callable[[LineageRow], Pairs],
    far: Callable[[LineageRow], Pairs],
) -> tuple[LineageRow, ...]:
    """Return the rows with their depth, in its order: from `start` by their near ends on to their far ends."""
    waiting: dict[Digest, list[int]] = {}
    for position, row in enumerate(rows):
        for _, digest in near(row):
            waiting.setdefault(digest, []).append(position)
    depths: dict[int, int] = {}
    front, depth = [start], 0
    while front:
        depth += 1
        fresh = _meet(front, waiting, depths)
        hidden = [position for position in fresh if rows[position].step == UNPACKING]
        # What takes a list apart is no step of the way: what lies beyond it is as near as it is.
        fresh += _meet([digest for position in hidden for _, digest in far(rows[position])], waiting, {*depths, *fresh})
        depths.update(dict.fromkeys(fresh, depth))
        front = [digest for position in fresh if position not in hidden for _, digest in far(rows[position])]
    shown = {position: depth for position, depth in depths.items() if rows[position].step != UNPACKING}
    return tuple(replace(rows[position], depth=depth) for position, depth in shown.items())


def _meet(front: Iterable[Digest], waiting: dict[Digest, list[int]], known: Container[int]) -> list[int]:
    """Return the rows that have one of these digests at their near ends and were not met before."""
    met = dict.fromkeys(position for digest in front for position in waiting.pop(digest, ()))
    return [position for position in met if position not in known]
