"""Drift: found where there is one, of the size that it has, and not where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.statistics import drift

STEADY = [10.0, 11.0, 9.5, 10.2, 10.8, 9.9, 10.1, 10.6]


def test_one_series_is_scipys_theil_sen_line_through_the_logarithms() -> None:
    values = np.random.default_rng(1).lognormal(3, 0.3, 25)
    theirs = stats.theilslopes(np.log(values), np.linspace(0, 1, 25), alpha=0.95)
    ours = drift([values.tolist()])
    assert ours is not None
    assert (ours.value, ours.low, ours.high) == pytest.approx(tuple(math.exp(theirs[i]) for i in (0, 2, 3)))


@given(real=st.floats(0.2, 5), n=st.integers(6, 30))
def test_a_drift_without_noise_is_found_exactly(real: float, n: int) -> None:
    found = drift([[7 * real ** (i / (n - 1)) for i in range(n)]])
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((real, real, real))


def test_what_is_taken_in_turn_may_be_of_any_size() -> None:
    fast, slow = [x * 1.01**i for i, x in enumerate(STEADY)], [90 * x * 1.01**i for i, x in enumerate(STEADY)]
    alone, together = drift([fast]), drift([fast, slow])
    assert alone is not None
    assert together is not None
    assert together.high - together.low < alone.high - alone.low


def test_one_outlier_is_no_drift() -> None:
    steady, spiked = drift([STEADY]), drift([[*STEADY[:-1], 900.0]])
    assert steady is not None
    assert spiked is not None
    assert spiked.low < 1 < spiked.high
    assert spiked.value == pytest.approx(steady.value, abs=0.1)


def test_time_counts_as_it_was_taken() -> None:
    # As much change in the last hundredth of the time as in all before: a line through times tells them from turns.
    values = [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    by_turn = drift([values])
    by_time = drift([values], [[0, 1, 2, 3, 4, 400, 401, 402]])
    assert by_turn is not None
    assert by_time is not None
    assert by_time.value == pytest.approx(2, rel=0.01)
    assert by_turn.value != pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("series", [[], [[]], [[1.0] * 5], [[0.0] * 9], [[-1.0] + [1.0] * 9]])
def test_where_nothing_can_be_said_nothing_is(series: list[list[float]]) -> None:
    assert drift(series) is None


def test_no_time_no_drift() -> None:
    assert drift([STEADY], [[3.0] * len(STEADY)]) is None


def test_a_series_too_short_does_not_spoil_the_others() -> None:
    alone = drift([STEADY], [range(8)])
    assert drift([STEADY, [1.0]], [range(8), [3.0]]) == alone


def test_of_many_samples_the_same_is_found() -> None:
    rng = np.random.default_rng(2)
    values = rng.lognormal(0, 0.2, 20_000) * 1.5 ** np.linspace(0, 1, 20_000)
    found = drift([values.tolist()])
    assert found is not None
    assert found.low <= 1.5 <= found.high
    assert found.high - found.low < 0.05


@given(st.lists(st.floats(1e-6, 1e9), min_size=6, max_size=40))
def test_any_durations_give_an_ordered_interval(values: list[float]) -> None:
    found = drift([values])
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high < math.inf
