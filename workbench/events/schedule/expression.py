"""Schedule expressions: `rate(5 minutes)`, AWS's six-field `cron(0 9 ? * MON-FRI *)` and `at(2026-03-29T09:00:00)`.

What they look like: EventBridge user guide, "Cron expressions" and "Rate expressions"; EventBridge Scheduler user
guide, "Schedule types". Nothing here knows a time zone or a clock. Of the libraries that were tried, croniter and
cronsim number the days of the week otherwise and lack `?` or `W`; those made for AWS fail at dates that never come
and at `L` as a day of the week; none knows how AWS treats the days on which the clocks change.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime, timedelta

from workbench.events.schedule import days as of_days
from workbench.events.schedule.days import Days
from workbench.events.schedule.fields import HOURS, MINUTES, MONTHS, YEARS, InvalidExpression

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_FIELDS = "minutes, hours, day-of-month, month, day-of-week, year"
_MOST = 10**6
_EXAMPLES = {
    "rate": "rate(5 minutes) or rate(1 hour)",
    "cron": "cron(0 9 ? * MON-FRI *), which is 09:00 on working days",
    "at": "at(2026-03-29T09:00:00)",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """A fixed period; a day is 24 hours, also where the clocks change."""

    period: timedelta


@dataclass(frozen=True, slots=True)
class At:
    """One time, on the wall clock of a place (without time zone)."""

    local: datetime


@dataclass(frozen=True, slots=True)
class Cron:
    """Minutes on the wall clock of a place."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    def next_local(self, after: datetime) -> datetime | None:
        """The first minute later than `after` (both without time zone); None when there is none any more."""
        start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        today = (start.year, start.month, start.day)
        for year in self.years[bisect_left(self.years, start.year) :]:
            for month in self.months:
                if (year, month) < today[:2]:
                    continue
                for day in self.days.in_month(year, month):
                    date = (year, month, day)
                    if date < today:
                        continue
                    time = self._time((start.hour, start.minute) if date == today else (0, 0))
                    if time is not None:
                        return datetime(year, month, day, *time)
        return None

    def _time(self, start: tuple[int, int]) -> tuple[int, int] | None:
        """The first hour and minute of a day that is not before `start`."""
        for hour in self.hours[bisect_left(self.hours, start[0]) :]:
            minute = bisect_left(self.minutes, start[1]) if hour == start[0] else 0
            if minute < len(self.minutes):
                return hour, self.minutes[minute]
        return None


Expression = Rate | At | Cron


def parse(text: str, *, lenient: bool = False) -> Expression:
    """What an expression says.

    `lenient` takes `rate(1 hours)` and `rate(5 hour)`, as EventBridge Scheduler does; EventBridge's rules refuse them
    ("Rate expressions"). Raises InvalidExpression: what is wrong, and how a right one looks.
    """
    found = re.fullmatch(r"(rate|cron|at)\((.*)\)", text)
    if found is None:
        examples = "; ".join(_EXAMPLES.values())
        raise InvalidExpression(f"{text!r} is no schedule expression. There are three kinds: {examples}.")
    kind, inner = found.groups()
    try:
        match kind:
            case "rate":
                return _rate(inner, lenient)
            case "cron":
                return _cron(inner)
            case _:
                return _at(inner)
    except InvalidExpression as error:
        raise InvalidExpression(f"{text} cannot be used: {error}. Right is, for example, {_EXAMPLES[kind]}.") from None


def _rate(inner: str, lenient: bool) -> Rate:
    found = re.fullmatch(r"([0-9]+) +(minute|hour|day)(s?)", inner)
    if found is None:
        raise InvalidExpression("between the brackets are a whole number, a space, and minutes, hours or days")
    number, unit, plural = int(found[1]), found[2], bool(found[3])
    if not 1 <= number <= _MOST:
        raise InvalidExpression(f"the number is from 1 to {_MOST:,}")
    if not lenient and plural != (number > 1):
        raise InvalidExpression(f"it is {number} {unit}{'s' if number > 1 else ''}")
    return Rate(number * _UNITS[unit])


def _cron(inner: str) -> Cron:
    parts = inner.split()
    if len(parts) != 6:
        hint = ": the year is missing, which may be *" if len(parts) == 5 else ""
        raise InvalidExpression(f"it has {len(parts)} fields and not six ({_FIELDS}){hint}")
    minute, hour, of_month, month, of_week, year = parts
    for name, part in (("minutes", minute), ("hours", hour), ("month", month), ("year", year)):
        if "?" in part:
            raise InvalidExpression(f"? is for day-of-month or day-of-week; in the field {name} any value is *")
    return Cron(
        MINUTES.numbers(minute),
        HOURS.numbers(hour),
        of_days.parse(of_month, of_week),
        MONTHS.numbers(month),
        YEARS.numbers(year),
    )


def _at(inner: str) -> At:
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", inner) is None:
        raise InvalidExpression("the time is yyyy-mm-ddThh:mm:ss, without a zone; that is a setting of the schedule")
    try:
        return At(datetime.fromisoformat(inner))
    except ValueError as error:
        raise InvalidExpression(f"there is no such time ({error})") from None
