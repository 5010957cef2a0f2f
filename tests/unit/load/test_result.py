"""Load results: counting, percentiles, the rule for keeping up; the generator's choices without a network."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.invocation import Target
from workbench.load.exchange import Balancer, classify
from workbench.load.result import KEPT_UP_P99_MS, STATUSES, Column, LoadResult, Status


def result(status: list[Status], latency: list[float | None], lateness: list[float] | None = None) -> LoadResult:
    n = len(status)
    return LoadResult(
        tuple(k / 10 for k in range(n)),
        tuple(latency),
        tuple(status),
        ("i",) * n,
        ("",) * n,
        (False,) * n,
        tuple(lateness if lateness is not None else [0.1] * n),
        5.0,
    )


def test_a_summary_counts_what_was_not_answered_well_as_errors() -> None:
    found = result(
        ["ok", "ok", "throttled", "error", "timeout", "dropped", "ok"], [1.0, 3.0, 0.5, 9.0, None, None, 2.0]
    ).summary()
    assert (found["sent"], found["ok"], found["errors"]) == (6, 3, 4)
    assert found["p50_ms"] == 2.0
    assert found["counts"] == {"ok": 3, "throttled": 1, "error": 1, "timeout": 1, "dropped": 1}


def test_without_a_good_answer_there_are_no_percentiles() -> None:
    found = result(["timeout"], [None]).summary()
    assert found["p99_ms"] is None
    assert found["ok"] == 0
    assert result([], []).summary()["sent"] == 0


def test_keeping_up_is_a_matter_of_the_generators_lateness_alone() -> None:
    late = KEPT_UP_P99_MS + 1
    assert result(["ok"] * 200, [500.0] * 200).kept_up
    assert result(["ok"] * 200, [1.0] * 200, [late] + [0.1] * 199).kept_up
    assert not result(["ok"] * 200, [1.0] * 200, [late] * 5 + [0.1] * 195).kept_up


@given(st.lists(st.sampled_from(["a", "b", "", "i-7"]), max_size=30))
def test_a_column_survives_its_json(names: list[str]) -> None:
    column = Column()
    for name in names:
        column.append(name)
    data = {
        "planned_s": [0.0] * len(names),
        "latency_ms": [None] * len(names),
        "status": [3] * len(names),
        "cold": [1] * len(names),
        "lateness_ms": [0.0] * len(names),
        "instances": column.to_json(range(len(names))),
        "groups": column.to_json(range(len(names))),
        "warmup": 0,
        "started_s": 1,
        "complete": True,
        "loop": "open",
    }
    read = LoadResult.from_json(data)
    assert list(read.instances) == names
    assert set(read.status) <= {STATUSES[3]}
    with pytest.raises(WorkbenchError, match="garbled"):
        LoadResult.from_json({**data, "status": [99]})
    with pytest.raises(WorkbenchError, match="garbled"):
        LoadResult.from_json({})


@pytest.mark.parametrize(
    ("code", "headers", "status"),
    [
        (200, {}, "ok"),
        (302, {}, "ok"),
        (429, {}, "throttled"),
        (200, {"X-Amz-Function-Error": "Unhandled"}, "error"),
        (404, {}, "error"),
        (502, {}, "error"),
    ],
)
def test_what_an_answer_means(code: int, headers: dict[str, str], status: str) -> None:
    assert classify(code, headers) == status


def targets(n: int) -> list[Target]:
    return [Target(f"http://127.0.0.1:{8000 + k}/") for k in range(n)]


def test_equal_targets_take_turns() -> None:
    balancer = Balancer(targets(3))
    chosen = [balancer.choose().target.url for _ in range(9)]
    assert all(chosen.count(target.url) == 3 for target in targets(3))
    assert chosen[:3] == chosen[3:6]


def test_the_least_busy_target_is_chosen() -> None:
    balancer = Balancer(targets(3))
    slots = {balancer.choose() for _ in range(3)}
    for slot in slots:
        slot.outstanding = 5
    free = next(iter(slots))
    free.outstanding = 1
    assert all(balancer.choose() is free for _ in range(4))


def test_after_a_change_a_target_that_stays_keeps_its_count() -> None:
    balancer = Balancer(targets(2))
    busy = balancer.choose()
    busy.outstanding = 3
    balancer.replace([busy.target, *targets(4)[3:]])
    assert {balancer.choose().outstanding for _ in range(6)} == {0}
    balancer.replace([busy.target])
    assert balancer.choose() is busy


@given(st.integers(1, 6), st.lists(st.booleans(), max_size=80), st.integers())
def test_outstanding_requests_stay_level(n: int, arrivals: list[bool], seed: int) -> None:
    balancer, rng, waiting = Balancer(targets(n)), random.Random(seed), []
    for arrives in arrivals:
        if arrives or not waiting:
            slot = balancer.choose()
            assert slot.outstanding == min(s.outstanding for s in balancer._slots)
            slot.outstanding += 1
            waiting.append(slot)
        else:
            waiting.pop(rng.randrange(len(waiting))).outstanding -= 1
