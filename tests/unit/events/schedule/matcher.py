"""An oracle: does a cron expression name this very minute? Looked at by hand, minute by minute, without arithmetic."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

NAMES = {
    **{
        name: str(n)
        for n, name in enumerate(
            ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1
        )
    },
    **{name: str(n) for n, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"], 1)},
}
AWS_DAY = {"Sunday": 1, "Monday": 2, "Tuesday": 3, "Wednesday": 4, "Thursday": 5, "Friday": 6, "Saturday": 7}


def named(value: int, text: str, low: int, high: int) -> bool:
    """Whether a list of values, ranges and steps has a value, found by walking every one of them."""
    for name, number in NAMES.items():
        text = text.replace(name, number)
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            at, end = low, high
        else:
            at, end = int(first), int(last or (high if step else first))
        count = 0
        while True:
            if at == value and count % int(step or 1) == 0:
                return True
            if at == end:
                break
            at, count = (low if at == high else at + 1), count + 1
    return False


def names_day(moment: datetime, of_month: str, of_week: str) -> bool:
    last = calendar.monthrange(moment.year, moment.month)[1]
    day = AWS_DAY[moment.strftime("%A")]
    if of_week == "?":
        if of_month == "L":
            return moment.day == last
        if of_month.endswith("W"):
            wanted = last if of_month == "LW" else int(of_month[:-1])
            working = [d for d in range(1, last + 1) if calendar.weekday(moment.year, moment.month, d) < 5]
            return wanted <= last and moment.day == min(working, key=lambda d: (abs(d - wanted), d))
        return named(moment.day, of_month, 1, 31)
    if of_week == "L":
        return day == 7
    if of_week.endswith("L"):
        return named(day, of_week[:-1], 1, 7) and moment.day + 7 > last
    if "#" in of_week:
        which, _, n = of_week.partition("#")
        return named(day, which, 1, 7) and (moment.day - 1) // 7 + 1 == int(n)
    return named(day, of_week, 1, 7)


def matches(inner: str, local: datetime) -> bool:
    """Whether the expression (without `cron()`) names this minute of a wall clock."""
    minute, hour, of_month, month, of_week, year = inner.split()
    return (
        named(local.minute, minute, 0, 59)
        and named(local.hour, hour, 0, 23)
        and named(local.month, month, 1, 12)
        and named(local.year, year, 1970, 2199)
        and names_day(local, of_month, of_week)
    )


def minute_by_minute(inner: str, start: datetime, end: datetime, zone: str) -> Iterator[datetime]:
    """All firing times from `start` on and before `end`: each minute that there is, only in its first pass."""
    at = start.astimezone(UTC)
    while at < end:
        local = at.astimezone(ZoneInfo(zone))
        if not local.fold and matches(inner, local):
            yield at
        at += timedelta(minutes=1)
