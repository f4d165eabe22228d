"""How JSON carries what JSON has no form for: an object with a single key that starts with `$`.

A dict that would look like one is written as pairs, so nothing a person stores is mistaken for a tag. Atoms only here;
what contains other values is written and read by `json_writer` and `json_reader`.
"""

from __future__ import annotations

import json
import math
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

MARK: Final = "$"
TAG_START: Final = '{"$'
"""How every tagged object starts in canonical text; a quote inside a stored string is escaped, so no text fakes it."""

# Decimal digits of larger ints are refused by the interpreter's limit, which a person may set as low as 640 digits.
LARGEST_DECIMAL_BITS: Final = 2048

dump_canonical: Callable[[Any], str] = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


def write_int(value: int) -> Any:
    """Return an int as itself, or tagged in hexadecimal where it is very large."""
    return value if value.bit_length() <= LARGEST_DECIMAL_BITS else {"$int": hex(value)}


def write_float(value: float) -> Any:
    """Return a float as itself, or tagged where it is not finite. All NaN are one."""
    return value if math.isfinite(value) else {"$float": str(value).lstrip("-") if value != value else str(value)}


def write_zone(zone: tzinfo | None) -> Any:
    """Return a time zone's plain form: None, a zone's key, or an offset with its name.

    Raises:
        ValueError: The zone is of another class, or has no key.
    """
    if zone is None:
        return None
    # Where no module has imported it there is no zone of it.
    zoneinfo, key = sys.modules.get("zoneinfo"), getattr(zone, "key", None)
    if zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo and key:
        return key
    if type(zone) is timezone:
        offset, *name = zone.__getinitargs__()  # type: ignore[attr-defined]
        return [_write_delta(offset), *name]
    raise ValueError(f"its time zone is a {type(zone).__module__}.{type(zone).__qualname__}: use zoneinfo.ZoneInfo")


def _read_zone(plain: Any) -> tzinfo | None:
    if plain is None:
        return None
    if isinstance(plain, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(plain)
    return timezone(_read_delta(plain[0]), *plain[1:])


def _write_delta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _read_delta(plain: list[int]) -> timedelta:
    days, seconds, microseconds = plain
    return timedelta(days, seconds, microseconds)


def _write_moment(value: datetime | time) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, write_zone(value.tzinfo)]


def _read_datetime(plain: list[Any]) -> datetime:
    text, fold, zone = plain
    return datetime.fromisoformat(text).replace(fold=fold, tzinfo=_read_zone(zone))


def _read_time(plain: list[Any]) -> time:
    text, fold, zone = plain
    return time.fromisoformat(text).replace(fold=fold, tzinfo=_read_zone(zone))


def _read_float(plain: str) -> float:
    if plain not in ("nan", "inf", "-inf"):
        raise ValueError(f"not a float: {plain!r}")
    return float(plain)


def _write_complex(value: complex) -> list[Any]:
    return [write_float(value.real), write_float(value.imag)]


def _read_complex(plain: list[Any]) -> complex:
    real, imaginary = (part if isinstance(part, float) else _read_float(part["$float"]) for part in plain)
    return complex(real, imaginary)


ATOM_WRITERS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    bytes: ("$bytes", lambda value: b64encode(value).decode("ascii")),
    bytearray: ("$bytearray", lambda value: b64encode(value).decode("ascii")),
    complex: ("$complex", _write_complex),
    date: ("$date", date.isoformat),
    datetime: ("$datetime", _write_moment),
    time: ("$time", _write_moment),
    timedelta: ("$timedelta", _write_delta),
    Decimal: ("$decimal", str),
    Fraction: ("$fraction", lambda value: [hex(value.numerator), hex(value.denominator)]),
    UUID: ("$uuid", str),
}
"""By exact type: the tag, and the writer of what it holds."""

ATOM_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$int": lambda plain: int(plain, 16),
    "$float": _read_float,
    "$bytes": lambda plain: b64decode(plain, validate=True),
    "$bytearray": lambda plain: bytearray(b64decode(plain, validate=True)),
    "$complex": _read_complex,
    "$date": date.fromisoformat,
    "$datetime": _read_datetime,
    "$time": _read_time,
    "$timedelta": _read_delta,
    "$decimal": Decimal,
    "$fraction": lambda plain: Fraction(int(plain[0], 16), int(plain[1], 16)),
    "$uuid": UUID,
}
