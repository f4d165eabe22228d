"""`Interval`: a span of time as an ordinary parameter, such as the day that a run is for.

Bounds are instants in UTC; the time zone beside them only says which calendar day an interval belongs to.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from flowkit.errors import IntervalError

UTC_NAME: Final = "UTC"

_MONTH = re.compile(r"(\d{4})-(\d{2})")
_WEEK = re.compile(r"(\d{4})-?W(\d{2})")
_ZONED = re.compile(r"(?P<span>[^\[\]]*)(?:\[(?P<zone>[^\[\]]+)\])?")
_DAY = dt.timedelta(days=1)
_SEVEN_DAYS = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Interval:
    """The time from `start` up to, and without, `end`.

    Attributes:
        start: An instant in UTC; one of another zone is converted.
        end: A later one.
        timezone: The IANA name of the zone whose calendar `day` is read from.

    Raises:
        IntervalError: A bound has no time zone, the end is not after the start, or there is no such zone.

    Example:
        >>> import flowkit as fk
        >>> march = fk.Interval.parse("2026-03")
        >>> march
        Interval('2026-03-01T00:00:00Z/2026-04-01T00:00:00Z')
        >>> march.day.isoformat()
        '2026-03-01'
    """

    start: dt.datetime
    end: dt.datetime
    timezone: str = UTC_NAME

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        for name in ("start", "end"):
            bound = getattr(self, name)
            if not isinstance(bound, dt.datetime) or bound.tzinfo is None:
                raise IntervalError.for_naive(name, bound)
            object.__setattr__(self, name, bound.astimezone(dt.UTC))
        if self.end <= self.start:
            raise IntervalError.for_order(self.start.isoformat(), self.end.isoformat())

    @property
    def day(self) -> dt.date:
        """The calendar day on which it starts, in its time zone."""
        return self.start.astimezone(zone_of(self.timezone)).date()

    def __repr__(self) -> str:
        return f"Interval({str(self)!r})"

    def __str__(self) -> str:
        zone = "" if self.timezone == UTC_NAME else f"[{self.timezone}]"
        return f"{_instant(self.start)}/{_instant(self.end)}{zone}"

    @classmethod
    def of_day(cls, day: dt.date, timezone: str = UTC_NAME) -> Interval:
        """Return the whole of a calendar day."""
        return cls(_midnight(day, timezone), _midnight(day + _DAY, timezone), timezone)

    @classmethod
    def parse(cls, text: str, timezone: str = UTC_NAME) -> Interval:
        """Return the interval that an ISO 8601 text stands for.

        Args:
            text: A day `2026-03-01`, an ISO week `2026-W10` (from Monday), a month `2026-03`, or `start/end` of two
                days or times, the end not included; `[Europe/Berlin]` behind it names its time zone.
            timezone: The zone of days, and of times without one.

        Raises:
            IntervalError: It is none of these, or there is no such zone.
        """
        found = _ZONED.fullmatch(text.strip())
        if found is None:
            raise IntervalError.for_text(text)
        zone = found["zone"] or timezone
        zone_of(zone)
        try:
            return _parse_span(found["span"], zone)
        except (ValueError, OverflowError):
            raise IntervalError.for_text(text) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let pydantic read an interval from its text and write it as that."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _as_interval, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


def _as_interval(value: object) -> Interval:
    if isinstance(value, Interval):
        return value
    if isinstance(value, dt.datetime) or not isinstance(value, (str, dt.date)):
        raise ValueError("write a day, a week, a month or start/end as ISO 8601 text")
    try:
        return Interval.parse(value if isinstance(value, str) else value.isoformat())
    except IntervalError as error:
        # The one kind of error that pydantic collects with its place.
        raise ValueError(error.message) from None


@cache
def zone_of(name: str) -> dt.tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        IntervalError: There is none; the message has the nearest name.
    """
    if name == UTC_NAME:
        return dt.UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise IntervalError.for_zone(name, sorted(available_timezones())) from None


def _parse_span(text: str, zone: str) -> Interval:
    first, slash, second = text.partition("/")
    if slash:
        return Interval(_parse_bound(first, zone), _parse_bound(second, zone), zone)
    week = _WEEK.fullmatch(text)
    if week is not None:
        monday = dt.date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return Interval(_midnight(monday, zone), _midnight(monday + _SEVEN_DAYS, zone), zone)
    month = _MONTH.fullmatch(text)
    if month is None:
        return Interval.of_day(dt.date.fromisoformat(text), zone)
    year, number = int(month[1]), int(month[2])
    following = dt.date(year + number // 12, number % 12 + 1, 1)
    return Interval(_midnight(dt.date(year, number, 1), zone), _midnight(following, zone), zone)


def _parse_bound(text: str, zone: str) -> dt.datetime:
    if _WEEK.fullmatch(text) is not None:
        # Python takes a week for its Monday; as a bound it would not say whether the week is in or out.
        raise ValueError(text)
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone_of(zone))


def _midnight(day: dt.date, zone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zone_of(zone))


def _instant(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
