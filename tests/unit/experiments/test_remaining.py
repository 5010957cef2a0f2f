"""What is left of a stage, by the steps done so far, on a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.experiments.remaining import Remaining, in_words


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_mean_of_the_steps_done_is_what_the_others_are_taken_to_cost(clock: Clock) -> None:
    left = Remaining(clock)
    for done in range(3):
        left.update(done, 10)
        clock.now += 2 + 2 * done  # 2 s, then 4 s; the third step has run for 6
    assert left.seconds() == pytest.approx(7 * 3)  # it is late: 7 more after it, of 3 s each
    assert left.said() == "about 20 s left"


def test_it_counts_down_while_a_step_runs(clock: Clock) -> None:
    left = Remaining(clock)
    for done in range(3):
        left.update(done, 4)
        clock.now += 10
    clock.now -= 10
    assert left.seconds() == pytest.approx(20)
    clock.now += 4
    assert left.seconds() == pytest.approx(16)


def test_one_step_tells_nothing_and_the_last_leaves_nothing(clock: Clock) -> None:
    left = Remaining(clock)
    for done, said in ((0, None), (1, None), (2, 1.0), (3, 0.0)):
        left.update(done, 3)
        assert left.seconds() == said
        clock.now += 1
    assert left.said() == ""
    assert left.elapsed_s() == 3
    clock.now += 60
    assert left.elapsed_s() == 3


def test_a_stage_that_begins_again_is_counted_anew(clock: Clock) -> None:
    left = Remaining(clock)
    for done in (0, 1, 2, 3, 0, 1):
        left.update(done, 3)
        clock.now += 1
    assert left.seconds() is None
    assert left.elapsed_s() == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "a few seconds left"),
        (8, "about 10 s left"),
        (42, "about 40 s left"),
        (58, "about 60 s left"),
        (103, "about 100 s left"),
        (171, "about 3 min left"),
    ],
)
def test_no_finer_than_it_is_good_for(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@given(st.lists(st.floats(0.001, 100), min_size=2, max_size=30), st.integers(1, 30))
def test_it_is_never_negative_and_falls_as_steps_are_done(took: list[float], more: int) -> None:
    clock = Clock()
    left, total = Remaining(clock), len(took) + more
    for done, seconds in enumerate(took):
        left.update(done, total)
        assert (left.seconds() or 0) >= 0
        clock.now += seconds
    left.update(len(took), total)
    assert left.seconds() == pytest.approx(more * sum(took) / len(took))
