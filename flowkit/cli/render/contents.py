"""What an artifact's content is, told without loading anything that could run code."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from flowkit.codecs.tables_manifest import describe_table
from flowkit.records import Artifact
from flowkit.store.base import Store

_LONGEST = 2000
NOT_KEPT = ("file", "folder")
"""Formats of what came in as a path: the store has its digest only."""


class Content(Struct, frozen=True):
    """A description of an artifact's content.

    Attributes:
        lines: For people.
        rows: Of a table.
        columns: Of a table: name and dtype.
        value: Of a JSON artifact, or the beginning of a text.
    """

    lines: tuple[str, ...] = ()
    rows: int | None = None
    columns: tuple[tuple[str, str], ...] = ()
    value: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return what `artifact show --json` adds to the artifact's row."""
        columns = [{"name": name, "dtype": dtype} for name, dtype in self.columns]
        return {"rows": self.rows, "columns": columns or None, "value": self.value}


def describe_content(store: Store, artifact: Artifact) -> Content:
    """Return what there is to say of an artifact's content.

    Raises:
        LostArtifactError: It is gone or damaged.
    """
    if artifact.format in NOT_KEPT:
        return Content((f"a {artifact.format} that came in as a path: the store keeps its digest, not its content",))
    payload = store.open(artifact).payload
    if artifact.format == "table":
        return _describe_table(bytes(payload))
    if artifact.format in ("json", "path"):
        value = json.loads(str(payload, "utf-8", "surrogatepass"))
        return Content((_cut(json.dumps(value, ensure_ascii=False, indent=2)),), value=value)
    if artifact.format == "str":
        text = _cut(str(payload, "utf-8", "replace"))
        return Content((text,), value=text)
    if artifact.format == "npy":
        return _describe_array(bytes(payload[:1024]))
    return Content((f"stored as {artifact.format}: not loaded here, use run[…].value() for the value",))


def _describe_table(payload: bytes) -> Content:
    table = describe_table(payload)
    lines = [f"a table of {table.kind}" + (f", index {table.index}" if table.index else "")]
    if table.pickled:
        lines.append(f"with pickled values in {', '.join(map(str, table.pickled))}")
    return Content(tuple(lines), table.rows, tuple((column.name, column.dtype) for column in table.columns))


def _describe_array(head: bytes) -> Content:
    # The header is a line of ASCII between the length field and the data: a dict that numpy prints.
    start = head.index(b"{")
    return Content((f"an array: {head[start : head.index(b'}') + 1].decode('ascii')}",))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… {len(text) - _LONGEST:,} more characters"
