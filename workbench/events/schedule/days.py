"""Which days of a month a cron expression names: by their number, or by the day of the week (1 is Sunday)."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from workbench.events.schedule.fields import DAYS_OF_MONTH, DAYS_OF_WEEK, InvalidExpression

_SUNDAY = 1
_SATURDAY = 7


class Days(Protocol):
    """A rule for days."""

    def in_month(self, year: int, month: int) -> tuple[int, ...]:
        """The days of that month, in order; perhaps none."""


def last_of(year: int, month: int) -> int:
    """The number of days of a month."""
    return calendar.monthrange(year, month)[1]


def weekday(year: int, month: int, day: int) -> int:
    """AWS's number of a day of the week: 1 is Sunday, 7 Saturday."""
    return date(year, month, day).isoweekday() % 7 + 1


@dataclass(frozen=True, slots=True)
class Numbered:
    """Days by their numbers: `1`, `1-15`, `*/2`."""

    numbers: tuple[int, ...]

    def in_month(self, year: int, month: int) -> tuple[int, ...]:
        """See Days."""
        last = last_of(year, month)
        return tuple(number for number in self.numbers if number <= last)


@dataclass(frozen=True, slots=True)
class Last:
    """`L`: the last day of the month."""

    def in_month(self, year: int, month: int) -> tuple[int, ...]:
        """See Days."""
        return (last_of(year, month),)


@dataclass(frozen=True, slots=True)
class Nearest:
    """`15W`: the day from Monday to Friday that is nearest to a day, in the same month; `LW` if there is no number."""

    number: int | None

    def in_month(self, year: int, month: int) -> tuple[int, ...]:
        """See Days."""
        last = last_of(year, month)
        day = last if self.number is None else self.number
        if day > last:
            return ()
        of_week = weekday(year, month, day)
        if of_week == _SATURDAY:
            return (day - 1 if day > 1 else day + 2,)
        if of_week == _SUNDAY:
            return (day + 1 if day < last else day - 2,)
        return (day,)


@dataclass(frozen=True, slots=True)
class Weekdays:
    """Days of the week: `MON-FRI`, `1,7`."""

    numbers: tuple[int, ...]

    def in_month(self, year: int, month: int) -> tuple[int, ...]:
        """See Days."""
        first = weekday(year, month, 1)
        days = range(1, last_of(year, month) + 1)
        return tuple(day for day in days if (first + day - 2) % 7 + 1 in self.numbers)


@dataclass(frozen=True, slots=True)
class Nth:
    """`6#3`: the third Friday of the month; `6L` is the last one, and has no `n`."""

    number: int
    n: int | None

    def in_month(self, year: int, month: int) -> tuple[int, ...]:
        """See Days."""
        days = Weekdays((self.number,)).in_month(year, month)
        if self.n is None:
            return days[-1:]
        return days[self.n - 1 : self.n]


def parse(of_month: str, of_week: str) -> Days:
    """The rule that the two fields for days give; raises InvalidExpression. Exactly one of them is `?`."""
    if (of_month == "?") == (of_week == "?"):
        raise InvalidExpression(
            "of the fields day-of-month and day-of-week exactly one names days, and the other one is ?"
        )
    return _of_month(of_month.upper()) if of_week == "?" else _of_week(of_week.upper())


def _of_month(text: str) -> Days:
    if text == "L":
        return Last()
    if text == "LW":
        return Nearest(None)
    if text.endswith("W") and "," not in text:
        return Nearest(DAYS_OF_MONTH.number(text[:-1]))
    if "L" in text or "W" in text:
        raise InvalidExpression(f"in the field day-of-month, L, 15W or LW stands alone, which {text!r} is not")
    return Numbered(DAYS_OF_MONTH.numbers(text))


def _of_week(text: str) -> Days:
    if text == "L":  # "the last day of the month or week" (EventBridge user guide, "Cron expressions")
        return Weekdays((_SATURDAY,))
    if text.endswith("L") and "," not in text:
        return Nth(DAYS_OF_WEEK.number(text[:-1]), None)
    if "#" in text:
        return _nth(text)
    return Weekdays(DAYS_OF_WEEK.numbers(text))


def _nth(text: str) -> Nth:
    if "," in text:
        raise InvalidExpression(f"in the field day-of-week, only one expression with # is possible, not {text!r}")
    day, _, n = text.partition("#")
    if n not in ("1", "2", "3", "4", "5"):
        raise InvalidExpression(f"in the field day-of-week, after # comes a number from 1 to 5, not {n!r}")
    return Nth(DAYS_OF_WEEK.number(day), int(n))
