"""Every interval holds the truth as often as it claims, on distributions that latencies have; by simulation, seeded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tests.unit.statistics.worlds import WORLDS, least, truth
from workbench.statistics import bootstrap_ratio, difference, drift, interval, ranks

TRIALS = 4000
BOOTSTRAPS = 250


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("n", "q"), [(6, 50), (10, 50), (60, 50), (100, 95), (500, 99)])
def test_an_order_statistic_interval_covers(world: str, n: int, q: float) -> None:
    draw, rng = WORLDS[world], np.random.default_rng(20)
    low, high = ranks(n, q)
    assert low is not None
    assert high is not None
    ordered = np.sort(draw(rng, (TRIALS, n)), axis=1)
    real = truth(draw, q)
    held = (ordered[:, low - 1] <= real + 1e-9) & (real - 1e-9 <= ordered[:, high - 1])
    assert held.mean() >= least(TRIALS)
    for row in ordered[:20]:  # the function takes those ranks, and may only widen them
        ends = interval(row.tolist(), q)
        assert ends[0] is not None
        assert ends[1] is not None
        assert ends[0] <= row[low - 1]
        assert ends[1] >= row[high - 1]


def test_an_order_statistic_interval_is_not_wider_than_it_need_be() -> None:
    # Without ties its coverage is exact: P(l <= B < u) for B binomial, from which it may differ by chance alone.
    rng, n = np.random.default_rng(21), 60
    low, high = ranks(n, 50)
    assert low is not None
    assert high is not None
    ordered = np.sort(rng.random((TRIALS, n)), axis=1)
    held = float(((ordered[:, low - 1] <= 0.5) & (ordered[:, high - 1] >= 0.5)).mean())
    exact = float(binom.cdf(high - 1, n, 0.5) - binom.cdf(low - 1, n, 0.5))
    assert 0.95 <= exact < 0.98
    assert abs(held - exact) <= 3.3 * (exact * (1 - exact) / TRIALS) ** 0.5


@pytest.mark.parametrize("n", [6, 25])
@pytest.mark.parametrize("world", WORLDS)
def test_a_bootstrap_ratio_and_difference_of_medians_cover(world: str, n: int) -> None:
    draw, rng = WORLDS[world], np.random.default_rng(22)
    median, ratios, differences = truth(draw, 50), 0, 0
    for trial in range(BOOTSTRAPS):
        slow, fast = (2 * draw(rng, n)).tolist(), draw(rng, n).tolist()
        ratio, apart = bootstrap_ratio(slow, fast, seed=trial), difference(slow, fast, seed=trial)
        ratios += ratio.low - 1e-9 <= 2 <= ratio.high + 1e-9
        differences += apart.low - 1e-9 <= median <= apart.high + 1e-9
    # A percentile bootstrap of few samples is only nearly exact: 94% is what is asked of it here.
    assert ratios / BOOTSTRAPS >= least(BOOTSTRAPS, 0.94)
    assert differences / BOOTSTRAPS >= least(BOOTSTRAPS, 0.94)


@pytest.mark.parametrize("real", [1.0, 1.2])
@pytest.mark.parametrize("world", WORLDS)
def test_the_drift_of_three_deployments_in_turn_is_covered(world: str, real: float) -> None:
    draw, rng, n, held = WORLDS[world], np.random.default_rng(23), 10, 0
    position = (np.arange(n)[:, None] * 3 + np.arange(3)) / (3 * n - 1)
    for _ in range(BOOTSTRAPS):
        series = draw(rng, (n, 3)) * np.array([1, 5, 40]) * real**position
        found = drift(series.T.tolist())
        assert found is not None
        held += found.low - 1e-9 <= real <= found.high + 1e-9
    assert held / BOOTSTRAPS >= least(BOOTSTRAPS, 0.94)
