"""A parameter's value as the step receives it: what the encoding does not tell apart must not differ there either."""

from __future__ import annotations

import copy
import dataclasses
import sys
from typing import Any

from flowkit.fingerprint.encode import Code, Leaf, encode_value


def canonicalise(value: Any, leaf: Leaf | None = None, code: Code | None = None) -> Any:
    """Return a copy of `value` with every dict sorted by its encoded keys, recursively; containers are new objects.

    The encoding ignores the order in which a dict was filled, so a step that could see it would make a wrong hit.

    Args:
        value: A value that can be encoded.
        leaf: As for `encode_value`; what it encodes is passed through untouched.
        code: As for `encode_value`.

    Raises:
        EncodingError: A dict's key has no encoding.
    """
    kind = type(value)
    if kind in ATOMS or (leaf is not None and leaf(value) is not None):
        return value
    if kind in (list, tuple):
        return kind(canonicalise(item, leaf, code) for item in value)
    if kind is dict:
        pairs = sorted(((encode_value(key, leaf, code), key) for key in value), key=lambda pair: pair[0])
        return {canonicalise(key, leaf, code): canonicalise(value[key], leaf, code) for _, key in pairs}
    if kind in (set, frozenset):
        pairs = sorted(((encode_value(item, leaf, code), item) for item in value), key=lambda pair: pair[0])
        return kind(item for _, item in pairs)
    if kind is bytearray:
        return bytearray(value)
    return _canonicalise_record(value, leaf, code)


ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types of which every value comes back as it is."""


def _canonicalise_record(value: Any, leaf: Leaf | None, code: Code | None) -> Any:
    make = getattr(type(value), "_make", None)
    if isinstance(value, tuple) and make is not None:
        return make(canonicalise(item, leaf, code) for item in value)
    if isinstance(value, type):
        return value
    if dataclasses.is_dataclass(value):
        names = {field.name for field in dataclasses.fields(value)} | set(getattr(value, "__dict__", {}))
        return _copied_with(value, {name: canonicalise(getattr(value, name), leaf, code) for name in sorted(names)})
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(value, pydantic.BaseModel):
        return value.model_copy(update={name: canonicalise(item, leaf, code) for name, item in dict(value).items()})
    return value


def _copied_with(value: Any, fields: dict[str, Any]) -> Any:
    # Frozen dataclasses refuse `setattr`, and `replace()` would run `__post_init__` a second time.
    twin = copy.copy(value)
    for name, item in fields.items():
        object.__setattr__(twin, name, item)
    return twin
