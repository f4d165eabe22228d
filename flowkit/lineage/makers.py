"""What makes an artifact again: the execution that gave it, how long that took, and why it would not give it today.

Told from the record alone. Of the code and the files of today only what later runs recorded is known.
"""

# ruff: noqa: S608  (queries are put together from the constants of this module and of `tables` only)

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from flowkit.lineage.reader import Reader
from flowkit.lineage.tables import EXECUTED

# Of several executions that gave it the one that stands for later runs, of those the newest: see `_choose`.
_GIVEN = f"""
    SELECT o.artifact, x.id, x.entry IS NOT NULL, ifnull(e.execution = x.id, 0), r.run, p.name, x.pipeline_node, x.code,
        n.microseconds / 1e6
    FROM artifact AS a
    JOIN output AS o ON o.artifact = a.id
    JOIN execution AS x ON x.id = o.execution AND x.succeeded
    JOIN run AS r ON r.id = x.run
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    LEFT JOIN entry AS e ON e.id = x.entry
    LEFT JOIN acceptance AS c ON c.execution = x.id
    LEFT JOIN execution AS ran ON ran.id = ifnull(c.origin, x.id)
    LEFT JOIN node AS n
        ON n.run = ran.run AND n.pipeline_node = ran.pipeline_node AND n.execution = ran.id AND n.outcome = {EXECUTED}
    WHERE a.inline IS NULL"""

_NEWEST = """
    SELECT pipeline_node, id, code FROM execution
    WHERE id IN (SELECT max(id) FROM execution WHERE succeeded GROUP BY pipeline_node)"""

_TAKEN = """
    SELECT i.execution, i.artifact FROM input AS i JOIN artifact AS a ON a.id = i.artifact
    WHERE a.inline IS NULL AND i.execution IN ({values})"""

_PATHS = """
    SELECT DISTINCT g.execution, v.shown
    FROM argument AS g
    JOIN argument_value AS v ON v.id = g.value
    JOIN input AS i ON i.execution = g.execution AND i.parameter = g.parameter
    JOIN artifact AS a ON a.id = i.artifact
    JOIN word AS f ON f.id = a.format
    WHERE f.text IN ('file', 'folder') AND g.execution IN ({values})"""

_OBSERVED = """
    SELECT i.execution, k.text || ' ' || i.name, i.digest
    FROM observed_input AS i
    JOIN word AS k ON k.id = i.kind
    WHERE i.execution IN ({values})"""

_PATH = re.compile(r"(.+) \(([0-9a-f]{12})\)", re.DOTALL)
"""How an argument is shown that came in as a path: its name, and its digest's beginning."""


class Maker(Struct, frozen=True):
    """The execution that gave an artifact.

    Attributes:
        seconds: How long it took; None where that is not known, as of what another machine made.
        inputs: The numbers of the artifacts that it took, but for those that lie in the database.
        lack: Why it would not give the same again, as the end of a sentence; None where nothing speaks against it.
    """

    execution: int
    run: str
    node: str
    seconds: float | None
    inputs: tuple[int, ...] = ()
    lack: str | None = None


class _Given(Struct, frozen=True):
    artifact: int
    execution: int
    cached: bool
    standing: bool
    run: str
    node: str
    place: int
    code: int
    seconds: float | None


def load_makers(reader: Reader) -> dict[int, Maker]:
    """Return what makes each artifact in files, or dropped, again; those that no step gave are left out."""
    chosen: dict[int, _Given] = {}
    for row in reader.select(_GIVEN):
        given = _Given(row[0], row[1], bool(row[2]), bool(row[3]), *row[4:])
        best = chosen.get(given.artifact)
        if best is None or (best.standing, best.execution) < (given.standing, given.execution):
            chosen[given.artifact] = given
    newest = {place: (execution, code) for place, execution, code in reader.select(_NEWEST)}
    executions = list({given.execution for given in chosen.values()})
    compared = list({*executions, *(execution for execution, _ in newest.values())})
    paths = _by_execution(_split(reader.select_among(_PATHS, compared)))
    observed = _by_execution(reader.select_among(_OBSERVED, compared))
    inputs: dict[int, list[int]] = {}
    for execution, artifact in reader.select_among(_TAKEN, executions):
        inputs.setdefault(execution, []).append(artifact)
    return {
        artifact: Maker(
            given.execution,
            given.run,
            given.node,
            given.seconds,
            tuple(inputs.get(given.execution, ())),
            _lack(given, newest[given.place], paths, observed),
        )
        for artifact, given in chosen.items()
    }


def _lack(
    given: _Given,
    newest: tuple[int, int],
    paths: Mapping[int, Mapping[str, str]],
    observed: Mapping[int, Mapping[str, str]],
) -> str | None:
    latest, code = newest
    if not given.cached:
        return f"{given.node} is not cached and may give something else"
    if not given.standing:
        return f"{given.node} has given something else since"
    if code != given.code:
        return f"the code of {given.node} has changed since"
    for kind, then, now in (("the file ", paths, paths), ("", observed, observed)):
        before, after = then.get(given.execution, {}), now.get(latest, {})
        changed = sorted(name for name in before if after.get(name, before[name]) != before[name])
        if changed:
            return f"{kind}{changed[0]} has changed since"
    return None


def _split(rows: Iterable[tuple[int, str]]) -> Iterable[tuple[int, str, str]]:
    for execution, shown in rows:
        found = _PATH.fullmatch(shown)
        if found is not None:
            yield execution, found[1], found[2]


def _by_execution(rows: Iterable[tuple[int, str, str]]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for execution, name, digest in rows:
        found.setdefault(execution, {})[name] = digest
    return found
