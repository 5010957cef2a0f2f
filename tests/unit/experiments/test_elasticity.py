"""SPEC RG's elasticity metrics against examples worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.experiments.elasticity import Elasticity, demand, elasticity


def test_a_supply_that_follows_at_once_is_perfect() -> None:
    stairs = [[0, 1], [5, 3], [8, 1]]
    assert elasticity(stairs, stairs, 10) == Elasticity(0, 0, 0, 0, 10)


def test_a_late_supply_is_under_and_a_lingering_one_over() -> None:
    # Ten seconds. From 2 to 4 s four are needed and one is there: 3/4 missing for 2 s. From 6 to 10 s one is needed
    # and four are there: three too many, in shares of the demand, for 4 s.
    found = elasticity([[0, 1], [2, 4], [6, 1]], [[0, 1], [4, 4]], 10)
    assert found.under_accuracy == pytest.approx(100 * (3 / 4 * 2) / 10)  # 15 %
    assert found.over_accuracy == pytest.approx(100 * (3 / 1 * 4) / 10)  # 120 %
    assert found.under_timeshare == pytest.approx(20)
    assert found.over_timeshare == pytest.approx(40)


def test_where_nothing_is_needed_what_is_there_counts_in_whole_instances() -> None:
    found = elasticity([[0, 0], [5, 2]], [[0, 2]], 10)
    assert (found.over_accuracy, found.over_timeshare) == (100.0, 50.0)
    assert (found.under_accuracy, found.under_timeshare) == (0, 0)


def test_what_lies_after_the_end_is_not_looked_at() -> None:
    assert elasticity([[0, 1], [20, 9]], [[0, 1]], 10) == Elasticity(0, 0, 0, 0, 10)


def test_the_speedup_is_the_geometric_mean_of_the_four_ratios() -> None:
    better, worse = Elasticity(5, 10, 10, 20, 60), Elasticity(10, 20, 20, 40, 60)
    assert better.against(worse) == pytest.approx(2)
    assert worse.against(better) == pytest.approx(0.5)
    # 0 % is no divisor: it counts as one percent. (8/1 · 1 · 1 · 2/1)^(1/4)
    assert Elasticity(0, 1, 1, 1, 60).against(Elasticity(8, 0, 1, 2, 60)) == pytest.approx(2)


def test_demand_is_littles_law_in_whole_instances() -> None:
    # 10 requests in the first second, each 0.25 s long: 2.5 at a time on average, so three instances; then none.
    planned = [k / 10 for k in range(10)]
    assert demand(planned, 0.25, 2.0) == [[0.0, 3.0], [1.0, 0.0]]
    assert demand(planned, 0.25, 2.0, at_once=4) == [[0.0, 1.0], [1.0, 0.0]]
    assert demand(planned, 0.3, 2.0)[0] == [0.0, 3.0]  # exactly three, whatever floating point says


@pytest.mark.parametrize("stairs", [[], [[1, 1]], [[0, 1], [2, 1], [1, 1]]])
def test_what_is_no_stairs_is_refused(stairs: list[list[float]]) -> None:
    with pytest.raises(WorkbenchError, match="begin at 0"):
        elasticity(stairs, [[0, 1]], 10)
    with pytest.raises(WorkbenchError, match="begin at 0"):
        elasticity([[0, 1]], stairs, 10)
    with pytest.raises(WorkbenchError, match="above 0"):
        demand([0.0], 0.0, 1.0)


steps = st.lists(st.tuples(st.floats(0.01, 30), st.integers(0, 20)), max_size=8).map(
    lambda drawn: [[0.0, 1.0], *([at, float(n)] for at, n in sorted(drawn))]
)


@given(steps, steps, st.floats(1, 30))
def test_shares_of_time_stay_shares_and_trading_places_trades_under_for_over(
    demanded: list[list[float]], supplied: list[list[float]], until_s: float
) -> None:
    found, other = elasticity(demanded, supplied, until_s), elasticity(supplied, demanded, until_s)
    assert 0 <= found.under_timeshare + found.over_timeshare <= 100 + 1e-6
    assert found.under_accuracy <= found.under_timeshare + 1e-6  # never more than all is missing
    assert found.under_timeshare == pytest.approx(other.over_timeshare)
    assert (found.under_accuracy > 0) == (found.under_timeshare > 0)
