"""Sample-size advice: closed forms where there are some, and else followed: the promised interval does get narrower."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.statistics.worlds import WORLDS
from workbench.statistics import (
    bootstrap_ratio,
    fewest_for_interval,
    interval,
    more_of_each_to_halve,
    more_to_halve,
    ranks,
)


@given(q=st.floats(1, 99.9), confidence=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_fewest_are_those_of_the_ranks(q: float, confidence: float) -> None:
    fewest = fewest_for_interval(q, confidence)
    assert None not in ranks(fewest, q, confidence)
    assert fewest == 1 or None in ranks(fewest - 1, q, confidence)


def test_the_fewest_known_from_tables() -> None:
    assert [fewest_for_interval(q) for q in (50, 95, 99)] == [6, 72, 368]


@pytest.mark.parametrize("q", [0, 100])
def test_an_end_is_bounded_by_no_number(q: float) -> None:
    with pytest.raises(ValueError, match="No number"):
        fewest_for_interval(q)


def test_without_an_interval_it_is_what_is_lacking() -> None:
    assert more_to_halve([1.0, 2.0], 50) == 4
    assert more_to_halve([1.0] * 100, 99) == 268


def test_equal_samples_need_no_more() -> None:
    assert more_to_halve([3.0] * 20) == 0
    assert more_of_each_to_halve([3.0] * 20, [4.0] * 20) == 0


def test_two_groups_at_the_middle_are_not_narrowed_by_more() -> None:
    # The median may be in the one group or in the other, and stays there for any number of samples.
    assert more_to_halve([1.0, 2.0] * 10) is None
    assert more_of_each_to_halve([1.0, 2.0] * 10, [1.0, 2.0] * 10) is None


def test_evenly_spread_samples_follow_the_root_law() -> None:
    # The interval of a median of n evenly spread samples is as wide as z / sqrt(n): half of it takes 4 n in all.
    more = more_to_halve([float(i) for i in range(400)])
    assert more is not None
    assert 1000 <= more <= 1400
    both = more_of_each_to_halve([100.0 + i for i in range(200)], [100.0 + i for i in range(200)])
    assert both is not None
    assert 400 <= both <= 800


def test_a_ratio_to_zero_gets_no_advice() -> None:
    assert more_of_each_to_halve([1.0, 2.0, 3.0] * 4, [0.0, 0.0, 1.0] * 4) is None


@pytest.mark.parametrize(("world", "q", "n"), [("lognormal", 50, 30), ("heavy", 50, 30), ("lognormal", 95, 200)])
def test_who_follows_the_advice_gets_about_half(world: str, q: float, n: int) -> None:
    draw, rng, became = WORLDS[world], np.random.default_rng(31), []
    for _ in range(60):
        before = draw(rng, n).tolist()
        more = more_to_halve(before, q)
        if more:
            was, now = interval(before, q), interval(draw(rng, n + more).tolist(), q)
            became.append((now[1] - now[0]) / (was[1] - was[0]))  # type: ignore[operator]
    assert len(became) >= 50
    # One set of samples knows its own interval only roughly, so a single promise may miss; the middle one does not.
    assert 0.35 <= float(np.median(became)) <= 0.65


def test_who_follows_the_advice_on_a_ratio_gets_about_half() -> None:
    draw, rng, became = WORLDS["lognormal"], np.random.default_rng(32), []
    for trial in range(30):
        a, b = draw(rng, 20).tolist(), draw(rng, 20).tolist()
        more = more_of_each_to_halve(a, b, seed=trial)
        if more:
            was = bootstrap_ratio(a, b, seed=trial)
            now = bootstrap_ratio(draw(rng, 20 + more).tolist(), draw(rng, 20 + more).tolist(), seed=trial)
            became.append(math.log(now.high / now.low) / math.log(was.high / was.low))
    assert len(became) >= 25
    assert 0.35 <= float(np.median(became)) <= 0.65
