"""The cache key and the entry key: the one place where they are computed.

Both are BLAKE3 over a tagged, length-prefixed message, so no two different inputs can give the same message.
"""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from flowkit.records import Digest, KeyParts, ObservedInput

KEY_FORMAT = 1
"""Version of the key's message; raising it makes every earlier entry unreachable."""


def compute_cache_key(parts: KeyParts, key_format: int = KEY_FORMAT) -> Digest:
    """Return the key of everything declared: format, step name, code, environment and arguments sorted by name."""
    message = [
        _field(b"V", str(key_format)),
        _field(b"s", parts.step),
        _field(b"c", parts.code),
        _field(b"e", parts.environment),
    ]
    for argument in sorted(parts.arguments, key=lambda part: part.parameter):
        message.append(_field(b"p", argument.parameter))
        message.append(_field(b"d", argument.digest))
    return blake3(b"".join(message)).hexdigest()


def compute_entry_key(cache_key: Digest, observed: Iterable[ObservedInput] = ()) -> Digest:
    """Return the key of a result: the cache key with what the step read undeclared, sorted by kind and name."""
    message = [_field(b"k", cache_key)]
    for item in sorted(observed, key=lambda item: (item.kind, item.name, item.digest)):
        message += [_field(b"o", item.kind), _field(b"n", item.name), _field(b"d", item.digest)]
    return blake3(b"".join(message)).hexdigest()


def _field(tag: bytes, text: str) -> bytes:
    payload = text.encode("utf-8", "surrogatepass")
    return tag + len(payload).to_bytes(8, "little") + payload
