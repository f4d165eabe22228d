"""Goes through a store: whether all that its database names is there and right, and what follows where it is not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import LostArtifactError, StoreError
from flowkit.lineage.artifacts import count_stored, stored_artifacts
from flowkit.lineage.connection import LOCK_TIMEOUT, connect_for_reading, reporting, waiting
from flowkit.lineage.history import list_audit
from flowkit.lineage.reader import Reader
from flowkit.lineage.soundness import Dependants, database_faults, dependants_of
from flowkit.records import Artifact
from flowkit.registry.audit import verify_chain
from flowkit.store.local import LocalStore

_MOST_NODES = 4

RESTORE = "restore the store from a backup."

Progress = Callable[[int, int, int], None]
"""Told how many artifacts of how many are done, and their bytes."""


class FindingKind(StrEnum):
    """What is wrong: the database file, the audit log, a model's content, or another artifact."""

    DATABASE = "database"
    AUDIT = "audit"
    MODEL = "model"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        subject: The artifact, the row or the file.
        problem: What is wrong with it.
        meaning: What follows from that, and what to do.
    """

    kind: FindingKind
    subject: str
    problem: str
    meaning: str


@dataclass(frozen=True, slots=True)
class SoundnessReport:
    """What was gone through, and what was found.

    Attributes:
        audit_rows: How long the audit log is.
    """

    artifacts: int
    bytes: int
    audit_rows: int
    findings: tuple[Finding, ...]

    def to_json(self, store: str) -> dict[str, Any]:
        """Return the object that `verify --json` prints."""
        return {
            "format": JSON_FORMAT,
            "store": store,
            "sound": not self.findings,
            "artifacts": self.artifacts,
            "bytes": self.bytes,
            "audit_rows": self.audit_rows,
            "findings": [asdict(finding) for finding in self.findings],
        }


def check_store(reader: Reader, store: LocalStore, progress: Progress) -> SoundnessReport:
    """Hash every artifact that the database names, check the database itself and the audit log.

    A damaged file is moved to quarantine, so that the next run makes again what it held.

    Raises:
        LineageError: The database cannot be read at all.
        StoreError: A file cannot be opened.
    """
    findings = [
        Finding(FindingKind.DATABASE, str(reader.path), fault, f"keep the file as it is, and {RESTORE}")
        for fault in database_faults(reader)
    ]
    broken = _broken_audit(reader)
    if broken is not None:
        findings.append(_describe_audit(broken))
    total, done, size = count_stored(reader), 0, 0
    for artifact in stored_artifacts(reader):
        try:
            store.prove(artifact)
        except StoreError as error:
            findings.append(describe_loss(artifact, error, dependants_of(reader, artifact.digest)))
        done, size = done + 1, size + artifact.bytes
        progress(done, total, size)
    return SoundnessReport(done, size, len(list_audit(reader)), tuple(findings))


def _broken_audit(reader: Reader) -> int | None:
    with contextlib.closing(connect_for_reading(reader.path)) as connection, reporting(reader.path):
        return waiting(lambda: verify_chain(connection), reader.path, LOCK_TIMEOUT)


def _describe_audit(sequence: int) -> Finding:
    return Finding(
        FindingKind.AUDIT,
        f"row {sequence}",
        "it is changed, missing or out of place",
        "somebody has changed the record of promotions: compare it with a backup (flowkit audit list).",
    )


def describe_loss(artifact: Artifact, error: StoreError, hanging: Dependants) -> Finding:
    """Return what it means that an artifact is lost, damaged or cannot be read."""
    facts = dict(error.facts)
    where = [f"{name} {facts[name]}" for name in ("file", "kept") if name in facts]
    said = error.message.partition(": ")[2] if isinstance(error, LostArtifactError) else error.message
    problem = said.rstrip(".") + (f" ({', '.join(where)})" if where else "")
    subject = f"{artifact.digest[:12]} ({artifact.format})"
    if hanging.versions:
        named = ", ".join(hanging.versions)
        meaning = f"the content of model {named} is lost, and no run brings just that back: {RESTORE}"
        return Finding(FindingKind.MODEL, subject, problem, meaning)
    return Finding(FindingKind.ARTIFACT, subject, problem, _what_reruns(hanging.nodes))


def _what_reruns(nodes: Sequence[tuple[str, str]]) -> str:
    if not nodes:
        return "it is history only: no later run would take it."
    named = ", ".join(_named(nodes))
    return f"the next run that needs it makes it again: {named}."


def _named(nodes: Sequence[tuple[str, str]]) -> Iterator[str]:
    for pipeline, node in nodes[:_MOST_NODES]:
        yield f"{node} of {pipeline}"
    if len(nodes) > _MOST_NODES:
        yield f"{len(nodes) - _MOST_NODES:,} more"
