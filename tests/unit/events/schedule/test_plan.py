"""No tick is lost or doubled, however the time is cut into steps and however fast or unevenly the clock goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.schedule.clock import FASTEST, Clock, InvalidClock
from workbench.events.schedule.expression import parse
from workbench.events.schedule.plan import Entry, Tick, due, is_over, next_due
from workbench.events.schedule.timetable import Timetable, times, zone_named

MIDNIGHT = datetime(2026, 3, 28, tzinfo=UTC)
EXPRESSIONS = [
    "rate(25 minutes)",
    "rate(1 hour)",
    "cron(0 9 ? * MON-FRI *)",
    "cron(0/5 1-3 * * ? *)",
    "at(2026-03-29T03:30:00)",
]


def entry(expression: str, key: str = "e", window_min: int = 0, zone: str = "UTC", since: datetime = MIDNIGHT) -> Entry:
    table = Timetable(parse(expression), zone_named(zone), MIDNIGHT)
    return Entry(key, table, since, timedelta(minutes=window_min))


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    return [
        entry(
            draw(st.sampled_from(EXPRESSIONS)),
            f"e{number}",
            draw(st.sampled_from([0, 0, 1, 15, 90])),
            draw(st.sampled_from(["UTC", "Europe/Berlin"])),
            MIDNIGHT + timedelta(minutes=draw(st.integers(0, 2000))),
        )
        for number in range(draw(st.integers(0, 4)))
    ]


def all_due(some: list[Entry], start: datetime, end: datetime, most: int = 10**9) -> list[Tick]:
    found: list[Tick] = []
    while start < end:
        ticks, start = due(some, start, end, most)
        found += ticks
    return found


def expected(some: list[Entry], end: datetime) -> set[tuple[str, datetime]]:
    """Said once more without the plan: every time of every table. What its window puts after `end` is not asked for."""
    return {
        (one.key, moment)
        for one in some
        for moment in takewhile(lambda moment: moment < end, one.table.starting(one.since))
    }


cuts = st.lists(st.integers(0, 2 * 86400 * 10**6), max_size=20).map(
    lambda found: sorted(timedelta(microseconds=at) for at in found)
)


@settings(deadline=None, max_examples=30)
@given(some=entries(), cuts=cuts, most=st.sampled_from([1, 40, 300]))
def test_however_time_is_cut_each_tick_comes_once(some: list[Entry], cuts: list[timedelta], most: int) -> None:
    end = MIDNIGHT + timedelta(days=2)
    edges = [MIDNIGHT, *(MIDNIGHT + cut for cut in cuts), end]
    cut = [tick for start, stop in pairwise(edges) for tick in all_due(some, start, stop, most)]
    assert cut == all_due(some, MIDNIGHT, end) == sorted(cut)
    found = [(tick.key, tick.scheduled) for tick in cut]
    assert len(set(found)) == len(found)
    last_window = end - timedelta(minutes=90)
    assert {one for one in found if one[1] < last_window} == expected(some, last_window)


@settings(deadline=None, max_examples=40)
@given(
    some=entries(),
    moves=st.lists(
        st.tuples(
            st.floats(0, 1),
            st.sampled_from(["look", "look", "pause", "resume", "speed"]),
            st.floats(1, 100_000),
        ),
        max_size=12,
    ),
)
def test_at_any_speed_each_tick_comes_once(some: list[Entry], moves: list[tuple[float, str, float]]) -> None:
    wall = [1000.0]
    clock = Clock(lambda: wall[0])
    clock.set(at=MIDNIGHT, speed=86400)
    done, found = MIDNIGHT, []
    for wait, what, speed in moves:
        wall[0] += wait
        now = clock.now()
        assert now >= done
        found += all_due(some, done, now)
        done = now
        if what == "pause":
            clock.pause()
        elif what == "resume":
            clock.resume()
        elif what == "speed":
            clock.set(speed=speed)
    assert found == all_due(some, MIDNIGHT, done)


def test_what_is_due_at_the_same_moment_comes_together_however_few_are_asked_for() -> None:
    some = [entry("rate(1 hour)", key) for key in ("a", "b", "c")]
    ticks, upto = due(some, MIDNIGHT, MIDNIGHT + timedelta(days=1), most=1)
    assert [tick.key for tick in ticks] == ["a", "b", "c"]
    assert MIDNIGHT < upto < MIDNIGHT + timedelta(hours=1)


def test_a_flexible_window_delays_each_tick_by_less_than_it_and_always_alike() -> None:
    flexible = entry("rate(1 hour)", window_min=15)
    ticks = all_due([flexible], MIDNIGHT, MIDNIGHT + timedelta(days=2))
    late = [tick.due - tick.scheduled for tick in ticks]
    assert all(timedelta(0) <= delay < timedelta(minutes=15) for delay in late)
    assert len(set(late)) > 40
    assert ticks == all_due([flexible], MIDNIGHT, MIDNIGHT + timedelta(days=2), 1)


def test_what_fired_before_does_not_fire_again() -> None:
    hourly = entry("rate(1 hour)")
    noon = MIDNIGHT + timedelta(hours=12)
    left = all_due([replace(hourly, fired=noon)], MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert [tick.scheduled.hour for tick in left] == list(range(13, 24))


def test_the_next_one_and_the_end() -> None:
    once, daily = entry("at(2026-03-29T03:30:00)", "a"), entry("cron(0 9 * * ? *)", "b")
    moment = datetime(2026, 3, 29, 3, 30, tzinfo=UTC)
    assert next_due([once, daily], MIDNIGHT) == MIDNIGHT + timedelta(hours=9)
    assert next_due([once, daily], MIDNIGHT + timedelta(hours=10)) == moment
    assert next_due([once], moment) == moment
    assert next_due([], MIDNIGHT) is None
    assert not is_over(once, moment)
    assert is_over(once, moment + timedelta(microseconds=1))


def test_a_day_passes_in_a_second_and_the_clock_stands_where_it_was_told_to() -> None:
    wall = [5.0]
    clock = Clock(lambda: wall[0])
    clock.set(at=MIDNIGHT, speed=86400, until=MIDNIGHT + timedelta(days=1))
    wall[0] += 0.5
    assert clock.now() == MIDNIGHT + timedelta(hours=12)
    assert clock.wall_s_until(MIDNIGHT + timedelta(hours=18)) == pytest.approx(0.25)
    wall[0] += 1000
    assert clock.now() == MIDNIGHT + timedelta(days=1)
    assert clock.setting.paused
    assert clock.wall_s_until(MIDNIGHT + timedelta(days=2)) == float("inf")
    clock.resume()
    wall[0] += 1
    assert clock.now() == MIDNIGHT + timedelta(days=2)


def test_what_the_time_was_at_a_wall_time_of_this_line() -> None:
    wall = [0.0]
    clock = Clock(lambda: wall[0])
    wall[0] = 10.0
    clock.set(at=MIDNIGHT, speed=3600)
    wall[0] = 11.0
    clock.pause()
    wall[0] = 20.0
    clock.resume()
    wall[0] = 21.0
    read = [(clock.at(wall_s) - MIDNIGHT) / timedelta(hours=1) for wall_s in (3.0, 10.5, 11.0, 15.0, 20.5, 21.0)]
    assert read == [0, 0.5, 1, 1, 1.5, 2]


def test_a_clock_that_cannot_be_is_refused() -> None:
    clock = Clock(lambda: 0.0)
    for speed in (0, -1, FASTEST * 2, float("nan")):
        with pytest.raises(InvalidClock, match="more than 0"):
            clock.set(speed=speed)
    with pytest.raises(InvalidClock, match="over already"):
        clock.set(at=MIDNIGHT, until=MIDNIGHT - timedelta(1))
    assert not clock.setting.simulated


def test_the_times_of_a_notebook_are_those_of_the_plan() -> None:
    end = MIDNIGHT + timedelta(days=3)
    for expression in EXPRESSIONS:
        ticks = all_due([entry(expression)], MIDNIGHT, end)
        assert [tick.scheduled for tick in ticks] == times(expression, MIDNIGHT, end)
