"""What is remembered of each schedule: from when on it counts, and what it fired last. Pure; `memory` keeps it.

What AWS says: a rate of Scheduler fires at its StartDate or else at once, then every period (EventBridge Scheduler user
guide, "Rate-based schedules"); a rate of a rule "starts when you create the scheduled event rule" (EventBridge user
guide, "Rate expressions"), which is taken to mean that it fires for the first time a period later. What it does not
say, and is chosen here: a schedule that was disabled does not make up for what it missed, a change of other settings
does not restart a rate, and a one-time schedule that is created when its time is over never fires.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from workbench.events.schedule.clock import Clock
from workbench.events.schedule.expression import Rate, parse
from workbench.events.schedule.fields import InvalidExpression
from workbench.events.schedule.plan import Entry, Tick, next_due
from workbench.events.schedule.schedules import Schedule
from workbench.events.schedule.timetable import Timetable, zone_named


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a schedule, on one line of the clock."""

    version: str
    expression: str
    enabled: bool
    anchor: datetime  # where a rate counts from
    since: datetime  # it fires nothing from before
    fired: datetime | None = None  # all that was due until here, this included, is done

    def to_json(self) -> dict[str, Any]:
        """For the disk."""
        moments = {name: value.isoformat() for name, value in asdict(self).items() if isinstance(value, datetime)}
        return {**asdict(self), **moments}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Known:
        """From the disk."""
        moments = {name: datetime.fromisoformat(record[name]) for name in ("anchor", "since", "fired") if record[name]}
        return cls(**{**record, **moments})


@dataclass(frozen=True, slots=True)
class News:
    """What an update brought: entries new or changed, what is to be kept, dropped, and told (with its reason)."""

    entries: list[Entry]
    keep: dict[str, Known]
    drop: list[str]
    tell: list[tuple[Schedule, str]]


class Book:
    """All schedules, by their keys."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.schedules: dict[str, Schedule] = {}
        self.entries: dict[str, Entry] = {}

    def clear(self) -> None:
        """Forget all: another line of the clock begins."""
        self.known, self.schedules, self.entries = {}, {}, {}

    def update(self, found: Iterable[Schedule], clock: Clock, now: datetime, floor: datetime) -> News:
        """Take over what there is now: `now` is where firing has come to, and nothing from before `floor` fires."""
        news = News([], {}, [], [])
        schedules = {schedule.key: schedule for schedule in found}
        for key, schedule in schedules.items():
            before = self.known.get(key)
            if before is not None and key in self.schedules and (before.version, before.enabled) == _state(schedule):
                continue
            known = _known(schedule, before, clock, now, floor)
            if known != before:
                self.known[key] = news.keep[key] = known
            self.entries.pop(key, None)
            if schedule.enabled:
                self._enter(schedule, known, floor, news)
        for key in self.known.keys() - schedules.keys():
            news.drop.append(key)
            self.known.pop(key)
            self.entries.pop(key, None)
        self.schedules = schedules
        return news

    def after(self, tick: Tick) -> Known:
        """What is to be kept of a schedule when a tick of it, and all that was due before, is done."""
        return replace(self.known[tick.key], fired=tick.due)

    def fired(self, tick: Tick) -> None:
        """It is done."""
        self.known[tick.key] = self.after(tick)
        self.entries[tick.key] = replace(self.entries[tick.key], fired=tick.due)

    def _enter(self, schedule: Schedule, known: Known, floor: datetime, news: News) -> None:
        try:
            entry = entry_of(schedule, known)
        except InvalidExpression as error:
            news.tell.append((schedule, str(error)))
            return
        entry = replace(entry, since=max(entry.since, floor))
        self.entries[schedule.key] = entry
        news.entries.append(entry)
        if known.fired is None and next_due([entry], entry.since) is None:
            news.tell.append((schedule, f"{schedule.expression} does not fire any more: its time is over."))


def _state(schedule: Schedule) -> tuple[str, bool]:
    return schedule.version, schedule.enabled


def _known(schedule: Schedule, before: Known | None, clock: Clock, now: datetime, floor: datetime) -> Known:
    if before is not None and (before.version, before.enabled) == _state(schedule):
        return before  # from an earlier process
    changed = now if schedule.changed_s is None else clock.at(schedule.changed_s)
    since = max(changed, floor)
    if before is None:
        created = now if schedule.created_s is None else clock.at(schedule.created_s)
        return Known(schedule.version, schedule.expression, schedule.enabled, created, min(since, now))
    anchor = before.anchor if before.expression == schedule.expression else since
    return Known(schedule.version, schedule.expression, schedule.enabled, anchor, min(since, now), before.fired)


def entry_of(schedule: Schedule, known: Known) -> Entry:
    """For the plan; raises InvalidExpression."""
    when = parse(schedule.expression, lenient=not schedule.is_rule)
    start = schedule.start
    if isinstance(when, Rate) and start is None:
        start = known.anchor + when.period if schedule.is_rule else known.anchor
    table = Timetable(when, zone_named(schedule.zone), start, schedule.end)
    return Entry(schedule.key, table, known.since, schedule.window, known.fired)
