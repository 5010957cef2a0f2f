"""Schedules: the right number of arrivals, at the right times, the same for the same seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import WorkbenchError
from workbench.load import Schedule, burst, constant, named, poisson, ramp, step
from workbench.load.schedule import MAX_DURATION_S, MAX_RATE_PER_S, MAX_REQUESTS


def test_constant_is_evenly_spaced_from_zero() -> None:
    found = constant(10, 1)
    assert found.planned_s == pytest.approx([k / 10 for k in range(10)])
    assert found.seed is None
    assert len(constant(0.1 + 0.2, 10)) == 3


def test_poisson_gaps_are_exponential() -> None:
    found = poisson(200, 50, seed=1)
    gaps = np.diff(found.planned_s)
    assert abs(len(found) - 10_000) < 5 * math.sqrt(10_000)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 200)).pvalue > 0.001


def test_the_same_seed_draws_the_same_arrivals() -> None:
    assert poisson(50, 5, seed=3) == poisson(50, 5, seed=3)
    assert poisson(50, 5, seed=3) != poisson(50, 5, seed=4)


def test_a_ramp_without_seed_inverts_its_integral() -> None:
    # The rate 10·t has the integral 5·t², which reaches k at √(k/5).
    found = ramp(0, 100, 10, seed=None)
    assert len(found) == 500
    assert found.planned_s == pytest.approx([math.sqrt(k / 5) for k in range(500)])
    falling = ramp(100, 0, 10, seed=None)
    assert len(falling) == 500
    assert falling.planned_s[-1] < 10


def test_a_seeded_ramp_has_its_arrivals_where_the_rate_is() -> None:
    found = ramp(0, 200, 20, seed=7)
    first_half = sum(at < 10 for at in found.planned_s)
    assert abs(first_half / len(found) - 0.25) < 0.05


def test_steps_and_bursts_count_by_stretch() -> None:
    found = step((10, 30), 2, seed=None)
    assert sum(at < 2 for at in found.planned_s) == 20
    assert sum(at >= 2 for at in found.planned_s) == 60
    found = burst(5, 100, before_s=2, burst_s=1, after_s=2, seed=None)
    assert [sum(low <= at < high for at in found.planned_s) for low, high in ((0, 2), (2, 3), (3, 5))] == [10, 100, 10]
    assert len(burst(0, 50, before_s=0, burst_s=1, seed=None)) == 50


@pytest.mark.parametrize("arrivals", ["constant", "poisson", "ramp", "step", "burst"])
def test_every_name_peaks_at_its_rate(arrivals: str) -> None:
    found = named(arrivals, 40, 6, seed=2)
    assert found.kind == arrivals
    assert found.peak_per_s == 40
    assert found.duration_s == pytest.approx(6)
    assert found.planned_s


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(WorkbenchError, match=r"constant, poisson, ramp, step, burst or azure.*FILE\.csv"):
        named("uniform", 1, 1)


RATES = st.floats(0, 500)
SECONDS = st.floats(0.01, 5)


@given(st.lists(RATES, min_size=1, max_size=4), SECONDS, st.one_of(st.none(), st.integers(0, 2**32)))
def test_arrivals_rise_within_the_schedule(rates: list[float], each_s: float, seed: int | None) -> None:
    if max(rates) == 0:
        rates[0] = 1.0
    found = step(rates, each_s, seed)
    assert all(a <= b for a, b in zip(found.planned_s, found.planned_s[1:], strict=False))
    assert all(0 <= at <= found.duration_s * (1 + 1e-12) for at in found.planned_s)
    if seed is None:
        assert abs(len(found) - sum(rates) * each_s) <= 1


@given(RATES, RATES, SECONDS)
def test_an_even_ramp_has_the_area_under_it(start: float, end: float, seconds: float) -> None:
    if max(start, end) == 0:
        end = 1.0
    found = ramp(start, end, seconds, seed=None)
    assert abs(len(found) - (start + end) / 2 * seconds) <= 1
    assert list(found.planned_s) == sorted(found.planned_s)


@pytest.mark.parametrize(
    "make",
    [
        lambda: constant(0, 1),
        lambda: constant(-5, 1),
        lambda: constant(math.nan, 1),
        lambda: constant(math.inf, 1),
        lambda: constant(MAX_RATE_PER_S + 1, 1),
        lambda: constant(1, 0),
        lambda: constant(1, MAX_DURATION_S + 1),
        lambda: constant(MAX_REQUESTS / 100 + 10, 100),
        lambda: ramp(-1, 10, 1),
        lambda: step((), 1),
        lambda: step((10, -1), 1),
    ],
)
def test_out_of_bounds_is_refused_before_anything_is_drawn(make: object) -> None:
    assert callable(make)
    with pytest.raises(WorkbenchError):
        make()


def test_a_schedule_knows_its_size() -> None:
    assert len(Schedule("constant", (0.0, 1.0), 2, 1, None)) == 2
