from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.experiments import flow


def test_a_request_is_planned_waits_and_is_answered() -> None:
    # Planned at 0.1 s and answered at 1.3 s: it waits at the end of the steps [0, 0.5) and [0.5, 1), not of [1, 1.5).
    found = flow([0.1], [1200.0], ["ok"], until_s=2.0, every_s=0.5)
    assert found.planned == (1, 0, 0, 0)
    assert found.waiting == (1, 1, 0, 0)
    assert found.answered == (0, 0, 1, 0)


def test_refused_failed_and_answered_are_counted_when_they_ended() -> None:
    found = flow(
        [0.0, 0.0, 0.0, 1.0],
        [10.0, 1100.0, 2100.0, 50.0],
        ["ok", "throttled", "error", "ok"],
        until_s=3.0,
        every_s=1.0,
    )
    assert found.answered == (1, 1, 0)
    assert found.throttled == (0, 1, 0)
    assert found.failed == (0, 0, 1)
    assert found.waiting == (2, 1, 0)


def test_a_timeout_waits_for_its_limit_and_without_one_to_the_end() -> None:
    assert flow([0.0], [None], ["timeout"], 4.0, 1.0, timeout_s=2.0).waiting == (1, 1, 0, 0)
    assert flow([0.0], [None], ["timeout"], 4.0, 1.0, timeout_s=2.0).failed == (0, 0, 1, 0)
    endless = flow([0.0], [None], ["timeout"], 3.0, 1.0)
    assert endless.waiting == (1, 1, 1)
    assert endless.failed == (0, 0, 0)


def test_what_was_dropped_or_lost_waits_nowhere() -> None:
    found = flow([0.2, 1.2], [None, None], ["dropped", "error"], 2.0, 1.0)
    assert found.waiting == (0, 0)
    assert found.failed == (1, 1)


def test_what_ends_after_the_last_step_waits_in_all_before() -> None:
    found = flow([0.5], [60_000.0], ["ok"], 2.0, 1.0)
    assert found.waiting == (1, 1)
    assert found.answered == (0, 0)


def test_a_flow_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="no steps"):
        flow([], [], [], 0.0, 1.0)


requests = st.tuples(
    st.floats(0, 9.99),
    st.one_of(st.none(), st.floats(0, 20_000)),
    st.sampled_from(["ok", "throttled", "error", "timeout", "dropped"]),
)


@given(st.lists(requests, max_size=60), st.floats(0.1, 3))
def test_everybody_is_counted_once_and_the_queue_is_what_came_less_what_ended(
    sent: list[tuple[float, float | None, str]], every_s: float
) -> None:
    planned = [at for at, _, _ in sent]
    latency = [None if end in ("timeout", "dropped") else ms for _, ms, end in sent]
    status = [end for _, ms, end in sent]
    found = flow(planned, latency, status, 10.0, every_s, timeout_s=5.0)
    assert sum(found.planned) == len(sent)
    for step, waiting in enumerate(found.waiting):
        edge = step + 1
        by_hand = 0
        for at, ms, end in zip(planned, latency, status, strict=True):
            over = at + ms / 1000 if ms is not None else at + 5.0 if end == "timeout" else None
            if over is not None and int(at / every_s) < edge <= int(over / every_s):
                by_hand += 1
        assert waiting == by_hand
    assert math.isclose(found.every_s, every_s)
