"""Intervals and schedules: what they are, how they are read, and which one is the last complete."""

from __future__ import annotations

import datetime as dt
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowkit as fk
from flowkit.authoring.timetables import Timetable
from flowkit.errors import IntervalError, ParameterError, StepDefinitionError
from flowkit.parameters import dump_parameters, load_parameters, parse_parameters, show_parameters

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@fk.step
def day_of(interval: fk.Interval) -> str:
    """Say which day it is for."""
    return interval.day.isoformat()


@fk.pipeline(schedule="0 6 * * *", timezone="Europe/Berlin")
def daily(interval: fk.Interval) -> None:
    """Run for one interval."""
    day_of(interval)


@fk.pipeline
def plain(interval: fk.Interval, since: dt.datetime | None = None, at: dt.date = dt.date(2026, 3, 1)) -> None:
    """Run for one interval, without a schedule."""
    day_of(interval)


@pytest.mark.parametrize(
    ("text", "zone", "start", "end"),
    [
        ("2026-03-01", "UTC", "2026-03-01T00:00", "2026-03-02T00:00"),
        ("2026-03-01", "Europe/Berlin", "2026-02-28T23:00", "2026-03-01T23:00"),
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2026-03", "UTC", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("2026-W10", "UTC", "2026-03-02T00:00", "2026-03-09T00:00"),
        ("2026W10", "UTC", "2026-03-02T00:00", "2026-03-09T00:00"),
        ("2026-W53", "UTC", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("2026-W13[Europe/Berlin]", "UTC", "2026-03-22T23:00", "2026-03-29T22:00"),
        ("2026-W10-3", "UTC", "2026-03-04T00:00", "2026-03-05T00:00"),
        ("2026-12", "UTC", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("2026-03-01/2026-03-08", "UTC", "2026-03-01T00:00", "2026-03-08T00:00"),
        ("2026-03-01T06:00/2026-03-01T07:00", "Europe/Berlin", "2026-03-01T05:00", "2026-03-01T06:00"),
        ("2026-03-01T06:00Z/2026-03-01T09:00+02:00", "Europe/Berlin", "2026-03-01T06:00", "2026-03-01T07:00"),
        ("2026-03-01[Europe/Berlin]", "UTC", "2026-02-28T23:00", "2026-03-01T23:00"),
    ],
)
def test_texts_of_intervals(text: str, zone: str, start: str, end: str) -> None:
    """A day, an ISO week, a month and two bounds are read in the zone, which is also named behind them."""
    interval = fk.Interval.parse(text, zone)
    assert (interval.start, interval.end) == (utc(start), utc(end))
    assert interval.start.tzinfo is dt.UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13",
        "2026-W54",
        "2026-W00",
        "2025-W53",
        "2026-W10/2026-W12",
        "2026-03/2026-05",
        "2026-02-30",
        "2026-03-02/2026-03-01",
        "2026-03-01/",
        "9999-12-31",
        "2026-03-01[Mars/X]",
    ],
)
def test_texts_that_are_no_interval(text: str) -> None:
    """Anything else is an error that shows the forms, or the nearest zone."""
    with pytest.raises(IntervalError):
        fk.Interval.parse(text)
    with pytest.raises(ParameterError, match="interval"):
        parse_parameters(daily, [f"interval={text}"])


def test_bounds_are_instants_in_utc() -> None:
    """A naive bound is refused, another zone is converted, and the end comes after the start."""
    noon = dt.datetime(2026, 3, 1, 12, tzinfo=BERLIN)
    interval = fk.Interval(noon, noon + dt.timedelta(hours=1))
    assert interval.start == noon
    assert interval.start.tzinfo is dt.UTC
    for start, end in ((noon.replace(tzinfo=None), noon), (noon, noon), (noon, noon - dt.timedelta(1))):
        with pytest.raises(IntervalError):
            fk.Interval(start, end)


def test_the_day_is_that_of_the_zone() -> None:
    """`day` is the calendar day on which an interval starts, where its schedule lives."""
    assert fk.Interval.of_day(dt.date(2026, 3, 1), "Europe/Berlin").day == dt.date(2026, 3, 1)
    assert fk.Interval.parse("2026-03-01T22:00Z/2026-03-01T23:30Z").day == dt.date(2026, 3, 1)


@given(
    st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2100, 1, 1)),
    st.timedeltas(dt.timedelta(microseconds=1), dt.timedelta(days=900)),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
)
def test_text_gives_the_interval_back(start: dt.datetime, length: dt.timedelta, zone: str) -> None:
    """An interval is recorded as its text and comes back the same, zone included."""
    aware = start.replace(tzinfo=dt.UTC)
    interval = fk.Interval(aware, aware + length, zone)
    assert fk.Interval.parse(str(interval)) == interval
    values = plain.bind(interval=interval, since=aware)
    assert load_parameters(plain, dump_parameters(plain, values)) == values


def test_dates_are_shown_as_iso_text() -> None:
    """Intervals, datetimes and dates stand in JSON as ISO 8601 text."""
    values = parse_parameters(plain, ["interval=2026-03-01", "since=2026-03-01T06:00:00Z"])
    assert show_parameters(values) == {
        "interval": "2026-03-01T00:00:00Z/2026-03-02T00:00:00Z",
        "since": "2026-03-01T06:00:00+00:00",
        "at": "2026-03-01",
    }


@pytest.mark.parametrize(
    ("schedule", "now", "start", "end"),
    [
        (None, "2026-03-02T00:00", "2026-02-28T23:00", "2026-03-01T23:00"),
        ("0 6 * * *", "2026-03-02T04:59", "2026-02-28T05:00", "2026-03-01T05:00"),
        ("0 6 * * *", "2026-03-02T05:00", "2026-03-01T05:00", "2026-03-02T05:00"),
        # The clock jumps from two to three on 29 March: half past two is the first moment after the gap.
        ("30 2 * * *", "2026-03-29T12:00", "2026-03-28T01:30", "2026-03-29T01:00"),
        # It goes back from three to two on 25 October: half past two comes once.
        ("30 2 * * *", "2026-10-25T12:00", "2026-10-24T00:30", "2026-10-25T00:30"),
        ("0 * * * *", "2026-10-25T01:10", "2026-10-25T00:00", "2026-10-25T01:00"),
        ("0 0 1 * *", "2026-04-15T00:00", "2026-02-28T23:00", "2026-03-31T22:00"),
    ],
)
def test_the_last_complete_interval(schedule: str | None, now: str, start: str, end: str) -> None:
    """It lies between the last two ticks in the schedule's zone, and is the last whole day without a schedule."""
    interval = Timetable(schedule, "Europe/Berlin").last_complete(utc(now))
    assert (interval.start, interval.end) == (utc(start), utc(end))
    assert interval.timezone == "Europe/Berlin"


def test_intervals_of_one_schedule_leave_no_gap_in_a_year() -> None:
    """Each tick ends the interval that the tick before it began, over both changes of the clock, in both directions."""
    timetable = Timetable("30 2 * * *", "Europe/Berlin")
    ticks = list(islice(timetable.ticks_after(utc("2026-01-01T00:00")), 364))
    assert len(set(ticks)) == 364
    backwards = list(islice(timetable.ticks_until(ticks[-1]), 364))
    assert backwards[::-1] == ticks


def test_an_interval_that_is_not_given_is_the_last_complete_one() -> None:
    """The command line and Python fill it alike, and what is given stands."""
    for values in (parse_parameters(daily, []), daily.bind()):
        interval = values["interval"]
        assert interval.end <= dt.datetime.now(dt.UTC)
        assert interval.start.astimezone(BERLIN).hour == interval.end.astimezone(BERLIN).hour == 6
    assert parse_parameters(daily, ["interval=2026-03-01"])["interval"].start == utc("2026-02-28T23:00")
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    assert yesterday <= plain.bind()["interval"].day <= yesterday + dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"schedule": "61 * * * *"}, "minute"),
        ({"schedule": "0 0 31 2 *"}, "day-of-month"),
        ({"schedule": "0 6 * *"}, "five fields"),
        ({"schedule": 6}, "five fields"),
        ({"timezone": "Europe/Berln"}, "Europe/Berlin"),
        ({"timezone": None}, "time zone"),
        ({"catchup": "some"}, "'latest', 'all', 'none'"),
        ({"overlap": "both"}, "'skip', 'queue'"),
    ],
)
def test_a_schedule_is_checked_where_it_is_declared(options: dict[str, object], said: str) -> None:
    """A bad expression, zone or option is an error of the decorator that says what there is."""
    with pytest.raises((StepDefinitionError, IntervalError), match=said):
        fk.pipeline(**options)  # type: ignore[call-overload]


def test_a_pipeline_keeps_its_schedule() -> None:
    """What was declared can be read from the pipeline."""
    assert daily.schedule == "0 6 * * *"
    assert daily.timetable == Timetable("0 6 * * *", "Europe/Berlin", "latest", "skip")
    assert plain.schedule is None
