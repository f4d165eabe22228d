"""Durations and sizes as people write them: `"10m"`, `"24h"`, `"2GB"`."""

from __future__ import annotations

import re

from flowkit.errors import StepDefinitionError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def parse_duration(text: str | float, option: str) -> float:
    """Return seconds: of `"90s"`, `"10m"`, `"24h"`, `"7d"`, `"250ms"`, or of a plain number of seconds.

    Raises:
        StepDefinitionError: It is not a duration, or negative; the message names `option`.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if text >= 0:
            return float(text)
    elif isinstance(text, str) and (match := _QUANTITY.fullmatch(text)) and match[2] in _SECONDS:
        return float(match[1]) * _SECONDS[match[2]]
    raise StepDefinitionError.for_bad_quantity(option, text, 'a duration such as "90s", "10m", "24h" or "7d"')


def parse_size(text: str | int, option: str) -> int:
    """Return bytes: of `"512MB"`, `"2GB"`, `"1GiB"`, or of a plain number of bytes.

    Raises:
        StepDefinitionError: It is not a size; the message names `option`.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text > 0:
            return text
    elif isinstance(text, str) and (match := _QUANTITY.fullmatch(text)) and match[2].upper() in _BYTES:
        return int(float(match[1]) * _BYTES[match[2].upper()])
    raise StepDefinitionError.for_bad_quantity(option, text, 'a size such as "512MB", "2GB" or "1GiB"')
