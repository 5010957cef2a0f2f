"""Statistics against closed forms, scipy and numpy, and by the coverage they claim."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.statistics import (
    FEWEST_FOR_VERDICT,
    bootstrap_ratio,
    difference,
    interval,
    percentile,
    ranks,
    summary,
    verdict,
)

SAMPLES = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=60)


@given(samples=SAMPLES, q=st.one_of(st.just(0.0), st.floats(min_value=1, max_value=100)))
def test_percentile_is_numpys(samples: list[float], q: float) -> None:
    assert percentile(samples, q) == pytest.approx(float(np.percentile(samples, q)), rel=1e-9, abs=1e-6)


def test_percentile_closed_forms() -> None:
    assert percentile([3, 1, 2], 50) == 2
    assert percentile([1, 2], 50) == 1.5
    assert percentile([7], 99) == 7
    assert percentile(range(101), 95) == 95
    assert percentile([5, 1, 9], 0) == 1
    assert percentile([5, 1, 9], 100) == 9


@pytest.mark.parametrize(("samples", "q"), [([], 50), ([1.0], -1), ([1.0], 101), ([1.0], 0.95)])
def test_percentile_refuses_what_makes_no_sense(samples: list[float], q: float) -> None:
    with pytest.raises(ValueError):
        percentile(samples, q)


def test_a_fraction_is_refused_with_the_number_to_write() -> None:
    with pytest.raises(ValueError, match="write 95"):
        percentile([1.0, 2.0], 0.95)


@given(
    n=st.integers(1, 3000),
    q=st.sampled_from([5, 25, 50, 90, 95, 99, 99.9]),
    confidence=st.sampled_from([0.8, 0.95, 0.99]),
)
def test_ranks_are_the_tightest_that_keep_each_tail(n: int, q: float, confidence: float) -> None:
    low, high = ranks(n, q, confidence)
    tail, below = (1 - confidence) / 2, stats.binom(n, q / 100)
    just = tail * (1 - 1e-9)  # a tie may fall to either side of the last bit
    if low is None:
        assert below.cdf(0) > just  # even the smallest sample is too often above the percentile
    else:
        assert below.cdf(low - 1) <= tail
        assert below.cdf(low) > just
    if high is None:
        assert below.sf(n - 1) > just
    else:
        assert below.sf(high - 1) <= tail
        assert high == 1 or below.sf(high - 2) > just


def test_ranks_known_from_tables() -> None:
    # Sign-test intervals of the median, as printed in textbooks: n = 10 → 2 and 9, n = 20 → 6 and 15.
    assert ranks(10, 50) == (2, 9)
    assert ranks(20, 50) == (6, 15)
    assert ranks(5, 50) == (None, None)
    assert ranks(6, 50) == (1, 6)
    assert ranks(367, 99)[1] is None
    assert ranks(368, 99)[1] == 368


def test_ranks_agree_with_scipys_quantile_test() -> None:
    rng = np.random.default_rng(5)
    for n, q in ((30, 50), (200, 95), (1000, 99)):
        samples = rng.lognormal(size=n)
        theirs = stats.quantile_test(samples, q=0, p=q / 100).confidence_interval(0.95)
        low, high = interval(samples.tolist(), q)
        ordered = np.sort(samples)
        # scipy may be one rank off the tightest choice; never further.
        assert low is not None
        assert high is not None
        assert abs(int(np.searchsorted(ordered, low)) - int(np.searchsorted(ordered, theirs.low))) <= 1
        assert abs(int(np.searchsorted(ordered, high)) - int(np.searchsorted(ordered, theirs.high))) <= 1


@pytest.mark.parametrize(("stat", "q"), [("median", 50), (90, 90)])
@pytest.mark.parametrize(("ours", "combined"), [(difference, np.subtract), (bootstrap_ratio, np.divide)])
def test_bootstrap_intervals_are_scipys(stat: str | float, q: float, ours: Any, combined: Any) -> None:
    rng = np.random.default_rng(11)
    a, b = rng.lognormal(1.0, 0.5, 60), rng.lognormal(0.0, 0.5, 45)

    def statistic(x: Any, y: Any, axis: int) -> Any:
        return combined(np.percentile(x, q, axis=axis), np.percentile(y, q, axis=axis))

    theirs = stats.bootstrap(
        (a, b), statistic, paired=False, vectorized=True, method="percentile", n_resamples=9999, rng=rng
    ).confidence_interval
    found = ours(a.tolist(), b.tolist(), stat)
    chance = 0.12 * (theirs.high - theirs.low)  # the ends of two sets of resamples differ by their own error
    assert found.low == pytest.approx(theirs.low, abs=chance)
    assert found.high == pytest.approx(theirs.high, abs=chance)


def test_bootstrap_mean_difference_is_near_welch() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(10, 2, 200), rng.normal(9, 1, 150)
    found = difference(a.tolist(), b.tolist(), "mean")
    welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.low == pytest.approx(welch.low, abs=0.05)
    assert found.high == pytest.approx(welch.high, abs=0.05)


def test_bootstrap_is_seeded_and_takes_any_statistic() -> None:
    a, b = [1.0, 2, 3, 4, 9], [2.0, 3, 5, 8, 9]
    assert bootstrap_ratio(a, b, seed=4) == bootstrap_ratio(a, b, seed=4)
    assert bootstrap_ratio(a, b, "p50") == bootstrap_ratio(a, b, 50) == bootstrap_ratio(a, b, "median")
    assert bootstrap_ratio(a, b, max).value == 1.0
    with pytest.raises(ValueError, match="no statistic"):
        bootstrap_ratio(a, b, "medain")
    with pytest.raises(ValueError, match="zero"):
        bootstrap_ratio(a, [0.0, 0.0])


def test_the_two_sides_are_resampled_apart() -> None:
    same = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert bootstrap_ratio(same, same).low < 1 < bootstrap_ratio(same, same).high
    assert difference(same, same, "mean").low < 0 < difference(same, same, "mean").high


def test_bootstrap_of_many_samples_stays_in_bounded_memory_blocks() -> None:
    samples = np.random.default_rng(0).normal(100, 1, 60_000).tolist()
    found = difference(samples, samples[:50], "mean")
    assert found.low < found.value < found.high


def test_verdict_names_a_side_only_when_sure() -> None:
    rng = np.random.default_rng(9)
    fast, slow = rng.normal(10, 1, 40).tolist(), rng.normal(20, 1, 40).tolist()
    assert verdict(fast, slow) == "faster"
    assert verdict(slow, fast) == "slower"
    assert verdict(fast, fast) == "inside the noise"
    assert verdict(fast[: FEWEST_FOR_VERDICT - 1], slow) == "inside the noise"


def test_verdict_cries_wolf_rarely() -> None:
    rng = np.random.default_rng(17)
    wrong = sum(
        verdict(rng.exponential(5, 30).tolist(), rng.exponential(5, 30).tolist(), seed=trial) != "inside the noise"
        for trial in range(80)
    )
    assert wrong / 80 <= 0.11


def test_summary_is_json_and_says_what_is_not_bounded() -> None:
    facts = summary([1.0, 2.0, 3.0])
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["n"] == 3
    assert facts["p50"] == 2
    assert facts["ci95_p50"] == [None, None]


@given(samples=SAMPLES)
def test_summary_is_ordered(samples: list[float]) -> None:
    facts = summary(samples)
    assert facts["min"] <= facts["p50"] <= facts["p95"] <= facts["p99"] <= facts["max"]
    for q in (50, 95, 99):
        low, high = facts[f"ci95_p{q}"]
        assert low is None or low <= facts[f"p{q}"] + 1e-9
        assert high is None or high >= facts[f"p{q}"] - 1e-9


def test_importing_statistics_brings_in_neither_numpy_nor_scipy() -> None:
    code = "import sys, workbench.statistics; print([m for m in ('numpy', 'scipy') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
