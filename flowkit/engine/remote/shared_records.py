"""The record of one result as machines share it through a remote: JSON that is read with distrust.

A record says which artifacts a node gave under a cache key, and who made them. Digests, names and sizes in it are only
claims: blobs are hashed before use, and a record whose own key differs from the one it was asked for is refused.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from flowkit.cache.key import compute_entry_key
from flowkit.records import Artifact, BlobFile, Digest, Entry, NodeRecord, Output, Stamp
from flowkit.store.names import check_blob_name, check_digest, digest_in

RECORD_FORMAT = 1

_LONGEST_NAME = 400
_MOST_BYTES = 1 << 62
_LATEST = 1e11
"""Seconds since the epoch, some thousand years from now."""

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
        if found["entry_key"] != compute_entry_key(cache_key):
            raise ValueError("it is a record of another result")
        created = float(found["created"])
        if not 0 <= created <= _LATEST:
            raise ValueError("its time is none")
        outputs = tuple(_output_from_json(output) for output in found["outputs"])
        return Entry(
            id=None,
            cache_key=cache_key,
            entry_key=found["entry_key"],
            generation=0,
            run=_name(found["run"]),
            node=_name(found["node"]),
            created=created,
            outputs=outputs,
            metrics=tuple(item for output in outputs for item in _metrics_in(output.artifact)),
            host=_name(found["host"]),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"it lacks or misspells something ({type(error).__name__})") from error


def _name(text: object) -> str:
    """Return a name that may be printed and recorded.

    Raises:
        ValueError: It is no short printable text.
    """
    if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= _LONGEST_NAME:
        raise ValueError("a name in it is none")
    return text


def _metrics_in(artifact: Artifact) -> list[tuple[str, float]]:
    """Return the metrics that an artifact holds, from its own content: a record's word would be a claim more."""
    if artifact.format != "json" or artifact.inline is None:
        return []
    found = json.loads(artifact.inline)
    held = found.get("$metrics") if isinstance(found, dict) else None
    return [(_name(name), _number(value)) for name, value in held.items()] if isinstance(held, dict) else []


def _number(value: Any) -> float:
    return float(value["$float"]) if isinstance(value, dict) else math.nan if value is None else float(value)


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
    if type(found["bytes"]) is not int or not 0 <= found["bytes"] <= _MOST_BYTES:
        raise ValueError("a size in it is none")
    if (inline is None) == (blob is None):
        raise ValueError("an output of it has no content")
    if blob is not None and digest_in(check_blob_name(blob)) != digest:
        raise ValueError("an output of it names another blob")
    return Output(
        _name(found["name"]),
        Artifact(
            digest=digest,
            format=_name(found["format"]),
            bytes=found["bytes"],
            inline=None if inline is None else base64.b64decode(inline, validate=True),
            files=() if blob is None else (BlobFile(blob, _UNSEEN),),
            refers=tuple(_name(name) for name in found["refers"]),
        ),
    )
