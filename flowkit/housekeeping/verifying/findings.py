"""What is wrong with a store, and what was done about it or can be: frozen records and their words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct, to_builtins

from flowkit.engine.report import JSON_FORMAT
from flowkit.errors import LostArtifactError, StoreError
from flowkit.lineage.dropped import remake_command
from flowkit.lineage.soundness import Dependants
from flowkit.records import Artifact
from flowkit.store.census import Census

_MOST_NODES = 4
_WRITTEN_AGAIN = "written again from where else its content lay."

BY_VERIFY = "`flowkit verify` without --dry-run, by a user who may write the store"
RESTORE = "restore the store from a backup (flowkit backup --restore FILE)"


class FindingKind(StrEnum):
    """What is wrong: the database, the audit log, the registry, a model's content, another artifact, a file's mode."""

    DATABASE = "database"
    AUDIT = "audit"
    REGISTRY = "registry"
    MODEL = "model"
    ARTIFACT = "artifact"
    FILE = "file"


class Remedy(StrEnum):
    """Whether something was repaired, can be, or cannot be from what this store holds."""

    REPAIRED = "repaired"
    POSSIBLE = "possible"
    NONE = "none"


class Finding(Struct, frozen=True):
    """One thing that is not, or was not, as it should be.

    Attributes:
        subject: The artifact, the row or the file.
        problem: What is wrong with it.
        remedy: Whether it was repaired, or can be.
        meaning: What was done, what repairs it, or what to do where nothing does.
    """

    kind: FindingKind
    subject: str
    problem: str
    remedy: Remedy
    meaning: str


class SoundnessReport(Struct, frozen=True):
    """What was gone through, and what was found.

    Attributes:
        audit_rows: How long the audit log is.
        restamped: How many artifacts are whole in files that had changed, such as copied ones.
        unnamed: What no record names.
    """

    artifacts: int
    bytes: int
    audit_rows: int
    restamped: int
    unnamed: Census
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is left to be repaired."""
        return all(finding.remedy is Remedy.REPAIRED for finding in self.findings)

    def to_json(self, store: str) -> dict[str, Any]:
        """Return the object that `verify --json` prints."""
        return {
            "format": JSON_FORMAT,
            "store": store,
            "sound": self.sound,
            "artifacts": self.artifacts,
            "bytes": self.bytes,
            "audit_rows": self.audit_rows,
            "restamped": self.restamped,
            "unnamed": to_builtins(self.unnamed),
            "findings": [to_builtins(finding) for finding in self.findings],
        }


def describe_audit(sequence: int) -> Finding:
    """Return what it means that the audit log's chain breaks at a row."""
    return Finding(
        FindingKind.AUDIT,
        f"row {sequence}",
        "it is changed, missing or out of place",
        Remedy.NONE,
        "somebody has changed the record of promotions: compare it with a backup (flowkit audit list).",
    )


def describe_loss(artifact: Artifact, error: StoreError, hanging: Dependants, options: str) -> Finding:
    """Return what it means that an artifact is lost, damaged or cannot be read.

    Args:
        artifact: The artifact.
        error: What reading it said.
        hanging: What would be reused with it, or is it.
        options: Those without which a command would look into another store.
    """
    kind = FindingKind.MODEL if hanging.versions else FindingKind.ARTIFACT
    problem = _problem(error)
    if not isinstance(error, LostArtifactError):
        return Finding(kind, name_artifact(artifact), problem, Remedy.POSSIBLE, f"you: {error.hint}")
    if hanging.versions:
        problem = f"the content of model {', '.join(hanging.versions)} is lost: {problem}"
    return Finding(kind, name_artifact(artifact), problem, *_ways_out(hanging, options))


def describe_mended(artifact: Artifact, error: StoreError) -> Finding:
    """Return that a lost or damaged artifact was written again."""
    return Finding(FindingKind.ARTIFACT, name_artifact(artifact), _problem(error), Remedy.REPAIRED, _WRITTEN_AGAIN)


def describe_rescued(artifact: Artifact, files: Iterable[str], hanging: Dependants, *, mended: bool) -> Finding:
    """Return that an artifact is whole only as long as files in quarantine are.

    Args:
        artifact: The artifact.
        files: The blobs whose place is empty or holds something damaged.
        hanging: What would be reused with it, or is it.
        mended: Whether it was written again.
    """
    named = ", ".join(f"'blobs/{name}'" for name in sorted(files))
    problem = f"a part of it is read from quarantine only: {named} should have it"
    if mended:
        return Finding(FindingKind.ARTIFACT, name_artifact(artifact), problem, Remedy.REPAIRED, _WRITTEN_AGAIN)
    if hanging.versions:
        problem = f"the content of model {', '.join(hanging.versions)} is not safe: {problem}"
    kind = FindingKind.MODEL if hanging.versions else FindingKind.ARTIFACT
    return Finding(kind, name_artifact(artifact), problem, Remedy.POSSIBLE, f"{BY_VERIFY}.")


def name_artifact(artifact: Artifact) -> str:
    """Return how findings call an artifact."""
    return f"{artifact.digest[:12]} ({artifact.format})"


def _problem(error: StoreError) -> str:
    facts = dict(error.facts)
    where = [f"{name} {facts[name]}" for name in ("file", "kept") if name in facts]
    said = error.message.partition(": ")[2] if isinstance(error, LostArtifactError) else error.message
    return said.rstrip(".") + (f" ({', '.join(where)})" if where else "")


def _ways_out(hanging: Dependants, options: str) -> tuple[Remedy, str]:
    command = f"`{remake_command(*hanging.made_by, options)}`" if hanging.made_by is not None else ""
    if hanging.versions and hanging.made_by is not None:
        return Remedy.POSSIBLE, f"{command}, where {hanging.made_by[1]!r} gives the same bytes again; else {RESTORE}."
    if hanging.versions:
        return Remedy.NONE, f"no result that can be made again is this model: {RESTORE}."
    if hanging.nodes:
        users = ", ".join(_named(hanging.nodes))
        return Remedy.POSSIBLE, f"{command}, or the next run that needs it, which makes it again: {users}."
    return Remedy.NONE, "it is history only: no later run would take it."


def _named(nodes: Sequence[tuple[str, str]]) -> Iterator[str]:
    for pipeline, node in nodes[:_MOST_NODES]:
        yield f"{node} of {pipeline}"
    if len(nodes) > _MOST_NODES:
        yield f"{len(nodes) - _MOST_NODES:,} more"
