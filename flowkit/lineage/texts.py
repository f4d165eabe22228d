"""How values stand in the database: texts that SQLite can hold, digests as bytes, unsigned numbers as signed ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from flowkit.records import Digest, Failure, FailureKind

_WIDTH = 1 << 64
_HALF = 1 << 63


def clean_text(text: str) -> str:
    r"""Return `text` without lone surrogates, which come from undecodable file names: they are shown as `\udc80`."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def to_signed(number: int) -> int:
    """Return an unsigned 64-bit number as the signed one of the same bits: SQLite has no other."""
    return number - _WIDTH if number >= _HALF else number


def to_unsigned(number: int) -> int:
    """Return the number that `to_signed` was given."""
    return number + _WIDTH if number < 0 else number


def to_bytes(digest: Digest) -> bytes:
    """Return a digest as its 32 bytes."""
    return bytes.fromhex(digest)


def to_prefix(digest: Digest) -> bytes:
    """Return the first 12 bytes of a digest, by which it is indexed."""
    return bytes.fromhex(digest[:24])


def to_json(value: Any) -> str:
    """Return compact JSON, with sorted keys."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), sort_keys=True)


def metrics_to_json(metrics: Mapping[str, float]) -> str:
    """Return metrics as JSON; those that JSON has no number for stand as texts, such as `"nan"`."""
    return to_json({name: to_json_number(value) for name, value in metrics.items()})


def to_json_number(value: float) -> float | str:
    """Return what stands for a float in JSON: itself, or a text where JSON has no such number."""
    return float(value) if math.isfinite(value) else repr(float(value))


def metrics_from_json(text: str) -> dict[str, float]:
    """Return the metrics that `metrics_to_json` was given."""
    return {name: float(value) for name, value in json.loads(text).items()}


def failure_to_json(failure: Failure) -> str:
    """Return a failure as JSON."""
    return to_json(
        {
            "kind": failure.kind.value,
            "message": failure.message,
            "facts": failure.facts,
            "hint": failure.hint,
            "traceback": failure.traceback,
            "retryable": failure.retryable,
        }
    )


def failure_from_json(text: str) -> Failure:
    """Return the failure that `failure_to_json` was given."""
    stored = json.loads(text)
    return Failure(
        kind=FailureKind(stored["kind"]),
        message=stored["message"],
        facts=tuple((label, value) for label, value in stored["facts"]),
        hint=stored["hint"],
        traceback=stored["traceback"],
        retryable=stored["retryable"],
    )
