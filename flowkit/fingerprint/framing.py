"""The one framing of everything that is hashed here: a tag, a length, a payload.

No two different sequences of frames are the same bytes, because a frame's end is known before its payload is read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

_DOUBLE = struct.Struct("<d")
_CANONICAL_NAN = struct.pack("<d", float("nan"))
count_bytes: Callable[[int], bytes] = struct.Struct("<Q").pack
"""Returns a count as 8 little-endian bytes."""


def frame(tag: bytes, payload: bytes) -> bytes:
    """Return `payload` behind its one-byte tag and its length as an unsigned 64-bit little-endian integer."""
    return tag + count_bytes(len(payload)) + payload


def frame_text(tag: bytes, text: str) -> bytes:
    """Return a frame of UTF-8; lone surrogates pass."""
    payload = text.encode("utf-8", "surrogatepass")
    return tag + count_bytes(len(payload)) + payload


def frame_all(tag: bytes, children: Iterable[bytes]) -> bytes:
    """Return a frame around frames."""
    return frame(tag, b"".join(children))


def double_bytes(value: float) -> bytes:
    """Return the 8 little-endian bytes of a float64; every NaN gives the same ones, and -0.0 others than 0.0."""
    return _CANONICAL_NAN if value != value else _DOUBLE.pack(value)
