"""The bracket of an idle expiry holds it, whatever the times; the search ends within the bound that it states."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.experiments.bracket import Bracket, Try, bracket, next_gap, worst_s

SHORTEST, LONGEST, RESOLUTION = 1.0, 900.0, 1.0


def search(gone: Callable[[float], bool], late: random.Random, at_once: int = 3) -> tuple[list[Try], float]:
    """All tries of a probe at a platform where an instance idle for t seconds is `gone(t)`, and the time waited."""
    tries: list[Try] = []
    waited = 0.0
    while (gap := next_gap(tries, SHORTEST, LONGEST, RESOLUTION)) is not None:
        waited += gap
        assert len(tries) < 200, tries
        for _ in range(at_once):
            before, after, more = (late.uniform(0, 0.3) for _ in range(3))  # not seen from outside
            tries.append(Try(gap, gap + more, gap + more + before + after, gone(gap + more + before)))
    return tries, waited


@given(st.floats(0.1, 2000), st.integers())
def test_a_fixed_expiry_lies_in_the_bracket_and_is_found_in_the_time_that_was_told(expiry: float, seed: int) -> None:
    tries, waited = search(lambda idle: idle >= expiry, random.Random(seed))
    found = bracket(tries)
    assert found.low_s <= expiry
    assert not found.varies
    if expiry <= LONGEST:
        assert found.high_s is not None
        assert found.low_s < expiry <= found.high_s
        assert found.high_s - found.low_s <= RESOLUTION + 0.9  # what each wait is uncertain by comes on top
    assert waited <= worst_s(SHORTEST, LONGEST, RESOLUTION)


def test_what_never_expires_has_no_upper_end() -> None:
    tries, _ = search(lambda idle: False, random.Random(1))
    found = bracket(tries)
    assert found.high_s is None
    assert found.low_s >= LONGEST
    assert tries[-1].gap_s == LONGEST


def test_a_platform_that_decides_by_chance_is_found_out() -> None:
    chance = random.Random(7)
    tries, _ = search(lambda idle: idle > chance.uniform(20, 60), random.Random(2))
    found = bracket(tries)
    assert found.varies
    assert found.high_s is not None
    # By chance the ends lie inside the true range or at it, never beyond what was tried.
    assert 10 <= found.low_s < found.high_s <= 70
    warm, cold = ([t.idle_s for t in tries if t.cold is outcome] for outcome in (False, True))
    assert max(warm) > min(cold)


def test_an_overlap_within_the_uncertainty_is_no_variation() -> None:
    tries = [Try(2, 2.00, 2.10, True), Try(2, 2.05, 2.06, False), Try(1, 1.0, 1.1, False)]
    assert bracket(tries) == Bracket(2.05, 2.10, False)


def test_what_could_not_be_confirmed_counts_neither_way() -> None:
    tries = [Try(1, 1.0, 1.1, False), Try(2, 2.0, 2.1, None), Try(4, 4.0, 4.1, True)]
    assert bracket(tries) == Bracket(1.0, 4.1, False)


@pytest.mark.parametrize("gap", [1.0, 450.0, 900.0])
def test_waits_that_are_never_confirmed_end_the_search(gap: float) -> None:
    tries: list[Try] = []
    while (step := next_gap(tries, gap, LONGEST, RESOLUTION)) is not None:
        tries.append(Try(step, step, step, None))
        assert len(tries) <= 12
    assert tries[-1].gap_s == LONGEST
