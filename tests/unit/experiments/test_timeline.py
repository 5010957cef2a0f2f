from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.experiments.scaling import bearable_rate
from workbench.experiments.timeline import instances_over_time, time_to_goal
from workbench.instance import InstanceEvent, InstanceState


def event(at_s: float, name: str, state: str) -> InstanceEvent:
    return InstanceEvent(at_s, name, InstanceState(state))


def test_an_instance_counts_from_ready_until_it_stops() -> None:
    events = [
        event(99.0, "old", "starting"),
        event(99.5, "old", "idle"),
        event(100.1, "new", "starting"),
        event(100.4, "new", "idle"),
        event(100.5, "new", "busy"),
        event(101.0, "old", "stopping"),
        event(101.2, "old", "stopped"),
        event(109.0, "late", "idle"),
    ]
    assert instances_over_time(events, 100.0, 1, 5.0) == [[0.0, 1.0], [0.4, 2.0], [1.0, 1.0], [5.0, 1.0]]


def test_from_zero_to_some() -> None:
    events = [event(100.2, "a", "starting"), event(100.3, "a", "idle"), event(100.6, "a", "failed")]
    assert instances_over_time(events, 100.0, 0, 1.0) == [[0.0, 0.0], [0.3, 1.0], [0.6, 0.0], [1.0, 0.0]]


def test_the_goal_is_reached_after_the_last_slow_second() -> None:
    planned = [i / 10 for i in range(50)]
    latency = [400.0 if at < 1.25 else 5.0 for at in planned]
    assert time_to_goal(planned, latency, ["ok"] * 50, 50.0, 5.0) == pytest.approx(1.3)


def test_a_goal_met_throughout_is_met_at_once_and_one_never_met_never() -> None:
    planned = [i / 10 for i in range(50)]
    assert time_to_goal(planned, [5.0] * 50, ["ok"] * 50, 50.0, 5.0) == 0.0
    assert time_to_goal(planned, [500.0] * 50, ["ok"] * 50, 50.0, 5.0) is None
    assert time_to_goal([], [], [], 50.0, 5.0) is None


def test_a_fast_error_meets_no_goal() -> None:
    planned = [i / 10 for i in range(50)]
    status = ["throttled" if at < 2 else "ok" for at in planned]
    assert time_to_goal(planned, [1.0] * 50, status, 50.0, 5.0) == pytest.approx(2.0)
    assert time_to_goal(planned, [None] * 50, ["timeout"] * 50, 50.0, 5.0) is None


def test_one_slow_request_in_twenty_is_allowed() -> None:
    planned = [i / 20 for i in range(100)]
    latency = [90.0 if i % 20 == 0 else 5.0 for i in range(100)]
    assert time_to_goal(planned, latency, ["ok"] * 100, 50.0, 5.0) == 0.0


def test_requests_planned_at_one_moment_are_in_one_window() -> None:
    planned = [0.0] * 22
    latency: list[float | None] = [None] * 20 + [1.0] * 2
    assert time_to_goal(planned, latency, ["error"] * 20 + ["ok"] * 2, 50.0, 5.0) is None


@given(
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
    st.lists(st.one_of(st.none(), st.floats(0, 200)), min_size=60, max_size=60),
)
def test_from_the_moment_on_every_whole_second_meets_the_goal(
    planned: list[float], latency: list[float | None]
) -> None:
    planned.sort()
    taken = latency[: len(planned)]
    status = ["error" if ms is None else "ok" for ms in taken]
    at = time_to_goal(planned, taken, status, 50.0, 5.0)
    if at is None:
        return
    for start in (p for p in planned if at <= p <= max(4.0, planned[0])):
        inside = [ms for p, ms in zip(planned, taken, strict=True) if start <= p < start + 1]
        assert sum(ms is not None and ms <= 50 for ms in inside) >= 0.95 * len(inside)


@given(st.floats(0, 100), st.floats(0, 10), st.integers(1, 256))
def test_the_chosen_rate_stays_within_what_the_machine_bears(cold_s: float, warm_s: float, cores: int) -> None:
    rate = bearable_rate(cold_s, warm_s, cores)
    assert 1.0 <= rate <= 60.0
    assert rate == 1.0 or rate * warm_s <= 0.5 * cores * 1.1
    assert rate == 1.0 or rate * cold_s <= 8 * 1.1
