"""The audit log: a chain in which every row's hash covers the row and the hash before it.

Changing, removing or swapping a row breaks the chain there. Whoever can write the file can forge a whole new chain, so
the last hash is worth keeping elsewhere.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

from blake3 import blake3

from flowkit.lineage.texts import clean_text, to_json

START = bytes(32)
"""What the first row has for the hash before it."""

_DOMAIN = b"flowkit audit 1\0"
_COLUMNS = "sequence, at, who, action, subject, detail, evidence, previous"


def append_audit(
    connection: sqlite3.Connection,
    *,
    at: float,
    who: str,
    action: str,
    subject: str,
    detail: str = "",
    evidence: dict[str, Any] | None = None,
) -> int:
    """Append a row, within the transaction that does what the row tells, and return its sequence number.

    Args:
        connection: The writer's, with the write lock held.
        at: Seconds since the epoch.
        who: A person, or the run that decided.
        action: A verb, such as `promote`.
        subject: What it was done to, such as `taxi:7`.
        detail: A sentence or a reason.
        evidence: What the decision rested on; kept as JSON.
    """
    previous = connection.execute("SELECT sequence, hash FROM audit_record ORDER BY sequence DESC LIMIT 1").fetchone()
    # Not the last row's number and one: a removed last row must leave a gap.
    issued = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit_record'").fetchone()
    sequence: int = (issued[0] if issued is not None else 0) + 1
    texts = [clean_text(text) for text in (_timestamp(at), who, action, subject, detail, to_json(evidence or {}))]
    row = (sequence, *texts, previous[1] if previous is not None else START)
    connection.execute(
        f"INSERT INTO audit_record ({_COLUMNS}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (*row, _hash_row(row)),
    )
    return sequence


def verify_chain(connection: sqlite3.Connection) -> int | None:
    """Return the sequence number of the first row that is changed, missing or out of place; None where all is well."""
    rows = connection.execute(f"SELECT {_COLUMNS}, hash FROM audit_record ORDER BY sequence").fetchall()  # noqa: S608
    previous = START
    for expected, (*row, digest) in enumerate(rows, 1):
        if row[0] != expected or row[-1] != previous or _hash_row(tuple(row)) != digest:
            return expected
        previous = digest
    issued = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit_record'").fetchone()
    last = issued[0] if issued is not None else 0
    return len(rows) + 1 if last != len(rows) else None


def _hash_row(row: tuple[Any, ...]) -> bytes:
    """Hash a row: every field with its length before it, so that no text can pose as two fields."""
    hasher = blake3(_DOMAIN)
    for field in row:
        payload = field if isinstance(field, bytes) else str(field).encode()
        hasher.update(len(payload).to_bytes(8, "little"))
        hasher.update(payload)
    return hasher.digest()


def _timestamp(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
