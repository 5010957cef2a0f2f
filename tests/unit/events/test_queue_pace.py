"""How many batches run at once: five at first, more with the backlog, fewer with failures, never beyond the maximum."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.events.queue_pace import MOST, START, Pace


def test_it_grows_by_three_hundred_a_minute_while_there_are_messages() -> None:
    pace = Pace(None, 0.0)
    assert pace.limit == START
    for second in range(1, 61):
        pace.read(float(second), found=True)
    assert pace.limit == START + 300
    for second in range(61, 600):
        pace.read(float(second), found=True)
    assert pace.limit == MOST


def test_it_falls_back_when_there_are_none() -> None:
    pace = Pace(None, 0.0)
    for second in range(1, 30):
        pace.read(float(second), found=True)
    for second in range(30, 80):
        pace.read(float(second), found=False)
    assert pace.limit == START


def test_time_without_reading_is_not_made_up_for() -> None:
    pace = Pace(None, 0.0)
    pace.read(3600.0, found=True)
    assert pace.limit == START + 5


def test_failures_take_it_down_to_one_and_success_brings_it_back() -> None:
    pace = Pace(None, 0.0)
    for _ in range(20):
        pace.failed()
    assert pace.limit == 1
    pace.read(1.0, found=True)
    assert pace.limit == 6


@settings(max_examples=50)
@given(
    st.none() | st.integers(2, 1000),
    st.lists(st.tuples(st.floats(0, 100), st.sampled_from(["found", "none", "failed"])), max_size=40),
)
def test_it_stays_between_one_and_the_mappings_maximum(most: int | None, steps: list[tuple[float, str]]) -> None:
    pace, now = Pace(most, 0.0), 0.0
    for passed, what in steps:
        now += passed
        if what == "failed":
            pace.failed()
        else:
            pace.read(now, found=what == "found")
        assert 1 <= pace.limit <= (most or MOST)
