"""The steps of a rolling update: they come to an end, and on the way never leave the bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.deployments.rollout import Pace, Step, next_step
from workbench.errors import DeploymentError


def steps(wanted: int, pace: Pace, old: int | None = None) -> list[Step]:
    new, left, made = 0, wanted if old is None else old, []
    while step := next_step(wanted, left, new, pace):
        made.append(step)
        new, left = new + step.start, left - step.stop
        assert len(made) < 1000
    assert (new, left) == (wanted, 0)
    return made


def test_one_more_then_one_less() -> None:
    assert steps(2, Pace(1, 0)) == [Step(start=1), Step(stop=1), Step(start=1), Step(stop=1)]


def test_without_surge_one_less_then_one_more() -> None:
    assert steps(2, Pace(0, 1)) == [Step(stop=1), Step(start=1), Step(stop=1), Step(start=1)]


def test_a_wide_pace_takes_few_steps() -> None:
    assert steps(8, Pace(8, 0)) == [Step(start=8), Step(stop=8)]


def test_from_nothing() -> None:
    assert steps(1, Pace(), old=0) == [Step(start=1)]


@given(st.integers(1, 20), st.integers(0, 5), st.integers(0, 5))
def test_never_above_the_surge_nor_below_what_must_serve(wanted: int, surge: int, unavailable: int) -> None:
    if surge + unavailable == 0:
        return
    new, old = 0, wanted
    for step in steps(wanted, Pace(surge, unavailable)):
        assert step.start + step.stop >= 1
        assert new + old + step.start <= wanted + surge
        new, old = new + step.start, old - step.stop
        assert new + old >= wanted - unavailable


@pytest.mark.parametrize(("surge", "unavailable"), [(0, 0), (-1, 2), (1, -1)])
def test_a_pace_that_makes_no_step_is_refused(surge: int, unavailable: int) -> None:
    with pytest.raises(DeploymentError, match="surge"):
        Pace(surge, unavailable)
