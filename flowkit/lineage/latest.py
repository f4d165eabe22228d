"""Reads a node's latest success back, with all that its key was made of: what a miss is explained against."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from flowkit.lineage.acceptances import acceptances_of, sources_of
from flowkit.lineage.reader import Reader, Row
from flowkit.lineage.tables import CHAMPION, EXECUTED, REUSED
from flowkit.records import (
    ArgumentKind,
    ArgumentPart,
    CodeFingerprint,
    CodePart,
    EnvironmentFingerprint,
    KeyParts,
    LatestSuccess,
    ObservedInput,
)

_FIELDS = "p.name, r.run, x.cache_key, s.text, x.id, x.code, x.environment"

# A champion's node points to the execution that made the model, for its output; what went into that is not its own.
_ACCOUNT = f"""
    SELECT {_FIELDS}, n.run, maker.run
    FROM pipeline_node AS p
    JOIN node AS n ON n.pipeline_node = p.id AND p.step <> {CHAMPION}
    JOIN execution AS x ON x.id = n.execution
    JOIN word AS s ON s.id = p.step
    JOIN run AS r ON r.id = n.run
    JOIN run AS maker ON maker.id = x.run"""

_LATEST = f"""{_ACCOUNT}
    WHERE p.pipeline = (SELECT id FROM word WHERE text = ?) AND p.name IN ({{values}})
        AND n.run = (
            SELECT m.run FROM node AS m
            WHERE m.pipeline_node = p.id AND m.outcome IN ({EXECUTED}, {REUSED}) AND m.execution IS NOT NULL
            ORDER BY m.run DESC LIMIT 1
        )
    ORDER BY n.run"""

_BEFORE = f"""{_ACCOUNT}
    JOIN run AS now ON now.run = ?
    WHERE p.pipeline = now.pipeline AND p.name IN ({{values}})
        AND n.run = (
            SELECT m.run FROM node AS m
            WHERE m.pipeline_node = p.id AND m.run < now.id AND m.outcome IN ({EXECUTED}, {REUSED})
                AND m.execution IS NOT NULL
            ORDER BY m.run DESC LIMIT 1
        )
    ORDER BY n.run"""

_ACCEPTED = f"""
    SELECT {_FIELDS}, a.after_run, r.run
    FROM acceptance AS a
    JOIN execution AS x ON x.id = a.execution
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    JOIN word AS s ON s.id = p.step
    JOIN run AS r ON r.id = x.run"""

_ACCEPTED_LATEST = f"""{_ACCEPTED}
    WHERE p.pipeline = (SELECT id FROM word WHERE text = ?) AND p.name IN ({{values}})
    ORDER BY a.execution"""

_ACCEPTED_BEFORE = f"""{_ACCEPTED}
    JOIN run AS now ON now.run = ? AND now.pipeline = p.pipeline AND a.after_run < now.id
    WHERE p.name IN ({{values}})
    ORDER BY a.execution"""

_BY_EXECUTION = f"""
    SELECT {_FIELDS}, x.run, r.run
    FROM execution AS x
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    JOIN word AS s ON s.id = p.step
    JOIN run AS r ON r.id = x.run
    WHERE x.id IN ({{values}})"""

_OF_RUN = f"{_ACCOUNT} WHERE r.run = ? AND p.name IN ({{values}})"

_ARGUMENTS = """
    SELECT g.execution, w.text, v.digest, t.text, v.shown
    FROM argument AS g
    JOIN argument_value AS v ON v.id = g.value
    JOIN word AS w ON w.id = g.parameter
    JOIN word AS t ON t.id = v.kind
    WHERE g.execution IN ({values})
    ORDER BY g.execution, g.position"""

_OBSERVED = """
    SELECT o.execution, w.text, o.name, o.digest
    FROM observed_input AS o
    JOIN word AS w ON w.id = o.kind
    WHERE o.execution IN ({values})
    ORDER BY o.execution, o.position"""

_UNCACHED = """
    SELECT u.execution, w.text FROM uncached AS u
    JOIN word AS w ON w.id = u.cause
    WHERE u.execution IN ({values})"""

_CODES = "SELECT id, digest, modules, distributions, uncacheable FROM code_fingerprint WHERE id IN ({values})"

_CODE_PARTS = """
    SELECT m.code, c.name, w.text, c.digest, c.source, m.via
    FROM code_member AS m
    JOIN code_part AS c ON c.id = m.part
    JOIN word AS w ON w.id = c.basis
    WHERE m.code IN ({values})
    ORDER BY m.code, m.position"""

_ENVIRONMENTS = "SELECT id, digest, content FROM environment WHERE id IN ({values})"


def latest_successes(reader: Reader, pipeline: str, nodes: Sequence[str]) -> dict[str, LatestSuccess]:
    """Return the latest success, executed, reused or accepted, of each node of `pipeline` that has one."""
    with reader.at_one_moment():
        return _by_node(_load(reader, _select_latest(reader, pipeline, nodes)))


def accounts_of(reader: Reader, run: str, nodes: Sequence[str]) -> dict[str, LatestSuccess]:
    """Return what the keys of these nodes were made of in a run, whatever came of them."""
    with reader.at_one_moment():
        return _by_node(_load(reader, _select(reader, _OF_RUN, run, nodes)))


def success_before(reader: Reader, run: str, node: str) -> LatestSuccess | None:
    """Return the latest success of a node of a run's pipeline in the runs that began before it."""
    with reader.at_one_moment():
        rows = _select(reader, _BEFORE, run, [node]) + _select(reader, _ACCEPTED_BEFORE, run, [node])
        return _by_node(_load(reader, _in_order(rows))).get(node)


def successes_to_stand_for(reader: Reader, pipeline: str, nodes: Sequence[str]) -> dict[str, tuple[LatestSuccess, ...]]:
    """Return for each node its latest success and, where a person accepted that, what it stands for in turn."""
    with reader.at_one_moment():
        latest = {row[0]: row for row in _select_latest(reader, pipeline, nodes)}
        sources = sources_of(reader, [row[4] for row in latest.values()])
        earlier = [source for found in sources.values() for source in found]
        rows = [*latest.values(), *reader.select_among(_BY_EXECUTION, list(dict.fromkeys(earlier)))]
        loaded = {row[4]: success for row, success in _load(reader, rows)}
    return {
        name: tuple(loaded[execution] for execution in (row[4], *sources.get(row[4], ())))
        for name, row in latest.items()
    }


def observed_by(reader: Reader, execution: int) -> tuple[ObservedInput, ...]:
    """Return what an execution read undeclared."""
    return load_observed(reader, [execution]).get(execution, ())


def _select(reader: Reader, query: str, scope: str, nodes: Sequence[str]) -> list[Row]:
    return reader.select_among(query, list(dict.fromkeys(nodes)), (scope,))


def _select_latest(reader: Reader, pipeline: str, nodes: Sequence[str]) -> list[Row]:
    rows = _select(reader, _LATEST, pipeline, nodes) + _select(reader, _ACCEPTED_LATEST, pipeline, nodes)
    return _in_order(rows)


def _in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows by the run that they belong to; an acceptance comes after all of the runs that it came after."""
    return sorted(rows, key=lambda row: row[7])


def _by_node(loaded: Iterable[tuple[Row, LatestSuccess]]) -> dict[str, LatestSuccess]:
    return {row[0]: success for row, success in loaded}


def _load(reader: Reader, rows: Sequence[Row]) -> list[tuple[Row, LatestSuccess]]:
    executions = [row[4] for row in rows]
    arguments = _load_arguments(reader, executions)
    codes = _load_codes(reader, {row[5] for row in rows})
    environments = _load_environments(reader, {row[6] for row in rows})
    observed = load_observed(reader, executions)
    accepted = acceptances_of(reader, executions)
    uncached: dict[int, str] = dict(reader.select_among(_UNCACHED, executions))
    return [
        (
            row,
            LatestSuccess(
                run,
                key.hex(),
                KeyParts(step, codes[code].digest, environments[environment].digest, arguments[execution]),
                codes[code],
                environments[environment],
                observed.get(execution, ()),
                execution,
                maker,
                accepted.get(execution),
                uncached.get(execution),
            ),
        )
        for row in rows
        for _, run, key, step, execution, code, environment, _, maker in (row,)
    ]


def load_observed(reader: Reader, executions: Sequence[int]) -> dict[int, tuple[ObservedInput, ...]]:
    """Return what each execution read undeclared; none for those that read nothing so."""
    found: dict[int, list[ObservedInput]] = {}
    for execution, kind, name, digest in reader.select_among(_OBSERVED, list(dict.fromkeys(executions))):
        found.setdefault(execution, []).append(ObservedInput(kind, name, digest))
    return {execution: tuple(some) for execution, some in found.items()}


def _load_arguments(reader: Reader, executions: Sequence[int]) -> dict[int, tuple[ArgumentPart, ...]]:
    parts: dict[int, list[ArgumentPart]] = {execution: [] for execution in executions}
    for execution, name, digest, kind, shown in reader.select_among(_ARGUMENTS, list(parts)):
        parts[execution].append(ArgumentPart(name, digest.hex(), ArgumentKind(kind), shown))
    return {execution: tuple(some) for execution, some in parts.items()}


def _load_codes(reader: Reader, codes: Iterable[int]) -> dict[int, CodeFingerprint]:
    rows: dict[int, list[Row]] = {code: [] for code in codes}
    for code, *row in reader.select_among(_CODE_PARTS, list(rows)):
        rows[code].append(tuple(row))
    parts = {code: _link_parts(some) for code, some in rows.items()}
    return {
        code: CodeFingerprint(
            digest.hex(),
            parts[code],
            frozenset(json.loads(modules)),
            frozenset(json.loads(distributions)),
            uncacheable,
        )
        for code, digest, modules, distributions, uncacheable in reader.select_among(_CODES, list(parts))
    }


def _link_parts(rows: Sequence[Row]) -> tuple[CodePart, ...]:
    names = [row[0] for row in rows]
    return tuple(
        CodePart(name, basis, digest.hex(), source, names[via] if via is not None else None)
        for name, basis, digest, source, via in rows
    )


def _load_environments(reader: Reader, environments: Iterable[int]) -> dict[int, EnvironmentFingerprint]:
    rows = reader.select_among(_ENVIRONMENTS, list(environments))
    return {identity: EnvironmentFingerprint(digest.hex(), json.loads(content)) for identity, digest, content in rows}
