"""The public face of the lineage database: views with documented columns, hexadecimal digests, UTC ISO 8601 times.

People and tools query these names; the tables beneath may change with any migration.
"""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

from flowkit.lineage.tables import CHAMPION
from flowkit.records import UNPACKING


def _time(column: str) -> str:
    return f"replace(strftime('%Y-%m-%dT%H:%M:%fZ', {column}, 'unixepoch'), '.000Z', 'Z')"


def _hex(column: str) -> str:
    # hex() of NULL would be an empty text.
    return f"nullif(lower(hex({column})), '')"


IS_CALL = f"p.step IS NOT (SELECT id FROM word WHERE text = '{UNPACKING}')"
"""Leaves out what takes a list apart: no call of a person's, and only artifacts' ancestry passes through it."""

_NODE = f"""
    FROM node AS n
    JOIN run AS r ON r.id = n.run
    JOIN pipeline_node AS p ON p.id = n.pipeline_node AND {IS_CALL}"""

# A champion's node points to the execution that made the model, for its output; what went into that is not its own.
_STEP_NODE = f"{_NODE} AND p.step <> {CHAMPION}"

# An artifact is as old as the first execution that gave it, or took it, as a file that came in.
_CREATED = """coalesce(
            (
                SELECT x.created_ms / 1000.0 FROM output AS o JOIN execution AS x ON x.id = o.execution
                WHERE o.artifact = a.id ORDER BY o.execution LIMIT 1
            ),
            (
                SELECT x.created_ms / 1000.0 FROM input AS i JOIN execution AS x ON x.id = i.execution
                WHERE i.artifact = a.id ORDER BY i.execution LIMIT 1
            ),
            (SELECT min(v.created) FROM model_version AS v WHERE v.artifact = a.id)
        )"""

VIEWS: dict[str, str] = {
    "runs": f"""
    SELECT r.run AS run, w.text AS pipeline, e.text AS env, s.text AS status, r.exit_code AS exit_code,
        {_time("r.started")} AS started, r.ended - r.started AS seconds, r.git_commit AS git_commit,
        r.git_dirty AS git_dirty, r.user AS user, r.host AS host, r.argv AS argv
    FROM run AS r
    JOIN word AS w ON w.id = r.pipeline
    JOIN word AS e ON e.id = r.env
    JOIN word AS s ON s.id = r.status""",
    "nodes": f"""
    SELECT r.run AS run, p.name AS node, s.text AS step, p.map_index AS map_index, o.text AS outcome,
        why.text AS reason, d.text AS detail, {_hex("x.cache_key")} AS cache_key, {_hex("e.entry_key")} AS entry_key,
        n.attempts AS attempts, {_time("n.started_ms / 1000.0")} AS started,
        n.microseconds / 1e6 AS seconds, h.text AS worker, n.peak_memory AS peak_memory
    {_NODE}
    JOIN word AS s ON s.id = p.step
    JOIN word AS o ON o.id = n.outcome
    LEFT JOIN word AS why ON why.id = n.reason
    LEFT JOIN word AS d ON d.id = n.detail
    LEFT JOIN word AS h ON h.id = n.worker
    LEFT JOIN execution AS x ON x.id = n.execution AND p.step <> {CHAMPION}
    LEFT JOIN entry AS e ON e.id = x.entry""",
    "artifacts": f"""
    SELECT {_hex("a.digest")} AS artifact, f.text AS format, a.bytes AS bytes, {_time(_CREATED)} AS created
    FROM artifact AS a
    JOIN word AS f ON f.id = a.format""",
    "node_inputs": f"""
    SELECT r.run AS run, p.name AS node, w.text AS parameter, {_hex("a.digest")} AS artifact
    {_STEP_NODE}
    JOIN input AS i ON i.execution = n.execution
    JOIN word AS w ON w.id = i.parameter
    JOIN artifact AS a ON a.id = i.artifact""",
    "node_outputs": f"""
    SELECT r.run AS run, p.name AS node, w.text AS name, {_hex("a.digest")} AS artifact
    {_NODE}
    JOIN output AS o ON o.execution = n.execution
    JOIN word AS w ON w.id = o.name
    JOIN artifact AS a ON a.id = o.artifact""",
    "parameters": f"""
    SELECT r.run AS run, p.name AS node, w.text AS name, v.shown AS value, {_hex("v.digest")} AS digest
    {_STEP_NODE}
    JOIN argument AS g ON g.execution = n.execution
    JOIN argument_value AS v ON v.id = g.value
    JOIN word AS w ON w.id = g.parameter""",
    "metrics": f"""
    SELECT r.run AS run, p.name AS node, w.text AS name, m.value AS value
    {_STEP_NODE}
    JOIN metric AS m ON m.execution = n.execution
    JOIN word AS w ON w.id = m.name""",
    "observed_inputs": f"""
    SELECT r.run AS run, p.name AS node, w.text AS kind, i.name AS name, i.digest AS digest
    {_STEP_NODE}
    JOIN observed_input AS i ON i.execution = n.execution
    JOIN word AS w ON w.id = i.kind""",
    "code": f"""
    SELECT r.run AS run, p.name AS node, c.name AS name, {_hex("c.digest")} AS digest, c.source AS source
    {_STEP_NODE}
    JOIN execution AS x ON x.id = n.execution
    JOIN code_member AS m ON m.code = x.code
    JOIN code_part AS c ON c.id = m.part""",
    "models": f"""
    SELECT m.name AS model, v.version AS version, {_hex("a.digest")} AS artifact, r.run AS run, v.node AS node,
        {_time("v.created")} AS created, v.state AS state
    FROM model_version AS v
    JOIN model AS m ON m.id = v.model
    JOIN artifact AS a ON a.id = v.artifact
    LEFT JOIN run AS r ON r.id = v.run""",
    "aliases": """
    SELECT m.name AS model, l.name AS alias, v.version AS version
    FROM model_alias AS l
    JOIN model AS m ON m.id = l.model
    JOIN model_version AS v ON v.id = l.version""",
    "audit": f"""
    SELECT sequence, at, who, action, subject, detail, evidence, {_hex("previous")} AS previous, {_hex("hash")} AS hash
    FROM audit_record""",
}
"""The query behind each view, by name."""
