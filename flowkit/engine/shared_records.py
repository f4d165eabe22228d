"""The record of one result as machines share it through a remote: JSON that is read with distrust.

A record says which artifacts a node gave under a cache key, and who made them. Digests, names and sizes in it are only
claims: blobs are hashed before use, and a record whose own key differs from the one it was asked for is refused.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from flowkit.records import Artifact, BlobFile, Digest, Entry, NodeRecord, Output, Stamp
from flowkit.store.names import check_blob_name, check_digest, digest_in

RECORD_FORMAT = 1

_UNSEEN = Stamp(-1, -1, -1, -1)
"""The stamp of a file that this machine has not looked at: it matches none, so the file is hashed."""


def write_shared_record(record: NodeRecord, host: str) -> bytes:
    """Return the record of a node that executed here."""
    execution = record.execution
    assert execution is not None
    return json.dumps(
        {
            "format": RECORD_FORMAT,
            "cache_key": execution.cache_key,
            "entry_key": execution.entry_key,
            "step": record.step,
            "run": record.run,
            "node": record.node,
            "host": host,
            "created": (record.started or 0.0) + (record.seconds or 0.0),
            "outputs": [_output_to_json(output) for output in execution.outputs],
            "metrics": [[name, float(value).hex()] for name, value in execution.metrics],
        },
        sort_keys=True,
    ).encode()


def read_shared_record(content: bytes, cache_key: Digest) -> Entry:
    """Return the entry that a record tells of; its files are yet to be fetched and verified.

    Raises:
        ValueError: It is not a record of this format, or of another key; the text is the end of a sentence.
    """
    try:
        found = json.loads(content)
        if found["format"] != RECORD_FORMAT:
            raise ValueError(f"its format is {found['format']!r}, this flowkit reads {RECORD_FORMAT}")
        if found["cache_key"] != cache_key:
            raise ValueError("it is a record of another key")
        return Entry(
            id=None,
            cache_key=cache_key,
            entry_key=check_digest(found["entry_key"]),
            generation=0,
            run=str(found["run"]),
            node=str(found["node"]),
            created=float(found["created"]),
            outputs=tuple(_output_from_json(output) for output in found["outputs"]),
            metrics=tuple((str(name), float.fromhex(value)) for name, value in found["metrics"]),
            host=str(found["host"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks or misspells {error}") from error


def _output_to_json(output: Output) -> dict[str, Any]:
    artifact = output.artifact
    return {
        "name": output.name,
        "digest": artifact.digest,
        "format": artifact.format,
        "bytes": artifact.bytes,
        "inline": None if artifact.inline is None else base64.b64encode(artifact.inline).decode("ascii"),
        "blob": artifact.files[0].name if artifact.files else None,
        "refers": list(artifact.refers),
    }


def _output_from_json(found: dict[str, Any]) -> Output:
    digest, inline, blob = check_digest(found["digest"]), found["inline"], found["blob"]
    if (inline is None) == (blob is None):
        raise ValueError("an output of it has no content")
    if blob is not None and digest_in(check_blob_name(blob)) != digest:
        raise ValueError("an output of it names another blob")
    return Output(
        str(found["name"]),
        Artifact(
            digest=digest,
            format=str(found["format"]),
            bytes=int(found["bytes"]),
            inline=None if inline is None else base64.b64decode(inline, validate=True),
            files=() if blob is None else (BlobFile(blob, _UNSEEN),),
            refers=tuple(str(name) for name in found["refers"]),
        ),
    )
