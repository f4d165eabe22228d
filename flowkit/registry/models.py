"""Reads the registry: models, versions, aliases, and what was decided on them."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

from msgspec import Struct

from flowkit.errors import NotRecordedError
from flowkit.lineage.ancestry import ancestors
from flowkit.lineage.artifacts import find_artifacts
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import AliasRow, ModelRow
from flowkit.records import Acceptance, Artifact, GateVerdict, Promotion
from flowkit.registry.judgements import recorded_metrics, verdicts_of
from flowkit.registry.references import CHAMPION, ModelReference

_HELD = """
    SELECT v.id, v.version, lower(hex(a.digest)), x.id, r.run
    FROM model_alias AS l
    JOIN model AS m ON m.id = l.model
    JOIN model_version AS v ON v.id = l.version
    JOIN artifact AS a ON a.id = v.artifact
    LEFT JOIN execution AS x ON x.id = (SELECT max(o.execution) FROM output AS o WHERE o.artifact = a.id)
    LEFT JOIN run AS r ON r.id = x.run
    WHERE m.name = ? AND l.name = ?"""

_JUDGEMENTS = """
    SELECT j.id, m.name, v.version, j.alias, j.accepted, j.reason
    FROM judgement AS j
    JOIN model_version AS v ON v.id = j.version
    JOIN model AS m ON m.id = v.model"""


class Champion(Struct, frozen=True):
    """The version that an alias points to.

    Attributes:
        metrics: Those recorded when it was accepted.
        entry: The recorded execution that made the model, for `NodeRecord.entry`; None where there is none.
        run: The run of that execution.
    """

    model: str
    alias: str
    version: int
    artifact: Artifact
    metrics: dict[str, float]
    entry: int | None
    run: str | None = None


class VersionDetails(Struct, frozen=True):
    """A version with all that is known of it.

    Attributes:
        aliases: Those that point to it now.
        metrics: Those it was accepted with last, else refused with.
        decisions: Every promotion that was decided on it, the oldest first.
        accepted: By node, who let the results that went into it stand for edited code since.
    """

    row: ModelRow
    aliases: tuple[str, ...]
    metrics: dict[str, float]
    decisions: tuple[Promotion, ...]
    accepted: tuple[tuple[str, Acceptance], ...] = ()

    @property
    def verdicts(self) -> tuple[GateVerdict, ...]:
        """The verdicts of the last decision."""
        return self.decisions[-1].verdicts if self.decisions else ()


def champion(reader: Reader, model: str, alias: str = CHAMPION) -> Champion | None:
    """Return the version that an alias of a model points to, None where there is none."""
    with reader.at_one_moment():
        rows = reader.select(_HELD, (model, alias))
        if not rows:
            return None
        identity, version, digest, entry, run = rows[0]
        metrics = recorded_metrics(reader.select, identity)
        return Champion(model, alias, version, find_artifacts(reader, [digest])[digest], metrics, entry, run)


def list_models(reader: Reader, model: str | None = None) -> tuple[ModelRow, ...]:
    """Return the versions of all models, or of one, by name and number.

    Raises:
        NotRecordedError: There is no such model.
    """
    rows = reader.select("SELECT * FROM models WHERE ?1 IS NULL OR model = ?1 ORDER BY model, version", (model,))
    if model is not None and not rows:
        known = [name for (name,) in reader.select("SELECT name FROM model ORDER BY name")]
        raise NotRecordedError.for_model(model, known)
    return tuple(ModelRow(*row) for row in rows)


def list_aliases(reader: Reader, model: str | None = None) -> tuple[AliasRow, ...]:
    """Return where the aliases of all models, or of one, point to."""
    rows = reader.select("SELECT * FROM aliases WHERE ?1 IS NULL OR model = ?1 ORDER BY model, alias", (model,))
    return tuple(AliasRow(*row) for row in rows)


def resolve(reader: Reader, reference: ModelReference) -> ModelRow:
    """Return the version that a reference names; a bare model is its champion, else its newest version.

    Raises:
        NotRecordedError: There is no such model, version or alias.
    """
    versions = {row.version: row for row in list_models(reader, reference.model)}
    aliases = {row.alias: row.version for row in list_aliases(reader, reference.model)}
    if reference.version is not None:
        if reference.version not in versions:
            raise NotRecordedError.for_version(reference.model, reference.version, list(versions))
        return versions[reference.version]
    if reference.alias is not None and reference.alias not in aliases:
        raise NotRecordedError.for_alias(reference.model, reference.alias, list(aliases))
    return versions[aliases.get(reference.alias or CHAMPION, max(versions))]


def show_version(reader: Reader, reference: ModelReference) -> VersionDetails:
    """Return all that is known of the version that a reference names.

    Raises:
        NotRecordedError: There is no such model, version or alias.
    """
    with reader.at_one_moment():
        row = resolve(reader, reference)
        aliases = tuple(found.alias for found in list_aliases(reader, row.model) if found.version == row.version)
        ((identity,),) = reader.select(
            "SELECT v.id FROM model_version AS v JOIN model AS m ON m.id = v.model WHERE m.name = ? AND v.version = ?",
            (row.model, row.version),
        )
        metrics = recorded_metrics(reader.select, identity)
        decisions = _load_decisions(reader, f"{_JUDGEMENTS} WHERE j.version = ? ORDER BY j.id", identity)
        accepted = [(made.node, one) for made in ancestors(reader, row.artifact) for one in made.accepted]
    return VersionDetails(row, aliases, metrics, decisions, tuple(dict.fromkeys(accepted)))


def promotions_of(reader: Reader, run: str) -> tuple[Promotion, ...]:
    """Return the promotions that a run decided, in their order; those that found nothing to change left no record."""
    query = f"{_JUDGEMENTS} WHERE j.run = (SELECT id FROM run WHERE run = ?) ORDER BY j.id"
    with reader.at_one_moment():
        return _load_decisions(reader, query, run)


def version_at(reader: Reader, model: str, alias: str, at: float) -> int | None:
    """Return the version that an alias pointed to at a moment, in seconds since the epoch; None where to none."""
    rows = reader.select(
        "SELECT v.version FROM alias_move AS m JOIN model AS d ON d.id = m.model JOIN model_version AS v"
        " ON v.id = m.version WHERE d.name = ? AND m.alias = ? AND m.at <= ? ORDER BY m.id DESC LIMIT 1",
        (model, alias, at),
    )
    return rows[0][0] if rows else None


def _load_decisions(reader: Reader, query: str, scope: object) -> tuple[Promotion, ...]:
    return tuple(
        Promotion(model, version, alias, bool(accepted), reason, verdicts_of(reader.select, judgement))
        for judgement, model, version, alias, accepted, reason in reader.select(query, (scope,))
    )
