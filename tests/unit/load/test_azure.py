"""Azure-like arrivals: they have the shares that were published, on average the rate asked, and a day's course."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.load import azure_like
from workbench.load.azure import BURSTY_CV, CONSTANT_SHARE, _renewals, app_rates, rate_distribution
from workbench.load.plan import plan


@settings(deadline=None, max_examples=40)
@given(st.floats(1, 400), st.floats(1, 30), st.integers(1, 60), st.floats(1, 200), st.integers(0, 2**32))
def test_arrivals_rise_within_the_load_and_come_again_with_the_seed(
    rate: float, duration_s: float, apps: int, day_s: float, seed: int
) -> None:
    try:
        found = azure_like(rate, duration_s, apps=apps, day_s=day_s, seed=seed)
    except WorkbenchError:  # no arrival by chance; of more than a few, hypothesis complains
        reject()
    planned = np.array(found.planned_s)
    assert np.all(np.diff(planned) >= 0)
    assert 0 <= planned[0] <= planned[-1] <= duration_s
    assert azure_like(rate, duration_s, apps=apps, day_s=day_s, seed=seed) == found
    assert found.kind == "azure"
    assert "modelled after Shahrad" in found.source


def test_applications_have_the_published_rates() -> None:
    mean, deviation = rate_distribution()
    law = NormalDist(mean, deviation)
    assert law.cdf(math.log(1 / 3600)) == pytest.approx(0.45)
    assert law.cdf(math.log(1 / 60)) == pytest.approx(0.81)
    # Published and not fitted: the most invoked 18.6% make 99.6% of all invocations. Of a log-normal it is closed form.
    share = NormalDist().cdf(deviation - NormalDist().inv_cdf(1 - 0.186))
    assert share == pytest.approx(0.996, abs=0.005)
    drawn = np.sort(app_rates(20_000, np.random.default_rng(1)))
    assert (drawn <= 1 / 3600).mean() == pytest.approx(0.45, abs=0.015)
    assert (drawn <= 1 / 60).mean() == pytest.approx(0.81, abs=0.015)


def test_on_average_the_rate_is_the_one_asked_and_follows_the_day() -> None:
    duration_s, rate, seeds, quarters = 8.0, 200.0, 150, 4
    counts = np.zeros(quarters)
    for seed in range(seeds):
        counts += np.histogram(azure_like(rate, duration_s, seed=seed).planned_s, quarters, (0, duration_s))[0]
    assert counts.sum() / seeds / duration_s == pytest.approx(rate, rel=0.02)
    # The integral of 1 − (1 − constant) · cos over the quiet half of a day and over the busy one.
    swing = (1 - CONSTANT_SHARE) * 2 / math.pi
    quiet = counts[0] + counts[-1]
    assert quiet / counts.sum() == pytest.approx((1 - swing) / 2, rel=0.03)


@pytest.mark.parametrize("cv", [1.0, BURSTY_CV])
def test_intervals_vary_as_stated_and_the_process_is_stationary(cv: float) -> None:
    rng, mean = np.random.default_rng(7), 40.0
    runs = [_renewals(mean, cv, rng) for _ in range(1500)]
    assert np.mean([len(run) for run in runs]) == pytest.approx(mean, rel=0.05)
    # As many in the first tenth as in any other: a process that begins with a point at 0 would have more there.
    assert np.mean([(run < 0.1).sum() for run in runs]) == pytest.approx(mean / 10, rel=0.1)
    # One long run: in short ones the long intervals are cut off.
    intervals = np.diff(_renewals(60_000.0, cv, rng))
    assert intervals.std() / intervals.mean() == pytest.approx(cv, rel=0.06)


def test_out_of_bounds_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="rate"):
        azure_like(1e6, 10)
    with pytest.raises(WorkbenchError, match="applications"):
        azure_like(10, 10, apps=0)
    with pytest.raises(WorkbenchError, match="day"):
        azure_like(10, 10, day_s=0)
    with pytest.raises(WorkbenchError, match="No arrival"):
        azure_like(1e-6, 1)


def test_a_command_names_them() -> None:
    assert plan("azure", 100, 2, seed=3) == azure_like(100, 2, seed=3)
