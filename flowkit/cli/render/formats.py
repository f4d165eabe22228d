"""Numbers, times and digests as people read them."""

from __future__ import annotations

from datetime import datetime

DIGEST_SHOWN = 12
_UNITS = ("B", "KB", "MB", "GB", "TB")


def format_seconds(seconds: float | None) -> str:
    """Return a duration: `<1 ms`, `0.42 s`, `3 min 05 s`, `2 h 10 min`; empty for None."""
    if seconds is None:
        return ""
    if seconds < 0.0005:
        return "<1 ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def format_delay(seconds: float) -> str:
    """Return when something follows: `at once`, `in 2.00 s`."""
    return "at once" if seconds < 0.01 else f"in {format_seconds(seconds)}"


def format_bytes(size: int | None) -> str:
    """Return a size in decimal units: `512 B`, `2.1 KB`, `80 MB`; empty for None."""
    if size is None:
        return ""
    number = float(size)
    for unit in _UNITS:
        if number < 999.5 or unit == _UNITS[-1]:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 9.95 else f"{number:.1f} {unit}"
        number /= 1000
    raise AssertionError("the last unit takes any size")


def format_number(value: float) -> str:
    """Return a metric to at most six significant digits."""
    return f"{value:.6g}"


def format_moment(text: str | None) -> str:
    """Return a recorded UTC time in the local time zone, to the second; empty for None."""
    if not text:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short(digest: str | None) -> str:
    """Return enough of a digest to name it; empty for None."""
    return (digest or "")[:DIGEST_SHOWN]


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return `1 node`, `2 nodes`, `2,000 nodes`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
