"""Gathers what is recorded of a model version into a card: only facts, nothing that a person would have to judge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from flowkit.lineage.ancestry import ancestors
from flowkit.lineage.artifacts import find_artifacts
from flowkit.lineage.history import list_audit, parameters_of, run_summary
from flowkit.lineage.latest import accounts_of
from flowkit.lineage.reader import Reader
from flowkit.lineage.rows import AuditRow, LineageRow
from flowkit.records import Acceptance, Artifact, Digest, RunSummary
from flowkit.registry.models import VersionDetails, show_version
from flowkit.registry.references import ModelReference

_STRING = "'\""


class CardStep(Struct, frozen=True):
    """A node that went into the model.

    Attributes:
        parameters: Those that are no artifacts.
        accepted: Who let its result stand for edited code since.
    """

    node: str
    step: str
    run: str
    code: Digest
    parameters: Mapping[str, str]
    accepted: tuple[Acceptance, ...] = ()


class CardInput(Struct, frozen=True):
    """A file or folder that came in: which node took it, as what, and its content's digest."""

    node: str
    parameter: str
    shown: str
    artifact: Artifact


class CardObserved(Struct, frozen=True):
    """What a node read without declaring it: a file, a listing, a variable; of variables no content is kept."""

    node: str
    kind: str
    name: str
    digest: str


class CardMove(Struct, frozen=True):
    """A row of the audit log on this version; `alias` is None where none was moved."""

    at: str
    who: str
    action: str
    alias: str | None
    detail: str


class ModelCard(Struct, frozen=True):
    """All that is recorded of one version.

    Attributes:
        run: The run that registered it; None where it is not recorded.
        steps: What made it, the first step first.
        environment: Interpreter, packages and declared variables that counted in the keys of those steps.
    """

    version: VersionDetails
    artifact: Artifact
    run: RunSummary | None
    steps: tuple[CardStep, ...]
    inputs: tuple[CardInput, ...]
    environment: Mapping[str, str]
    moves: tuple[CardMove, ...]
    observed: tuple[CardObserved, ...] = ()


def make_card(reader: Reader, reference: ModelReference) -> ModelCard:
    """Return the card of the version that a reference names.

    Raises:
        NotRecordedError: There is no such model, version or alias.
    """
    with reader.at_one_moment():
        version = show_version(reader, reference)
        row = version.row
        made_by = tuple(reversed(ancestors(reader, row.artifact)))
        subject = f"{row.model}:{row.version}"
        return ModelCard(
            version,
            find_artifacts(reader, [row.artifact])[row.artifact],
            run_summary(reader, row.run) if row.run is not None else None,
            tuple(_step(reader, found) for found in made_by),
            _inputs(reader, made_by),
            _environment(reader, made_by),
            tuple(_move(audit) for audit in list_audit(reader) if audit.subject == subject),
            tuple(CardObserved(row.node, one.kind, one.name, one.digest) for row in made_by for one in row.observed),
        )


def _step(reader: Reader, row: LineageRow) -> CardStep:
    inputs = {parameter for parameter, _ in row.inputs}
    shown = {found.name: found.value for found in parameters_of(reader, row.run, row.node) if found.name not in inputs}
    return CardStep(row.node, row.step, row.run, row.code, shown, row.accepted)


def _inputs(reader: Reader, rows: Sequence[LineageRow]) -> tuple[CardInput, ...]:
    made = {digest for row in rows for _, digest in row.outputs}
    taken = [(row, parameter, digest) for row in rows for parameter, digest in row.inputs if digest not in made]
    artifacts = find_artifacts(reader, [digest for _, _, digest in taken])
    found = []
    for row, parameter, digest in taken:
        shown = {part.name: part.value for part in parameters_of(reader, row.run, row.node)}
        found.append(CardInput(row.node, parameter, shown.get(parameter, "").strip(_STRING), artifacts[digest]))
    return tuple(found)


def _environment(reader: Reader, rows: Sequence[LineageRow]) -> dict[str, str]:
    values: dict[str, str] = {}
    by_run: dict[str, list[str]] = {}
    for row in rows:
        by_run.setdefault(row.run, []).append(row.node)
    for run, nodes in by_run.items():
        for account in accounts_of(reader, run, nodes).values():
            values.update(account.environment.values)
    return dict(sorted(values.items()))


def _move(row: AuditRow) -> CardMove:
    return CardMove(row.at, row.who, row.action, json.loads(row.evidence).get("alias"), row.detail)
