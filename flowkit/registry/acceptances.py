"""Records that a person let results stand for edited code: the new entries and the audit rows, or nothing of it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from flowkit.errors import AcceptanceError
from flowkit.lineage.acceptances import insert_acceptance
from flowkit.lineage.recording import Recorder
from flowkit.lineage.writer import LineageWriter
from flowkit.records import NodeRecord
from flowkit.registry.audit import append_audit

ACTION = "accept"
"""What the audit log calls an acceptance."""


class AcceptedResult(Struct, frozen=True):
    """A result that is to stand for edited code.

    Attributes:
        pipeline: The pipeline's name.
        record: The node, with what its key is made of now.
        source: The execution whose result it is.
        evidence: What was shown to the person who accepts it.
    """

    pipeline: str
    record: NodeRecord
    source: int
    evidence: Mapping[str, Any]


def record_acceptances(
    writer: LineageWriter, results: Sequence[AcceptedResult], *, who: str, reason: str = ""
) -> tuple[int, ...]:
    """Let results stand for edited code, with an audit row each, in one transaction.

    Returns:
        The number of each audit row; the one there is where the same was accepted meanwhile.

    Raises:
        AcceptanceError: Another process has meanwhile made one of the results, or replaced what it would stand for.
        LineageError: It could not be recorded; nothing was.
    """
    at = time.time()

    def change(connection: sqlite3.Connection) -> tuple[int, ...]:
        recorder = Recorder(connection)
        return tuple(_record(recorder, result, at, who, reason) for result in results)

    return writer.write(change)


def _record(recorder: Recorder, result: AcceptedResult, at: float, who: str, reason: str) -> int:
    accepted = recorder.accepted_as(result.record, result.source)
    if accepted is not None:
        # Somebody else has just said the same.
        return accepted
    execution = recorder.stand_for(result.pipeline, result.record, result.source)
    if execution is None:
        raise AcceptanceError.for_overtaken(result.record.node)
    audit = append_audit(
        recorder.connection,
        at=at,
        who=who,
        action=ACTION,
        subject=f"{result.pipeline}/{result.record.node}",
        detail=reason,
        evidence={**result.evidence, "reason": reason},
    )
    insert_acceptance(recorder.connection, execution, result.source, audit)
    return audit
