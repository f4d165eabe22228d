"""When a pipeline is due: a cron expression in a time zone, and what to do about runs that were missed or overlap."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from flowkit.authoring.intervals import UTC_NAME, Interval, zone_of
from flowkit.errors import StepDefinitionError

CATCHUP: Final = ("latest", "all", "none")
OVERLAP: Final = ("skip", "queue")


class Timetable(Struct, frozen=True):
    """What `@pipeline` says of a pipeline's schedule.

    Attributes:
        schedule: A cron expression of five fields, None where the pipeline has no schedule.
        timezone: The IANA name of the zone that it is read in.
        catchup: Which of the missed intervals are run: the `latest`, `all`, or `none`.
        overlap: Whether a run that is due while another one goes on is left out (`skip`) or waits (`queue`).
    """

    schedule: str | None = None
    timezone: str = UTC_NAME
    catchup: str = "latest"
    overlap: str = "skip"

    def ticks_after(self, moment: dt.datetime) -> Iterator[dt.datetime]:
        """Yield the ticks after `moment`, in order, as instants in UTC."""
        return self._ticks(moment, reverse=False)

    def ticks_until(self, moment: dt.datetime) -> Iterator[dt.datetime]:
        """Yield the ticks up to `moment`, itself included, the latest first, as instants in UTC."""
        return self._ticks(moment + dt.timedelta(microseconds=1), reverse=True)

    def last_complete(self, now: dt.datetime) -> Interval:
        """Return the last interval that is over at `now`: between two ticks; without a schedule the last whole day."""
        if self.schedule is None:
            today = now.astimezone(zone_of(self.timezone)).date()
            return Interval.of_day(today - dt.timedelta(days=1), self.timezone)
        end, start = islice(self.ticks_until(now), 2)
        return Interval(start, end, self.timezone)

    def _ticks(self, moment: dt.datetime, *, reverse: bool) -> Iterator[dt.datetime]:
        from cronsim import CronSim

        if self.schedule is None:
            return
        last: dt.datetime | None = None
        for tick in CronSim(self.schedule, moment.astimezone(zone_of(self.timezone)), reverse):
            instant = tick.astimezone(dt.UTC)
            if instant != last:
                yield instant
            last = instant


def read_timetable(schedule: object, timezone: object, catchup: object, overlap: object) -> Timetable:
    """Return what `@pipeline` was given, once it is found to make sense.

    Raises:
        StepDefinitionError: An option has a value that it cannot have.
        IntervalError: There is no such time zone; the message has the nearest name.
    """
    if schedule is not None:
        _check_schedule(schedule)
    if not isinstance(timezone, str):
        raise StepDefinitionError.for_bad_option("timezone", timezone, "the IANA name of a time zone")
    zone_of(timezone)
    for option, value, known in (("catchup", catchup, CATCHUP), ("overlap", overlap, OVERLAP)):
        if value not in known:
            raise StepDefinitionError.for_bad_option(option, value, f"one of {', '.join(map(repr, known))}")
    return Timetable(
        None if schedule is None else " ".join(str(schedule).split()), timezone, str(catchup), str(overlap)
    )


def _check_schedule(schedule: object) -> None:
    from cronsim import CronSim, CronSimError

    if not isinstance(schedule, str) or len(schedule.split()) != 5:
        raise StepDefinitionError.for_schedule(schedule, "it does not have five fields")
    try:
        ticks = CronSim(schedule, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
        next(ticks)
    except CronSimError as error:
        raise StepDefinitionError.for_schedule(schedule, str(error)) from None
    except StopIteration:
        raise StepDefinitionError.for_schedule(schedule, "no day is like that") from None
