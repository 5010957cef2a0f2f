"""What is due, and when: pure, from entries and two moments. Nothing here has a clock, a disk or a target."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from workbench.events.schedule.timetable import Timetable

_INSTANT = timedelta(microseconds=1)
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One schedule with one target, as the plan needs it.

    It fires at the times of its table from `since` on (inclusive), each up to `window` later, and nothing that was due
    at `fired` or before.
    """

    key: str
    table: Timetable
    since: datetime
    window: timedelta = _NONE
    fired: datetime | None = None


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """One firing: when it is due, of which entry, and the time of the table that it stands for."""

    due: datetime
    key: str
    scheduled: datetime


def due(entries: Iterable[Entry], start: datetime, end: datetime, most: int = 200) -> tuple[list[Tick], datetime]:
    """What is due from `start` on and before `end`, in order, and the moment before which that is everything.

    That moment is `end`, or an earlier one when there are more than about `most`: go on from there. However the time
    between two moments is cut, each tick comes exactly once.
    """
    found: list[Tick] = []
    for tick in heapq.merge(*(_ticks(entry, start) for entry in entries)):
        if tick.due >= end:
            break
        if len(found) >= most and tick.due > found[-1].due:
            return found, found[-1].due + _INSTANT
        found.append(tick)
    return found, end


def next_due(entries: Iterable[Entry], start: datetime) -> datetime | None:
    """When the next is due, from `start` on; None when nothing is any more."""
    return min((tick.due for entry in entries for tick in _first(_ticks(entry, start))), default=None)


def is_over(entry: Entry, moment: datetime) -> bool:
    """Whether nothing of it is due from `moment` on."""
    return next_due([entry], moment) is None


def _first(ticks: Iterator[Tick]) -> list[Tick]:
    return [tick for tick, _ in zip(ticks, range(1), strict=False)]


def _ticks(entry: Entry, start: datetime) -> Iterator[Tick]:
    """The ticks of an entry that are due from `start` on, in the order in which they are due."""
    waiting: list[Tick] = []  # by their window they may come in another order than in the table
    for scheduled in entry.table.starting(max(entry.since, start - entry.window)):
        while waiting and waiting[0].due < scheduled:
            yield heapq.heappop(waiting)
        tick = Tick(scheduled + _delay(entry, scheduled), entry.key, scheduled)
        if tick.due >= start and (entry.fired is None or tick.due > entry.fired):
            heapq.heappush(waiting, tick)
    while waiting:
        yield heapq.heappop(waiting)


def _delay(entry: Entry, scheduled: datetime) -> timedelta:
    """Where in its flexible window an entry fires: anywhere, but always at the same place."""
    if not entry.window:
        return _NONE
    drawn = sha256(f"{entry.key} {scheduled.isoformat()}".encode()).digest()
    return entry.window * (int.from_bytes(drawn[:6]) / 2**48)
