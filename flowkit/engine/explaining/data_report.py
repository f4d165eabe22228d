"""A change of data as JSON: the `data` of a change, and the `table` of an output."""

from __future__ import annotations

from typing import Any

from msgspec import to_builtins

from flowkit.cache.content import ContentChange, DataChange, FolderChange, TableChange
from flowkit.records import Artifact


def data_to_json(change: DataChange) -> dict[str, Any]:
    """Return how the artifacts of an argument differ."""
    return {
        "artifacts_before": change.artifacts[0],
        "artifacts_after": change.artifacts[1],
        "differing": change.differing,
        "contents": [_content_to_json(content) for content in change.contents],
    }


def _content_to_json(content: ContentChange) -> dict[str, Any]:
    return {
        "place": content.place,
        "before": _artifact_to_json(content.before),
        "after": _artifact_to_json(content.after),
        "lost": content.lost,
        "table": table_to_json(content.table) if content.table is not None else None,
        "folder": _folder_to_json(content.folder) if content.folder is not None else None,
        "values": [to_builtins(found) for found in content.value.first] if content.value is not None else [],
        "values_differing": content.value.count if content.value is not None else None,
    }


def _artifact_to_json(artifact: Artifact | None) -> dict[str, Any] | None:
    if artifact is None:
        return None
    return {"artifact": artifact.digest, "format": artifact.format, "bytes": artifact.bytes}


def table_to_json(table: TableChange) -> dict[str, Any]:
    """Return how a table differs from the one before it."""
    columns = table.columns
    return {
        "rows_before": table.rows[0],
        "rows_after": table.rows[1],
        "added": list(columns.added),
        "removed": list(columns.removed),
        "changed": list(columns.changed),
        "dtypes": [to_builtins(pair) for pair in table.dtypes],
        "reordered": columns.reordered,
        "index_changed": columns.index_changed,
        "values": [{"name": name, "differing": count} for name, count in table.values],
    }


def _folder_to_json(folder: FolderChange) -> dict[str, Any]:
    return {
        "files_before": folder.files[0],
        "files_after": folder.files[1],
        "added": list(folder.added),
        "removed": list(folder.removed),
        "changed": list(folder.changed),
    }
