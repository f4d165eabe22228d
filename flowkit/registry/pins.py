"""Artifacts that a person keeps from every collection. Each pin, and its end, leaves an audit row."""

from __future__ import annotations

import sqlite3
import time

from flowkit.errors import LostArtifactError, NotRecordedError, StoreError
from flowkit.lineage.content import find_artifact_id
from flowkit.lineage.writer import LineageWriter
from flowkit.records import Artifact
from flowkit.registry.audit import append_audit


def pin(writer: LineageWriter, artifact: Artifact, *, who: str, reason: str = "") -> bool:
    """Keep an artifact from every collection.

    Returns:
        Whether anything was written; False where it was pinned already.

    Raises:
        NotRecordedError: It is not recorded.
        LostArtifactError: A collection has dropped it.
        StoreError: Its content is gone for another reason.
    """
    at = time.time()
    return writer.write(lambda connection: _pin(writer, connection, artifact, at, who, reason))


def unpin(writer: LineageWriter, artifact: Artifact, *, who: str, reason: str = "") -> bool:
    """Let collections drop an artifact again.

    Returns:
        Whether anything was written; False where it was not pinned.

    Raises:
        NotRecordedError: It is not recorded.
    """
    at = time.time()
    return writer.write(lambda connection: _unpin(connection, artifact, at, who, reason))


def _pin(
    writer: LineageWriter, connection: sqlite3.Connection, artifact: Artifact, at: float, who: str, reason: str
) -> bool:
    number = _require(connection, artifact)
    if connection.execute("SELECT 1 FROM pin WHERE artifact = ?", (number,)).fetchone() is not None:
        return False
    if connection.execute("SELECT 1 FROM dropped WHERE artifact = ?", (number,)).fetchone() is not None:
        raise LostArtifactError.for_damage(artifact.digest, artifact.format, "", "no file of the store holds it")
    gone = writer.find_gone(connection, number)
    if gone is not None:
        raise StoreError.for_gone_pin(_versions_of(connection, number), gone.digest, gone.format, gone.file)
    audit = append_audit(connection, at=at, who=who, action="pin", subject=artifact.digest, detail=reason)
    connection.execute("INSERT INTO pin (artifact, audit) VALUES (?, ?)", (number, audit))
    return True


def _versions_of(connection: sqlite3.Connection, artifact: int) -> list[str]:
    rows = connection.execute(
        "SELECT m.name, v.version FROM model_version AS v JOIN model AS m ON m.id = v.model WHERE v.artifact = ?"
        " ORDER BY v.id",
        (artifact,),
    ).fetchall()
    return [f"{model}:{version}" for model, version in rows]


def _unpin(connection: sqlite3.Connection, artifact: Artifact, at: float, who: str, reason: str) -> bool:
    number = _require(connection, artifact)
    if connection.execute("DELETE FROM pin WHERE artifact = ?", (number,)).rowcount == 0:
        return False
    append_audit(connection, at=at, who=who, action="unpin", subject=artifact.digest, detail=reason)
    return True


def _require(connection: sqlite3.Connection, artifact: Artifact) -> int:
    number = find_artifact_id(connection, artifact.digest)
    if number is None:
        raise NotRecordedError.for_artifact(artifact.digest)
    return number
