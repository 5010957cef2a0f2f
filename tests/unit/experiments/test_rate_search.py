"""The search for the highest sustainable rate, against made-up services whose limit is known."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.experiments.rate_search import Trial, Verdict, bracket, judge, next_rate
from workbench.load import LoadResult, Schedule, constant

GOAL_MS = 50.0


def load(schedule: Schedule, latency_ms: list[float | None], late_ms: float = 0.1) -> LoadResult:
    n = len(schedule)
    status = tuple("throttled" if ms is None else "ok" for ms in latency_ms)
    nothing = ("",) * n
    return LoadResult(
        schedule.planned_s, tuple(latency_ms), status, nothing, nothing, (False,) * n, (late_ms,) * n, 0.0
    )


def judged(latency_ms: list[float | None], late_ms: float = 0.1, rate: float = 100.0) -> Trial:
    duration = len(latency_ms) / rate
    return judge(load(constant(rate, duration), latency_ms, late_ms), rate, GOAL_MS, 0.0, duration)


def test_a_rate_is_sustained_when_the_whole_interval_is_within_the_goal() -> None:
    found = judged([10.0] * 600)
    assert (found.verdict, found.requests, found.unanswered) == ("sustained", 600, 0)
    assert found.high_ms == 10.0


def test_one_slow_request_in_a_hundred_lies_inside_the_interval_and_two_do_not() -> None:
    assert judged([200.0 if i % 100 == 0 else 10.0 for i in range(600)]).verdict == "unclear"
    assert judged([200.0 if i % 25 == 0 else 10.0 for i in range(600)]).verdict == "missed"


def test_a_request_without_a_good_answer_is_an_endless_one() -> None:
    found = judged([None if i % 25 == 0 else 10.0 for i in range(600)])
    assert (found.verdict, found.unanswered, found.p99_ms) == ("missed", 24, None)


def test_too_few_requests_bound_no_p99() -> None:
    assert judged([10.0] * 300).verdict == "unclear"


def test_a_queue_that_grows_is_missed_whatever_the_p99_of_the_others() -> None:
    # The last second's requests are never answered in time: 100 of 6,000 are too few for the p99 to tell surely.
    latency: list[float | None] = [10.0] * 5945 + [5_000.0] * 55
    found = judged(latency)
    assert found.verdict in ("unclear", "missed")
    growing: list[float | None] = [10.0] * 595 + [49.0] * 5
    assert judged(growing).verdict == "sustained"
    piled = [10.0 if i < 450 else 10.0 + 20 * (i - 450) for i in range(600)]
    assert judged(list(piled)).verdict == "missed"


def test_a_late_generator_says_nothing_except_of_a_miss_larger_than_its_lateness() -> None:
    assert judged([10.0] * 600, late_ms=30.0).verdict == "void"
    assert judged([70.0] * 600, late_ms=30.0).verdict == "void"
    assert judged([90.0] * 600, late_ms=30.0).verdict == "missed"
    assert judged([None] * 600, late_ms=30.0).verdict == "void"


def test_warm_up_is_left_out() -> None:
    schedule = constant(100.0, 6.0)
    latency: list[float | None] = [900.0] * 100 + [10.0] * 500
    found = judge(load(schedule, latency), 100.0, GOAL_MS, 1.0, 6.0)
    assert (found.verdict, found.requests) == ("sustained", 500)


def trial(rate: float, verdict: Verdict) -> Trial:
    return Trial(rate, verdict, "", 0, 0, None, None, None, 0.0, 0.0)


def test_it_doubles_then_halves_the_gap_by_its_geometric_mean() -> None:
    done = [trial(10, "sustained")]
    assert next_rate(done, 10, 1, 1000, 0.1) == 20
    done += [trial(20, "sustained"), trial(40, "missed")]
    assert next_rate(done, 10, 1, 1000, 0.1) == pytest.approx(math.sqrt(800))
    assert next_rate([*done, trial(21, "missed")], 10, 1, 1000, 0.1) is None
    assert bracket(done) == (20, 40)


def test_it_ends_at_the_highest_and_the_lowest_rate_allowed() -> None:
    assert next_rate([trial(60, "sustained")], 60, 1, 100, 0.1) == 100
    assert next_rate([trial(100, "sustained")], 60, 1, 100, 0.1) is None
    assert next_rate([trial(10, "missed")], 10, 8, 100, 0.1) == 8
    assert next_rate([trial(10, "missed"), trial(8, "missed")], 10, 8, 100, 0.1) is None


def test_a_void_try_is_repeated_and_then_no_bound() -> None:
    late = [trial(20, "void")]
    assert next_rate([trial(10, "sustained"), *late], 10, 1, 100, 0.1) == 20
    assert next_rate([trial(10, "sustained"), *late * 2], 10, 1, 100, 0.1) == 20
    three = [trial(10, "sustained"), *late * 3]
    assert next_rate(three, 10, 1, 100, 0.1) == pytest.approx(math.sqrt(200))
    assert bracket(three) == (10, None)


def test_what_is_unclear_stays_inside_the_bracket() -> None:
    assert bracket([trial(10, "sustained"), trial(12, "unclear"), trial(20, "missed")]) == (10, 20)


@given(st.floats(1.5, 900), st.floats(1, 1000), st.floats(0.02, 1.0))
def test_the_bracket_holds_the_limit_and_is_as_narrow_as_asked(limit: float, first: float, precision: float) -> None:
    done: list[Trial] = []
    rate: float | None = first
    while rate is not None:
        done.append(trial(rate, "sustained" if rate <= limit else "missed"))
        assert len(done) < 60
        rate = next_rate(done, first, 1.0, 1000.0, precision)
    low, high = bracket(done)
    assert low is not None
    assert low <= limit
    if high is None:
        assert low == 1000.0
    else:
        assert limit < high <= low * (1 + precision)
