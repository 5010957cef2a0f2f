"""The share of cold requests: what counts as cold, the interval, the model, and what is refused."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DeploymentError
from workbench.experiments import cold_share
from workbench.experiments.cold_share import _confirmed, _row, modelled_share
from workbench.experiments.shares import share_interval
from workbench.load import LoadResult, constant, poisson
from workbench.load.result import Status


def result(*answers: tuple[str, bool, Status]) -> LoadResult:
    """A load whose requests were answered so: instance, said to be cold, status."""
    n = len(answers)
    return LoadResult(
        tuple(float(i) for i in range(n)),
        (1.0,) * n,
        tuple(status for _, _, status in answers),
        tuple(name for name, _, _ in answers),
        ("",) * n,
        tuple(cold for _, cold, _ in answers),
        (0.0,) * n,
        0.0,
    )


def test_a_cold_request_is_one_whose_instance_started_for_it_alone() -> None:
    answers: list[tuple[str, bool, Status]] = [
        ("a", True, "ok"),  # the first, which nothing came before, is left out
        ("a", False, "ok"),
        ("b", True, "ok"),
        ("c", True, "ok"),
        ("c", True, "ok"),  # two claim the start of one instance: neither is believed
        ("d", True, "error"),
        ("", False, "timeout"),
        ("b", False, "ok"),
    ]
    assert _confirmed(result(*answers)) == [False, True, None, None, None, None, False]
    row = _row(2.0, constant(2, 4), result(*answers), None)
    assert (row["cold"], row["of"], row["unconfirmed"]) == (1, 3, 4)
    assert row["ci95"] == list(share_interval(1, 3))
    assert row["modelled_share"] is row["drawn_share"] is None


def test_the_model_stands_beside_the_measured_share_with_both_ends_of_a_bracket() -> None:
    schedule = poisson(2, 100, seed=3)
    row = _row(2.0, schedule, result(("a", True, "ok"), ("a", False, "ok")), (0.5, 1.0))
    assert row["modelled_share"] == [math.exp(-2), math.exp(-1)]
    gaps = [b - a for a, b in zip(schedule.planned_s, schedule.planned_s[1:], strict=False)]
    assert row["drawn_share"] == sum(gap > 0.75 for gap in gaps) / len(gaps)


@given(st.floats(0.1, 5), st.floats(0.1, 5), st.integers(0, 2**32))
@settings(max_examples=25)
def test_the_model_agrees_with_a_simulated_instance(rate: float, expiry: float, seed: int) -> None:
    draw, n = random.Random(seed), 4000
    cold = sum(draw.expovariate(rate) > expiry for _ in range(n))
    # Of 25 examples none is expected outside an interval that holds in all but 1 of 10 million cases.
    low, high = share_interval(cold, n, 1 - 1e-7)
    assert low <= modelled_share(rate, expiry) <= high


@pytest.mark.parametrize(("happened", "of"), [(0, 10), (3, 10), (10, 10), (1, 400)])
def test_the_interval_is_clopper_and_pearsons(happened: int, of: int) -> None:
    from scipy.stats import beta  # its closed form by quantiles of the beta distribution

    low, high = share_interval(happened, of)
    assert low == pytest.approx(0.0 if not happened else beta.ppf(0.025, happened, of - happened + 1))
    assert high == pytest.approx(1.0 if happened == of else beta.ppf(0.975, happened + 1, of - happened))


def test_no_tries_have_no_share() -> None:
    with pytest.raises(ValueError, match="no tries"):
        share_interval(0, 0)


@pytest.mark.parametrize(
    ("rates", "requests", "why"),
    [((), 20, "Choose 1 to"), ((1, 1), 20, "different"), ((0,), 20, "above 0"), ((1,), 9, "10 requests"),
     ((0.01,), 20, "take 2000 s")],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_before_anything_is_deployed(
    make: Any, rates: tuple[float, ...], requests: int, why: str
) -> None:
    deployment = make()
    with pytest.raises(DeploymentError, match=why):
        cold_share(deployment, rates, requests=requests)
    assert deployment.neighbours == []
