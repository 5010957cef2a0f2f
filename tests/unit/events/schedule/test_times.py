"""When expressions fire: AWS's own examples, and a walk through every minute as the oracle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.events.schedule.matcher import minute_by_minute
from workbench.events.schedule import times

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"]


def span(draw: st.DrawFn, low: int, high: int, *, steps: bool = True, wraps: bool = True) -> str:
    first = draw(st.integers(low, high))
    last = draw(st.integers(low if wraps else first, high))
    step = draw(st.integers(1, high - low + 1))
    forms = ["*", str(first), f"{first}-{last}"]
    if steps:
        forms += [f"{first}/{step}", f"*/{step}", f"{first}-{last}/{step}"]
    return draw(st.sampled_from(forms))


def some(draw: st.DrawFn, low: int, high: int, **how: bool) -> str:
    return ",".join(span(draw, low, high, **how) for _ in range(draw(st.integers(1, 2))))


@st.composite
def crons(draw: st.DrawFn) -> str:
    day = draw(st.integers(1, 31))
    weekday = draw(st.sampled_from(["1", "4", "7", "SUN", "TUE", "FRI"]))
    of_month = st.sampled_from(["*", "L", "LW", f"{day}W", f"1W,{day}".split(",")[1], some(draw, 1, 31)])
    of_week = st.sampled_from(
        ["*", "L", f"{weekday}L", f"{weekday}#{draw(st.integers(1, 5))}", "MON-FRI", some(draw, 1, 7, steps=False)]
    )
    days = draw(st.one_of(of_month.map(lambda text: (text, "?")), of_week.map(lambda text: ("?", text))))
    month = draw(st.sampled_from(["*", "MAR,OCT", "NOV-FEB", some(draw, 1, 12)]))
    year = draw(st.sampled_from(["*", "2026", "2025-2027", "2026/2"]))
    return f"{some(draw, 0, 59)} {some(draw, 0, 23)} {days[0]} {month} {days[1]} {year}"


starts = st.one_of(
    st.datetimes(datetime(2025, 12, 20), datetime(2028, 3, 5)),
    st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 29)),  # Berlin goes forward
    st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 25)),  # and back
    st.datetimes(datetime(2026, 10, 31), datetime(2026, 11, 1)),  # New York goes back
    st.datetimes(datetime(2026, 4, 4), datetime(2026, 4, 5)),  # Lord Howe goes back, by half an hour
)


@settings(deadline=None, max_examples=60)
@given(inner=crons(), start=starts, zone=st.sampled_from(ZONES))
def test_cron_fires_as_a_walk_through_every_minute_says(inner: str, start: datetime, zone: str) -> None:
    first = start.replace(second=0, microsecond=0, tzinfo=UTC)
    end = first + timedelta(days=2)
    found = times(f"cron({inner})", first, end, zone)
    assert [moment.astimezone(UTC) for moment in found] == list(minute_by_minute(inner, first, end, zone))


def days(expression: str, count: int = 4) -> list[str]:
    found = times(expression, datetime(2026, 1, 1), datetime(2032, 1, 1))
    return [f"{moment:%a %d %b %Y %H:%M}" for moment in found[:count]]


def test_the_examples_of_aws() -> None:
    assert days("cron(15 10 ? * 6L 2019-2027)", 2) == ["Fri 30 Jan 2026 10:15", "Fri 27 Feb 2026 10:15"]
    assert days("cron(0 8 1 * ? *)", 2) == ["Thu 01 Jan 2026 08:00", "Sun 01 Feb 2026 08:00"]
    assert days("cron(0 9 ? * 3#2 *)", 2) == ["Tue 13 Jan 2026 09:00", "Tue 10 Feb 2026 09:00"]
    assert days("cron(0 0 3W * ? *)", 2) == ["Fri 02 Jan 2026 00:00", "Tue 03 Feb 2026 00:00"]
    assert days("cron(0 18 ? * MON-FRI *)", 3) == [
        "Thu 01 Jan 2026 18:00",
        "Fri 02 Jan 2026 18:00",
        "Mon 05 Jan 2026 18:00",
    ]


def test_days_that_are_not_in_every_month_or_year() -> None:
    assert days("cron(0 0 31W * ? *)", 3)[1:] == ["Tue 31 Mar 2026 00:00", "Fri 29 May 2026 00:00"]
    first = times("cron(0 0 1W 8 ? *)", datetime(2026, 7, 1), datetime(2027, 1, 1))
    assert [f"{moment:%a %d %b}" for moment in first] == ["Mon 03 Aug"]  # the 1st is a Saturday; not in July
    assert days("cron(0 0 29 2 ? *)") == ["Tue 29 Feb 2028 00:00"]
    assert days("cron(0 0 ? * MON#5 *)", 2) == ["Mon 30 Mar 2026 00:00", "Mon 29 Jun 2026 00:00"]
    assert days("cron(0 0 31 2 ? *)") == []
    assert days("cron(0 0 1 1 ? 2025)") == []


def test_in_spring_a_time_that_does_not_exist_is_skipped() -> None:
    found = times("cron(30 2 * * ? *)", datetime(2026, 3, 28), datetime(2026, 3, 31), "Europe/Berlin")
    assert [moment.isoformat() for moment in found] == ["2026-03-28T02:30:00+01:00", "2026-03-30T02:30:00+02:00"]
    assert times("at(2026-03-29T02:30:00)", datetime(2026, 3, 28), datetime(2026, 3, 31), "Europe/Berlin") == []


def test_in_autumn_a_time_that_comes_twice_fires_once() -> None:
    found = times("cron(0/30 2 * * ? *)", datetime(2026, 10, 25), datetime(2026, 10, 26), "Europe/Berlin")
    assert [moment.isoformat() for moment in found] == ["2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00"]


def test_in_the_second_pass_of_the_hour_nothing_fires_again() -> None:
    second_pass = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 in winter time
    found = times("cron(0/15 * * * ? *)", second_pass, second_pass + timedelta(minutes=51), "Europe/Berlin")
    assert [moment.isoformat() for moment in found] == ["2026-10-25T03:00:00+01:00"]


def test_a_rate_of_a_day_is_24_hours_also_where_the_clocks_change() -> None:
    found = times("rate(1 day)", datetime(2026, 3, 28, 9), datetime(2026, 3, 31), "Europe/Berlin")
    assert [f"{moment:%d %H:%M}" for moment in found] == ["28 09:00", "29 10:00", "30 10:00"]


def test_at_is_a_time_of_its_zone_and_the_end_is_no_longer_in() -> None:
    one = datetime(2026, 3, 29, 7, 0, 1, tzinfo=UTC)
    assert times("at(2026-03-29T09:00:01)", one, one + timedelta(seconds=1), "Europe/Berlin") == [one]
    assert times("at(2026-03-29T09:00:01)", one - timedelta(days=1), one, "Europe/Berlin") == []
