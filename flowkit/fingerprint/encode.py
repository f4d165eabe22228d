"""Parameters as canonical bytes: a one-byte tag, a length, a payload; containers hold encoded children.

Exact types only. A subclass or an unknown type is refused by name rather than guessed at, because a guess is a wrong
answer later. Nothing here depends on hash seeds, insertion order, identity or interning.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import sys
import types
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from blake3 import blake3

from flowkit.errors import EncodingError
from flowkit.fingerprint.files import digest_path, input_name
from flowkit.fingerprint.framing import double_bytes, frame, frame_all, frame_text
from flowkit.records import Digest

Leaf = Callable[[object], bytes | None]
Code = Callable[[object], Digest]

_DOMAIN = b"flowkit value 1\0"


def encode_value(value: object, leaf: Leaf | None = None, code: Code | None = None) -> bytes:
    """Return the canonical encoding of a value.

    Args:
        value: What to encode.
        leaf: Asked first for each object in the value; gives a ready encoding, or None to encode it as usual.
        code: Gives the fingerprint of a function or class that stands in the value.

    Raises:
        EncodingError: Something in it has no encoding; the message names the place.
        InputError: A `Path` in it names nothing that can be read.
    """
    return _Encoder("value", leaf, code).encode(value)


def digest_value(parameter: str, value: object, leaf: Leaf | None = None, code: Code | None = None) -> Digest:
    """Return the digest of a parameter's value; the name serves messages only and does not count.

    Raises:
        EncodingError: Something in it has no encoding; the message names the parameter and the place inside it.
        InputError: A `Path` in it names nothing that can be read.
    """
    return blake3(_DOMAIN + _Encoder(repr(parameter), leaf, code).encode(value)).hexdigest()


def digest_leaf(encoded: bytes) -> Digest:
    """Return the digest of a value that is all one leaf, from its ready encoding."""
    return blake3(_DOMAIN + encoded).hexdigest()


def encode_artifact(digest: Digest, code: Sequence[tuple[str, Digest]] = ()) -> bytes:
    """Return the encoding of a reference to an artifact.

    Args:
        digest: Of the artifact.
        code: Name and fingerprint of the project's code that the artifact names, sorted.
    """
    return _encode_content(b"A", digest, code)


def encode_view(digest: Digest, code: Sequence[tuple[str, Digest]] = ()) -> bytes:
    """Return the encoding of a reference to some columns of a table, which is never that of a reference to a whole one.

    Args:
        digest: Of the view.
        code: Name and fingerprint of the project's code that the table names, sorted.
    """
    return _encode_content(b"V", digest, code)


def _encode_content(tag: bytes, digest: Digest, code: Sequence[tuple[str, Digest]]) -> bytes:
    if not code:
        return frame_text(tag, digest)
    named = [frame_text(b"s", text) for pair in code for text in pair]
    return frame_all(tag, (frame_text(b"s", digest), *named))


def encode_path(base_name: str, digest: Digest) -> bytes:
    """Return the encoding of a path: its base name and its content."""
    return frame_all(b"p", (frame_text(b"s", base_name), frame_text(b"s", digest)))


def encode_code(digest: Digest) -> bytes:
    """Return the encoding of a function or class."""
    return frame_text(b"C", digest)


class _Encoder:
    """Encodes one value. Remembers the way to the present place, for messages, and the containers on it, for cycles."""

    def __init__(self, place: str, leaf: Leaf | None, code: Code | None) -> None:
        self._place = [place]
        self._leaf = leaf
        self._code = code
        self._open: set[int] = set()

    def encode(self, value: object) -> bytes:
        try:
            return self._any(value)
        except RecursionError as error:
            raise EncodingError.for_depth(self._place[0]) from error

    def _any(self, value: object) -> bytes:
        if self._leaf is not None and (ready := self._leaf(value)) is not None:
            return ready
        kind = type(value)
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return scalar(value)
        if kind in _CONTAINERS:
            return self._guarded(value, _CONTAINERS[kind])
        if kind in (dt.datetime, dt.time):
            return self._moment(value)
        return self._special(value)

    def _special(self, value: Any) -> bytes:
        """Encode what is recognised by more than its exact type."""
        if isinstance(value, enum.Enum):
            return self._enum(value)
        if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
            return self._code_of(value)
        if dataclasses.is_dataclass(value):
            return self._guarded(value, _Encoder._dataclass)
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return self._guarded(value, _Encoder._named_tuple)
        if isinstance(value, Path) and type(value) is type(Path()):
            return encode_path(input_name(value), digest_path(value)[1])
        if _is_pydantic(value):
            return self._guarded(value, _Encoder._model)
        if _is_numpy_scalar(value):
            return _encode_numpy_scalar(value)
        if _is_secret(value):
            return frame_text(b"X", value.name)
        raise self._refusal(value)

    def _refusal(self, value: object) -> EncodingError:
        place = "".join(self._place)
        for base in (*_SCALARS, *_CONTAINERS, dt.datetime, dt.time, PurePath):
            if base is not object and isinstance(value, base):
                return EncodingError.for_subclass(place, value, base)
        return EncodingError.for_unknown_type(place, value)

    def _guarded(self, value: object, encode: Callable[[_Encoder, Any], bytes]) -> bytes:
        if id(value) in self._open:
            raise EncodingError.for_cycle("".join(self._place))
        self._open.add(id(value))
        try:
            return encode(self, value)
        finally:
            self._open.discard(id(value))

    def _at(self, step: str, value: object) -> bytes:
        self._place.append(step)
        encoded = self._any(value)
        # Left standing where an error flies past: it is then the way to the offending place.
        self._place.pop()
        return encoded

    def _sequence(self, value: Iterable[object]) -> bytes:
        tag = b"t" if type(value) is tuple else b"l"
        return frame_all(tag, [self._at(f"[{index}]", item) for index, item in enumerate(value)])

    def _dict(self, value: dict[object, object]) -> bytes:
        pairs = [(self._at(f" key {key!r}", key), self._at(f"[{key!r}]", item)) for key, item in value.items()]
        return frame_all(b"d", [part for pair in sorted(pairs) for part in pair])

    def _set(self, value: Iterable[object]) -> bytes:
        tag = b"S" if type(value) is set else b"F"
        return frame_all(tag, sorted(self._at(" element", item) for item in value))

    def _slice(self, value: slice) -> bytes:
        return frame_all(b"x", [self._at(f".{name}", getattr(value, name)) for name in ("start", "stop", "step")])

    def _enum(self, value: enum.Enum) -> bytes:
        kind = frame_text(b"s", _class_name(type(value)))
        # A flag's combination may have no name; its value always says which it is.
        return frame_all(b"n", (kind, frame_text(b"s", value.name or ""), self._at(".value", value.value)))

    def _fields(self, tag: bytes, value: object, names: Iterable[str]) -> bytes:
        parts = [frame_text(b"s", _class_name(type(value)))]
        for name in names:
            parts += [frame_text(b"s", name), self._at(f".{name}", getattr(value, name))]
        return frame_all(tag, parts)

    def _dataclass(self, value: Any) -> bytes:
        names = [field.name for field in dataclasses.fields(value)]
        extra = sorted(set(getattr(value, "__dict__", {})) - set(names))
        return self._fields(b"c", value, [*names, *extra])

    def _named_tuple(self, value: Any) -> bytes:
        return self._fields(b"u", value, value._fields)

    def _model(self, value: Any) -> bytes:
        names = list(type(value).model_fields)
        fields = self._fields(b"m", value, names)
        rest = {**(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
        return fields + self._at(" extra", rest) if rest else fields

    def _moment(self, value: Any) -> bytes:
        tag = b"T" if type(value) is dt.datetime else b"h"
        plain = value.replace(tzinfo=None, fold=0).isoformat(timespec="microseconds")
        parts = (frame_text(b"s", plain), frame_text(b"i", str(value.fold)), self._zone(value.tzinfo))
        return frame_all(tag, parts)

    def _zone(self, zone: dt.tzinfo | None) -> bytes:
        if zone is None:
            return _encode_none(zone)
        if type(zone) is dt.timezone:
            offset = zone.utcoffset(None)
            return frame_all(b"t", (_encode_timedelta(offset), frame_text(b"s", zone.tzname(None))))
        key = getattr(zone, "key", None)
        if type(zone).__module__.partition(".")[0] == "zoneinfo" and isinstance(key, str):
            return frame_text(b"s", key)
        raise EncodingError.for_time_zone("".join(self._place), zone)

    def _code_of(self, value: object) -> bytes:
        if self._code is None:
            raise EncodingError.for_code("".join(self._place), value)
        return encode_code(self._code(value))


def _class_name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _encode_none(_: object) -> bytes:
    return frame(b"N", b"")


def _encode_timedelta(value: Any) -> bytes:
    microseconds = (value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds
    return frame_text(b"e", str(microseconds))


def _encode_int(value: Any) -> bytes:
    # Decimal digits would stop at the interpreter's limit for long integers, and are quadratic beyond it.
    if -(1 << 4096) < value < 1 << 4096:
        return frame_text(b"i", str(value))
    return frame_text(b"i", hex(value))


def _encode_decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    return frame_text(b"k", f"{sign} {''.join(map(str, digits))} {exponent}")


def _is_pydantic(value: object) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _is_numpy_scalar(value: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic) and not isinstance(value, (numpy.object_, numpy.void))


def _encode_numpy_scalar(value: Any) -> bytes:
    little = value.dtype.newbyteorder("<")
    return frame_all(b"g", (frame_text(b"s", little.str), frame(b"y", value.astype(little).tobytes())))


def _is_secret(value: object) -> bool:
    kind = type(value)
    return kind.__name__ == "Secret" and kind.__module__.partition(".")[0] == "flowkit"


_SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): _encode_none,
    type(Ellipsis): lambda _: frame(b"E", b""),
    bool: lambda value: frame(b"b", b"\1" if value else b"\0"),
    int: _encode_int,
    float: lambda value: frame(b"f", double_bytes(value)),
    complex: lambda value: frame(b"z", double_bytes(value.real) + double_bytes(value.imag)),
    str: lambda value: frame_text(b"s", value),
    bytes: lambda value: frame(b"y", value),
    bytearray: lambda value: frame(b"Y", bytes(value)),
    dt.date: lambda value: frame_text(b"D", value.isoformat()),
    dt.timedelta: _encode_timedelta,
    Decimal: _encode_decimal,
    Fraction: lambda value: frame_text(b"q", f"{value.numerator}/{value.denominator}"),
    UUID: lambda value: frame(b"U", value.bytes),
    range: lambda value: frame_text(b"r", f"{value.start} {value.stop} {value.step}"),
}

_CONTAINERS: dict[type, Callable[[_Encoder, Any], bytes]] = {
    tuple: _Encoder._sequence,
    list: _Encoder._sequence,
    dict: _Encoder._dict,
    set: _Encoder._set,
    frozenset: _Encoder._set,
    slice: _Encoder._slice,
}
