"""From when on a schedule counts: new, changed, paused, after the clock was set, and after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from workbench.events.schedule.book import Book, Known
from workbench.events.schedule.clock import Clock, Setting
from workbench.events.schedule.plan import Tick, due
from workbench.events.schedule.schedules import Schedule, Target

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = Schedule("r#1", "arn:aws:events:us-east-1:123456789012:rule/r", "rate(1 hour)", Target("arn:f"), "v1")
MADE_S = NOON.timestamp() + 600.5
SCHEDULE = Schedule(
    "s",
    "arn:aws:scheduler:us-east-1:123456789012:schedule/default/s",
    "rate(1 hour)",
    Target("arn:f"),
    "v1",
    created_s=MADE_S,
    changed_s=MADE_S,
)


class Desk:
    """A book, a clock on a wall time of its own, and what fires when time passes."""

    def __init__(self) -> None:
        self.wall_s = NOON.timestamp()
        self.clock = Clock(lambda: self.wall_s)
        self.book = Book()
        self.done = self.floor = self.clock.began
        self.told: list[str] = []

    def read(self, *schedules: Schedule) -> list[datetime]:
        """Take up what there is; the times that are made up for."""
        news = self.book.update(schedules, self.clock, self.done, self.floor)
        self.told += [why for _, why in news.tell]
        start = min((entry.since for entry in news.entries), default=self.done)
        return self._note(due(news.entries, start, self.done)[0])

    def passes(self, time: timedelta) -> list[datetime]:
        """Let wall time pass; the times that fire."""
        self.wall_s += time.total_seconds()
        ticks, self.done = due(self.book.entries.values(), self.done, self.clock.now())
        return self._note(ticks)

    def _note(self, ticks: list[Tick]) -> list[datetime]:
        for tick in ticks:
            self.book.fired(tick)
        return [tick.scheduled for tick in ticks]


def test_a_rate_of_a_rule_fires_a_period_after_it_was_found() -> None:
    desk = Desk()
    assert desk.read(RULE) == []
    assert desk.passes(2 * HOUR + timedelta(minutes=1)) == [NOON + HOUR, NOON + 2 * HOUR]


def test_a_rate_of_scheduler_fires_when_it_was_made_though_it_is_found_later() -> None:
    desk = Desk()
    desk.passes(timedelta(minutes=11))
    made = NOON + timedelta(minutes=10, seconds=0.5)
    assert desk.read(SCHEDULE) == [made]
    assert desk.read(SCHEDULE) == []
    assert desk.passes(HOUR) == [made + HOUR]


def test_what_is_made_in_the_second_in_which_the_clock_began_fires_at_once() -> None:
    desk = Desk()
    desk.floor = desk.done = NOON + timedelta(minutes=10, seconds=0.4)
    desk.wall_s += 601
    assert desk.read(SCHEDULE) == []
    assert desk.passes(timedelta(0)) == [NOON + timedelta(minutes=10, seconds=0.5)]


def test_what_was_made_before_the_platform_began_keeps_its_beat_and_makes_up_for_nothing() -> None:
    desk = Desk()
    old = replace(SCHEDULE, created_s=NOON.timestamp() - 5400, changed_s=NOON.timestamp() - 5400)
    assert desk.read(old) == []
    assert desk.passes(HOUR) == [NOON + timedelta(minutes=30)]


def test_a_change_of_the_input_goes_on_in_the_same_beat_and_another_rate_begins_anew() -> None:
    desk = Desk()
    desk.read(RULE)
    assert desk.passes(timedelta(minutes=90)) == [NOON + HOUR]
    desk.read(replace(RULE, version="v2"))
    assert desk.passes(timedelta(minutes=31)) == [NOON + 2 * HOUR]
    desk.read(replace(RULE, version="v3", expression="rate(2 hours)"))
    assert desk.passes(2 * HOUR) == []
    assert desk.passes(timedelta(minutes=1)) == [NOON + timedelta(minutes=121) + 2 * HOUR]


def test_a_disabled_schedule_fires_nothing_and_makes_up_for_nothing() -> None:
    desk = Desk()
    desk.read(RULE)
    desk.passes(timedelta(minutes=30))
    desk.read(replace(RULE, enabled=False))
    assert desk.passes(3 * HOUR) == []
    assert desk.read(RULE) == []
    assert desk.passes(HOUR) == [NOON + 4 * HOUR]


def test_a_schedule_that_is_deleted_and_made_again_is_another_one() -> None:
    desk = Desk()
    desk.read(RULE)
    desk.passes(timedelta(minutes=30))
    assert desk.book.update([], desk.clock, desk.done, desk.floor).drop == ["r#1"]
    desk.read(RULE)
    assert desk.passes(2 * HOUR) == [NOON + timedelta(minutes=90)]


def test_when_the_clock_is_set_everything_counts_from_there() -> None:
    desk = Desk()
    desk.read(RULE, SCHEDULE)
    desk.passes(timedelta(minutes=30))
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    desk.clock.set(at=midnight, speed=60)
    desk.book.clear()
    desk.done = desk.floor = midnight
    assert desk.read(RULE, SCHEDULE) == []
    assert desk.passes(timedelta(seconds=61)) == [midnight, midnight + HOUR, midnight + HOUR]


@pytest.mark.parametrize("expression", ["at(2026-06-01T11:59:59)", "cron(0 0 1 1 ? 2026)"])
def test_what_never_fires_is_told_once(expression: str) -> None:
    desk = Desk()
    for _ in range(2):
        desk.read(replace(SCHEDULE, expression=expression))
    assert desk.told == [f"{expression} does not fire any more: its time is over."]


def test_what_is_wrong_is_told_once_and_does_not_stop_the_others() -> None:
    desk = Desk()
    for _ in range(2):
        desk.read(replace(SCHEDULE, zone="Mars/Olympus"), RULE)
    (why,) = desk.told
    assert "Mars/Olympus" in why
    assert desk.passes(HOUR + timedelta(seconds=1)) == [NOON + HOUR]


def restarted(before: Desk, mark: datetime, setting: Setting | None = None) -> Desk:
    """Another process that was told by the disk what the one before knew."""
    after = Desk()
    after.wall_s = before.wall_s
    after.clock = Clock(lambda: after.wall_s)
    after.floor = after.done = after.clock.go_on_from(setting or before.clock.setting, mark)
    kept = json.loads(json.dumps({key: known.to_json() for key, known in before.book.known.items()}))
    after.book.known = {key: Known.from_json(record) for key, record in kept.items()}
    return after


def test_after_a_restart_wall_time_has_gone_on_and_what_was_missed_is_not_made_up_for() -> None:
    desk = Desk()
    hourly = replace(RULE, key="c#1", expression="cron(0 * * * ? *)")
    desk.read(RULE, hourly)
    desk.passes(HOUR + timedelta(seconds=5))
    desk.wall_s += 2 * 3600 + 30  # 15:00:35, down since 13:00:05
    after = restarted(desk, desk.done)
    assert after.read(RULE, hourly) == []
    assert after.passes(timedelta(seconds=1)) == [NOON + 3 * HOUR] * 2  # of the running minute; 14:00 is over
    again = restarted(after, after.done)
    assert again.read(RULE, hourly) == []
    assert again.passes(timedelta(seconds=20)) == []  # and not twice within it
    assert again.passes(HOUR) == [NOON + 4 * HOUR] * 2


def test_after_a_kill_before_the_mark_was_written_a_tick_does_not_fire_twice() -> None:
    desk = Desk()
    desk.read(RULE)
    mark = desk.done
    assert desk.passes(HOUR + timedelta(seconds=5)) == [NOON + HOUR]
    after = restarted(desk, mark)
    after.read(RULE)
    assert after.passes(timedelta(seconds=5)) == []


def test_after_a_restart_a_simulated_clock_goes_on_where_it_was() -> None:
    desk = Desk()
    desk.clock.set(at=NOON, speed=3600, until=NOON + 6 * HOUR)
    desk.done = desk.floor = NOON
    desk.read(RULE)
    assert len(desk.passes(timedelta(seconds=2.5))) == 2
    setting = desk.clock.setting
    desk.wall_s += 100
    after = restarted(desk, desk.done, setting)
    after.read(RULE)
    assert after.passes(timedelta(seconds=50)) == [NOON + hours * HOUR for hours in (3, 4, 5)]
    assert after.clock.setting.paused
