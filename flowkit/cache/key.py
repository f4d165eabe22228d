"""The cache key and the entry key: the one place where they are computed.

Both are BLAKE3 over a tagged, length-prefixed message, so no two different inputs can give the same message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter

from blake3 import blake3

from flowkit.records import Digest, KeyParts, ObservedInput

_LENGTH = struct.Struct("<Q")
KEY_FORMAT = 1
"""Version of the key's message; raising it makes every earlier entry unreachable."""


def compute_cache_key(parts: KeyParts, key_format: int = KEY_FORMAT) -> Digest:
    """Return the key of everything declared: format, step name, code, environment and arguments sorted by name."""
    message = [_step_fields(key_format, parts.step, parts.code, parts.environment)]
    for argument in sorted(parts.arguments, key=attrgetter("parameter")):
        message += (_name_field(argument.parameter), _field(b"d", argument.digest))
    return blake3(b"".join(message)).hexdigest()


@lru_cache(maxsize=1024)
def _step_fields(key_format: int, step: str, code: Digest, environment: Digest) -> bytes:
    """Return the fields that all calls of a step have in common."""
    fields = ((b"V", str(key_format)), (b"s", step), (b"c", code), (b"e", environment))
    return b"".join(_field(tag, text) for tag, text in fields)


def compute_entry_key(cache_key: Digest, observed: Iterable[ObservedInput] = ()) -> Digest:
    """Return the key of a result: the cache key with what the step read undeclared, sorted by kind and name."""
    message = [_field(b"k", cache_key)]
    for item in sorted(observed, key=lambda item: (item.kind, item.name, item.digest)):
        message += [_field(b"o", item.kind), _field(b"n", item.name), _field(b"d", item.digest)]
    return blake3(b"".join(message)).hexdigest()


@lru_cache(maxsize=1024)
def _name_field(parameter: str) -> bytes:
    return _field(b"p", parameter)


def _field(tag: bytes, text: str) -> bytes:
    payload = text.encode("utf-8", "surrogatepass")
    return tag + _LENGTH.pack(len(payload)) + payload
