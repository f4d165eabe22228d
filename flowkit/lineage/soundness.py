"""What is wrong with the database itself, and what hangs on an artifact that is lost."""

from __future__ import annotations

from dataclasses import dataclass

from flowkit.lineage.reader import Reader
from flowkit.lineage.texts import to_prefix
from flowkit.records import Digest

_MOST_FAULTS = 20

_MAKERS = """
    SELECT DISTINCT w.text, p.name
    FROM artifact AS a
    JOIN output AS o ON o.artifact = a.id
    JOIN execution AS x ON x.id = o.execution
    JOIN entry AS e ON e.execution = x.id
    JOIN pipeline_node AS p ON p.id = x.pipeline_node
    JOIN word AS w ON w.id = p.pipeline
    WHERE substr(a.digest, 1, 12) = ?
    ORDER BY w.text, p.name"""

_VERSIONS = """
    SELECT m.name, v.version, group_concat(l.name, ', ')
    FROM artifact AS a
    JOIN model_version AS v ON v.artifact = a.id
    JOIN model AS m ON m.id = v.model
    LEFT JOIN model_alias AS l ON l.version = v.id
    WHERE substr(a.digest, 1, 12) = ? AND v.state IN ('registered', 'rolled_back')
    GROUP BY v.id
    ORDER BY m.name, v.version"""


@dataclass(frozen=True, slots=True)
class Dependants:
    """What hangs on an artifact.

    Attributes:
        nodes: (pipeline, node) of what would be reused with it.
        versions: Model versions that it is, such as `taxi:7 (champion)`.
    """

    nodes: tuple[tuple[str, str], ...]
    versions: tuple[str, ...]


def database_faults(reader: Reader) -> tuple[str, ...]:
    """Return what SQLite finds wrong with the file, and rows that point to rows that are not there."""
    faults = [text for (text,) in reader.select(f"PRAGMA integrity_check({_MOST_FAULTS})") if text != "ok"]
    dangling = {(table, parent) for table, _, parent, _ in reader.select("PRAGMA foreign_key_check")}
    return (
        *faults,
        *(f"rows of {table} point to rows of {parent} that are not there" for table, parent in sorted(dangling)),
    )


def dependants_of(reader: Reader, digest: Digest) -> Dependants:
    """Return what would be reused with an artifact, and the model versions that it is."""
    nodes = reader.select(_MAKERS, (to_prefix(digest),))
    versions = reader.select(_VERSIONS, (to_prefix(digest),))
    return Dependants(
        tuple((pipeline, node) for pipeline, node in nodes),
        tuple(f"{model}:{version}" + (f" ({aliases})" if aliases else "") for model, version, aliases in versions),
    )
