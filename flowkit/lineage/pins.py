"""Which artifacts a person keeps from every collection."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from flowkit.lineage.reader import Reader
from flowkit.lineage.texts import to_prefix
from flowkit.records import Digest

_PINS = """
    SELECT a.digest, u.who, u.at, u.detail
    FROM pin AS p
    JOIN artifact AS a ON a.id = p.artifact
    JOIN audit_record AS u ON u.sequence = p.audit
    WHERE substr(a.digest, 1, 12) IN ({values})"""


class Pin(Struct, frozen=True):
    """Who keeps an artifact, since when and why.

    Attributes:
        at: UTC ISO 8601.
        reason: What they wrote; empty where they wrote nothing.
    """

    who: str
    at: str
    reason: str


def pins_of(reader: Reader, digests: Sequence[Digest]) -> dict[Digest, Pin]:
    """Return the pins of those of the artifacts that have one."""
    rows = reader.select_among(_PINS, [to_prefix(digest) for digest in dict.fromkeys(digests)])
    return {digest.hex(): Pin(who, at, reason) for digest, who, at, reason in rows}
