"""When an expression fires: in a time zone, from a start to an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import takewhile
from zoneinfo import ZoneInfo

from workbench.events.schedule.expression import At, Cron, Expression, Rate, parse
from workbench.events.schedule.fields import InvalidExpression

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Timetable:
    """The firing times of an expression; all moments are aware, and those returned in UTC.

    A rate fires at `start` and every period after it. For cron, `start` is the first moment at which it may fire.
    Neither fires after `end`. A one-time schedule has neither (Scheduler API reference, "CreateSchedule").

    Where the clocks go forward, a time that does not exist is skipped. Where they go back, a time that comes twice
    fires once; AWS does not say at which of the two, here it is the first. A rate's day is 24 hours. (EventBridge
    Scheduler user guide, "Schedule types", section "Daylight savings time on EventBridge Scheduler"; it speaks of cron
    there, and a one-time schedule is taken alike.)
    """

    when: Expression
    zone: tzinfo = UTC
    start: datetime | None = None
    end: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing time later than `moment`; None when there is none any more."""
        match self.when:
            case At():
                found = self._utc(self.when.local)
                return found if found is not None and found > moment else None
            case Rate():
                found = self._rate(self.when, moment)
            case Cron():
                found = self._cron(self.when, moment)
        return found if found is not None and (self.end is None or found <= self.end) else None

    def starting(self, moment: datetime) -> Iterator[datetime]:
        """All firing times from `moment` on, itself included."""
        found = self.next_after(moment - _INSTANT)
        while found is not None:
            yield found
            found = self.next_after(found)

    def _rate(self, rate: Rate, moment: datetime) -> datetime:
        if self.start is None:
            raise InvalidExpression(
                "A rate counts from a start: give one, as in start=datetime(2026, 3, 29, tzinfo=UTC)"
            )
        if moment < self.start:
            return self.start
        return self.start + ((moment - self.start) // rate.period + 1) * rate.period

    def _cron(self, cron: Cron, moment: datetime) -> datetime | None:
        if self.start is not None:
            moment = max(moment, self.start - _INSTANT)
        local: datetime | None = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        while local is not None:
            local = cron.next_local(local)
            found = None if local is None else self._utc(local)
            # In the hour that comes again, what fired in its first pass is not later than `moment`.
            if found is not None and found > moment:
                return found
        return None

    def _utc(self, local: datetime) -> datetime | None:
        """A wall clock's time in UTC, the first where it comes twice; None where it does not exist."""
        found = local.replace(tzinfo=self.zone).astimezone(UTC)
        return found if found.astimezone(self.zone).replace(tzinfo=None, fold=0) == local else None


def zone_named(name: str) -> tzinfo:
    """A time zone of the IANA database; raises InvalidExpression."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # its own ZoneInfoNotFoundError is a KeyError
        raise InvalidExpression(
            f"There is no time zone {name!r}. Its name is one of the IANA database, such as Europe/Berlin or UTC."
        ) from None


def times(expression: str, start: datetime, end: datetime, zone: str = "UTC") -> list[datetime]:
    """When an expression fires from `start` on and before `end`, in its time zone.

    A rate fires first at `start`. `start` and `end` are aware; one without a zone is taken to be in `zone`.
    Raises InvalidExpression: what is wrong, and how a right one looks.
    """
    place = zone_named(zone)
    first, last = (moment if moment.tzinfo else moment.replace(tzinfo=place) for moment in (start, end))
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    table = Timetable(parse(expression, lenient=True), place, first)
    return [moment.astimezone(place) for moment in takewhile(lambda moment: moment < last, table.starting(first))]
