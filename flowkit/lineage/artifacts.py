"""Reads artifacts back as the records they were, with the files that hold them."""

# ruff: noqa: S608  (queries are put together from the constants of this module only)

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from flowkit.errors import NotRecordedError, StoreError
from flowkit.lineage.reader import Reader, Row
from flowkit.lineage.rows import ArtifactRow
from flowkit.lineage.texts import to_bytes, to_prefix, to_unsigned
from flowkit.lineage.views import VIEWS
from flowkit.records import Artifact, BlobFile, Digest, Output, Stamp
from flowkit.store.names import blob_name

_BATCH = 500
"""How many artifacts are read at a time where all are wanted."""

_ARTIFACT = "a.id, a.digest, f.text, a.bytes, a.inline, g.text"

_OUTPUTS = f"""
    SELECT o.execution, w.text, {_ARTIFACT}
    FROM output AS o
    JOIN word AS w ON w.id = o.name
    JOIN artifact AS a ON a.id = o.artifact
    JOIN word AS f ON f.id = a.format
    LEFT JOIN word AS g ON g.id = a.refers
    WHERE o.execution IN ({{values}})
    ORDER BY o.execution, o.position"""

_INPUTS = f"""
    SELECT i.execution, w.text, {_ARTIFACT}
    FROM input AS i
    JOIN word AS w ON w.id = i.parameter
    JOIN artifact AS a ON a.id = i.artifact
    JOIN word AS f ON f.id = a.format
    LEFT JOIN word AS g ON g.id = a.refers
    WHERE i.execution IN ({{values}})
    ORDER BY i.execution, i.position"""

_BY_DIGEST = f"""
    SELECT {_ARTIFACT}
    FROM artifact AS a
    JOIN word AS f ON f.id = a.format
    LEFT JOIN word AS g ON g.id = a.refers
    WHERE substr(a.digest, 1, 12) IN ({{values}})"""

_BY_PREFIX = """
    SELECT digest FROM artifact
    WHERE substr(digest, 1, 12) BETWEEN substr(?1, 1, 12) AND substr(?2, 1, 12) AND digest BETWEEN ?1 AND ?2
    LIMIT 10"""

_MADE = f"{VIEWS['artifacts']} WHERE substr(a.digest, 1, 12) IN ({{values}})"

_LATEST = f"{VIEWS['artifacts']} ORDER BY a.id DESC LIMIT ?"

_FILES = """
    SELECT l.artifact, b.digest, w.text, b.size, b.mtime_ns, b.ctime_ns, b.inode
    FROM artifact_file AS l
    JOIN blob_file AS b ON b.id = l.file
    JOIN word AS w ON w.id = b.suffix
    WHERE l.artifact IN ({values})
    ORDER BY l.artifact, l.position"""

_NOT_DROPPED = "NOT EXISTS (SELECT 1 FROM dropped AS d WHERE d.artifact = a.id)"

_STORED = f"""
    SELECT {_ARTIFACT}
    FROM artifact AS a
    JOIN word AS f ON f.id = a.format
    LEFT JOIN word AS g ON g.id = a.refers
    WHERE a.id > ? AND f.text NOT IN ('file', 'folder') AND {_NOT_DROPPED}
    ORDER BY a.id
    LIMIT {_BATCH}"""

_PREFIX = re.compile(r"[0-9a-f]{4,64}", re.ASCII)
_DIGITS = 64


def find_artifacts(reader: Reader, digests: Sequence[Digest]) -> dict[Digest, Artifact]:
    """Return those of the artifacts that are recorded."""
    with reader.at_one_moment():
        rows = reader.select_among(_BY_DIGEST, [to_prefix(digest) for digest in dict.fromkeys(digests)])
        return {artifact.digest: artifact for artifact in _assemble(reader, rows)}


def find_artifact(reader: Reader, prefix: str) -> Artifact:
    """Return the one artifact whose digest starts with `prefix`.

    Args:
        reader: The database.
        prefix: 4 to 64 hexadecimal digits, in either case.

    Raises:
        NotRecordedError: There is none, or more than one.
    """
    prefix = prefix.lower()
    if not _PREFIX.fullmatch(prefix):
        raise NotRecordedError.for_artifact(prefix)
    bounds = (to_bytes(prefix.ljust(_DIGITS, "0")), to_bytes(prefix.ljust(_DIGITS, "f")))
    found = [digest.hex() for (digest,) in reader.select(_BY_PREFIX, bounds)]
    if not found:
        raise NotRecordedError.for_artifact(prefix)
    if len(found) > 1:
        raise NotRecordedError.for_ambiguous("artifact", prefix, found)
    return find_artifacts(reader, found)[found[0]]


def list_artifacts(reader: Reader, limit: int) -> tuple[ArtifactRow, ...]:
    """Return the artifacts recorded last, the newest first."""
    return tuple(ArtifactRow(*row) for row in reader.select(_LATEST, (limit,)))


def made_at(reader: Reader, digests: Sequence[Digest]) -> dict[Digest, str | None]:
    """Return when each of these artifacts was first made, or came in."""
    rows = reader.select_among(_MADE, [to_prefix(digest) for digest in dict.fromkeys(digests)])
    return {digest: created for digest, _, _, created in rows}


def stored_artifacts(reader: Reader) -> Iterator[Artifact]:
    """Yield every artifact that the store should hold, the oldest first.

    Paths that came in are not among them, nor what a collection dropped.
    """
    last = 0
    while True:
        with reader.at_one_moment():
            rows = reader.select(_STORED, (last,))
            artifacts = _assemble_what_can_be(reader, rows)
        if not rows:
            return
        last = rows[-1][0]
        yield from artifacts


def _assemble_what_can_be(reader: Reader, rows: Sequence[Row]) -> list[Artifact]:
    """Return an artifact for each row; without files where the record of them, or of what it names, makes no sense."""
    try:
        return _assemble(reader, rows)
    except (StoreError, ValueError):
        if len(rows) > 1:
            return [artifact for row in rows for artifact in _assemble_what_can_be(reader, [row])]
        _, digest, format_name, size, inline, _ = rows[0]
        return [Artifact(digest.hex(), format_name, size, inline)]


def count_stored(reader: Reader) -> int:
    """Return how many artifacts `stored_artifacts` gives."""
    query = (
        "SELECT count(*) FROM artifact AS a JOIN word AS f ON f.id = a.format"
        f" WHERE f.text NOT IN ('file', 'folder') AND {_NOT_DROPPED}"
    )
    return int(reader.select(query)[0][0])


def load_outputs(reader: Reader, executions: Sequence[int]) -> dict[int, tuple[Output, ...]]:
    """Return the outputs of each execution, in their order; called within one moment of the reader."""
    rows = reader.select_among(_OUTPUTS, executions)
    artifacts = _assemble(reader, [row[2:] for row in rows])
    outputs: dict[int, list[Output]] = {execution: [] for execution in executions}
    for row, artifact in zip(rows, artifacts, strict=True):
        outputs[row[0]].append(Output(row[1], artifact))
    return {execution: tuple(some) for execution, some in outputs.items()}


def load_inputs(reader: Reader, executions: Sequence[int]) -> dict[int, tuple[tuple[str, Artifact], ...]]:
    """Return (parameter, artifact) of everything that each execution took, in order."""
    with reader.at_one_moment():
        rows = reader.select_among(_INPUTS, list(dict.fromkeys(executions)))
        artifacts = _assemble(reader, [row[2:] for row in rows])
    inputs: dict[int, list[tuple[str, Artifact]]] = {execution: [] for execution in executions}
    for row, artifact in zip(rows, artifacts, strict=True):
        inputs[row[0]].append((row[1], artifact))
    return {execution: tuple(some) for execution, some in inputs.items()}


def _assemble(reader: Reader, rows: Iterable[Row]) -> list[Artifact]:
    """Return an artifact for each row of `_ARTIFACT` columns; only those that are not inline may have files."""
    rows = list(rows)
    files = _load_files(reader, [identity for identity, _, _, _, inline, _ in rows if inline is None])
    return [
        Artifact(digest.hex(), format_name, size, inline, files.get(identity, ()), _names(refers))
        for identity, digest, format_name, size, inline, refers in rows
    ]


def _names(refers: str | None) -> tuple[str, ...]:
    # Nearly every artifact names nothing.
    return tuple(json.loads(refers)) if refers else ()


def _load_files(reader: Reader, artifacts: Sequence[int]) -> dict[int, tuple[BlobFile, ...]]:
    files: dict[int, list[BlobFile]] = {}
    for row in reader.select_among(_FILES, list(dict.fromkeys(artifacts))):
        artifact, digest, suffix, size, mtime_ns, ctime_ns, inode = row
        stamp = Stamp(size, mtime_ns, ctime_ns, to_unsigned(inode))
        files.setdefault(artifact, []).append(BlobFile(blob_name(digest.hex(), suffix), stamp))
    return {artifact: tuple(some) for artifact, some in files.items()}
