"""The autoscaler's algorithm: cases of Kubernetes' documentation, and what must hold whatever the metric does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.deployments.hpa import (
    SCALE_DOWN,
    SCALE_UP,
    Behaviour,
    Memory,
    Policy,
    Rules,
    Unit,
    decide,
    formula,
)
from workbench.errors import DeploymentError

AT_ONCE = Behaviour(0.0, (Policy(Unit.PERCENT, 100, 15.0),))


@pytest.mark.parametrize(
    ("current", "metric", "target", "wanted"),
    [
        (1, 200.0, 100.0, 2),  # the documentation's own: twice the metric, twice the number
        (2, 50.0, 100.0, 1),  # and half of it, half
        (3, 0.2, 0.1, 6),
        (4, 108.0, 100.0, 4),  # within the tolerance
        (4, 110.0, 100.0, 4),
        (4, 112.0, 100.0, 5),
        (10, 91.0, 100.0, 10),
        (10, 89.0, 100.0, 9),
        (5, 0.0, 100.0, 0),
        (1, 101.0, 10.0, 11),
    ],
)
def test_the_formula(current: int, metric: float, target: float, wanted: int) -> None:
    assert formula(current, metric, target) == wanted


def run(rules: Rules, start: int, metrics: list[float | None], every_s: float = 15.0) -> list[int]:
    """The numbers that follow from these metrics, one in each sync period."""
    memory, number, numbers = Memory(), start, []
    for index, metric in enumerate(metrics):
        decision = decide(rules, memory, index * every_s, number, metric)
        memory, number = decision.memory, decision.number
        numbers.append(number)
    return numbers


def test_up_by_the_wider_of_two_policies_in_each_period() -> None:
    # From 1: 4 more (wider than 100%), then 100% (wider than 4), then to the most.
    assert run(Rules(1.0, most=30), 1, [100.0, 100.0, 100.0, 100.0]) == [5, 10, 20, 30]


def test_a_policy_counts_what_was_changed_within_its_period() -> None:
    slow = Rules(1.0, most=100, up=Behaviour(0.0, (Policy(Unit.INSTANCES, 3, 60.0),)))
    # Looked at every 15 s, yet 3 more in each minute.
    assert run(slow, 1, [100.0] * 9) == [4, 4, 4, 4, 7, 7, 7, 7, 10]


def test_down_by_a_share_is_rounded_up_as_documented() -> None:
    # "10 percent": 80 to 72 to 64 (7.2 is rounded up to 8), of the documentation's example.
    rules = Rules(1.0, most=100, down=Behaviour(0.0, (Policy(Unit.PERCENT, 10, 60.0),)))
    assert run(rules, 80, [0.001] * 3, every_s=60.0) == [72, 64, 57]


def test_down_waits_for_the_whole_window_and_goes_to_its_highest() -> None:
    metrics = [1.0, *[0.1] * 10, 0.6, *[0.1] * 30]  # of 10 instances: 1 would do, for a moment 6
    numbers = run(Rules(1.0, most=10), 10, metrics)
    assert numbers[:20] == [10] * 20
    assert numbers[20] == 6  # 300 s after the last time that 10 were recommended; 6 were at the twelfth look
    assert numbers[31] == 1


def test_up_does_not_wait() -> None:
    assert run(Rules(1.0), 2, [2.0]) == [4]


def test_a_window_up_takes_the_lowest() -> None:
    rules = Rules(1.0, up=Behaviour(30.0, SCALE_UP.policies))
    assert run(rules, 1, [3.0, 3.0, 3.0]) == [1, 1, 3]


def test_a_direction_without_a_policy_is_closed() -> None:
    assert run(Rules(1.0, down=Behaviour(0.0, ())), 5, [0.1, 0.1]) == [5, 5]


def test_without_a_metric_nothing_changes() -> None:
    decision = decide(Rules(1.0), Memory(), 0.0, 3, None)
    assert (decision.number, decision.reason) == (3, "no metric")


@pytest.mark.parametrize(("start", "number"), [(1, 3), (9, 5)])
def test_what_starts_outside_its_bounds_is_brought_back(start: int, number: int) -> None:
    assert run(Rules(1.0, least=3, most=5), start, [1.0]) == [number]


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"target": 0.0}, "target"),
        ({"target": 1.0, "least": 0}, "least"),
        ({"target": 1.0, "least": 3, "most": 2}, "3"),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(rules: dict[str, float], word: str) -> None:
    with pytest.raises(DeploymentError, match=word):
        Rules(**rules)  # type: ignore[arg-type]


windows = st.sampled_from([0.0, 20.0, 60.0, 300.0])
policies = st.lists(
    st.builds(Policy, st.sampled_from(Unit), st.integers(1, 100), st.sampled_from([15.0, 60.0])), max_size=3
).map(tuple)
behaviours = st.builds(Behaviour, windows, policies)
metrics = st.lists(st.floats(0.0, 50.0), min_size=1, max_size=60)
rules = st.builds(
    lambda least, more, up, down: Rules(1.0, least, least + more, up=up, down=down),
    st.integers(1, 5),
    st.integers(0, 20),
    behaviours,
    behaviours,
)


@given(rules, st.integers(1, 30), metrics)
def test_the_number_stays_between_least_and_most(rules: Rules, start: int, metrics: list[float]) -> None:
    assert all(rules.least <= number <= rules.most for number in run(rules, start, list(metrics)))


@given(windows, st.integers(1, 20), metrics)
def test_it_never_goes_below_what_was_recommended_within_the_window(
    window_s: float, start: int, metrics: list[float]
) -> None:
    rules = Rules(1.0, most=20, down=Behaviour(window_s, SCALE_DOWN.policies))
    memory, number = Memory(), start
    recommended: list[tuple[float, int]] = [(0.0, start)]
    for index, metric in enumerate(metrics):
        now_s = index * 15.0
        decision = decide(rules, memory, now_s, number, metric)
        if decision.number < number:
            within = [n for at_s, n in recommended if at_s > now_s - window_s]
            assert decision.number >= max([*within, min(max(decision.by_formula, rules.least), rules.most)])
        recommended.append((now_s, min(max(decision.by_formula, rules.least), rules.most)))
        memory, number = decision.memory, decision.number


@given(st.integers(1, 20), st.lists(st.floats(0.901, 1.099), min_size=1, max_size=40))
def test_within_the_tolerance_nothing_changes(start: int, metrics: list[float]) -> None:
    rules = Rules(1.0, most=20, up=AT_ONCE, down=AT_ONCE)
    assert set(run(rules, start, list(metrics))) == {start}


@given(metrics)
def test_what_it_remembers_does_not_grow_without_end(metrics: list[float]) -> None:
    memory, number = Memory(), 5
    for index, metric in enumerate(metrics * 3):
        decision = decide(Rules(1.0), memory, index * 15.0, number, metric)
        memory, number = decision.memory, decision.number
        assert len(memory.recommended) <= 300 / 15 + 1  # and what was there at first
        assert len(memory.changes) <= 1
