"""Loads from rest, searches, batches and quiet times on real deployments, in the sandbox that every machine has."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from workbench import load
from workbench.deployments import deploy
from workbench.deployments.hpa import Rules
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments import Interrupted, concurrency, flow, scaling, sustainable_rate, to_zero
from workbench.samples import sample

WAITING = {"rounds": 1, "wait_ms": 30}
BURST = load.burst(2, 70, before_s=0, burst_s=0.8, after_s=0.5, seed=1)


def test_a_burst_is_sent_as_it_was_drawn_and_every_request_is_in_the_flow() -> None:
    with deploy(sample("hashing"), "vm", sandbox="process", concurrency=1) as vm:
        (found,) = scaling(vm, schedule=BURST, payload=WAITING, peak=3)
    detail = found.detail
    assert detail["planned_s"] == pytest.approx(BURST.planned_s, abs=1e-5)
    assert detail["peak_instances"] == 3
    assert detail["warm_ms"] >= 30
    over_time = flow(detail["planned_s"], detail["latency_ms"], detail["status"], 60.0, 0.25, detail["timeout_s"])
    assert sum(over_time.planned) == len(BURST)
    ended = sum(over_time.answered) + sum(over_time.throttled) + sum(over_time.failed)
    assert ended == len(BURST)
    assert over_time.waiting[-1] == 0
    assert max(over_time.waiting) > 1  # one instance, one at a time, 70 a second of 30 ms each


def test_where_nobody_operates_an_autoscaler_brings_instances_and_they_get_requests() -> None:
    rules = Rules(target=0.001, most=3)  # any work at all is above it
    busy = {"rounds": 20_000, "wait_ms": 20}
    with deploy(sample("hashing"), "vm", sandbox="process") as vm:
        scaler = vm.autoscaled(rules, every_s=0.3)
        (found,) = scaling(vm, schedule=load.poisson(30, 3, seed=1), payload=busy, operator=scaler)
        told = [look.metric for look in scaler.history]
        served = [view.invocations for view in vm.instances()]
    if all(metric is None for metric in told):
        pytest.skip("this machine cannot tell the CPU of a process")
    assert found.detail["peak_instances"] == 3
    assert found.detail["instances"][0] == [0.0, 1.0]
    assert len(served) == 3
    assert scaler.ended


def test_where_nobody_operates_and_nothing_scales_one_instance_serves_all() -> None:
    with deploy(sample("hashing"), "vm", sandbox="process") as vm:
        (found,) = scaling(vm, schedule=load.constant(20, 1), payload=WAITING, operator=contextlib.nullcontext())
    assert found.detail["peak_instances"] == 1
    assert found.detail["counts"] == {"ok": 20}


def search(deployment: Any, **options: Any) -> Any:
    fixed = {"goal_ms": 2000.0, "lead_s": 0.2, "each_s": 0.5, "longest_s": 2.0, "payload": {"rounds": 10}}
    return sustainable_rate(deployment, **{**fixed, **options})


def test_a_search_ends_at_the_highest_rate_allowed_where_that_is_sustained() -> None:
    with deploy(sample("hashing"), "vm", sandbox="process") as vm:
        (found,) = search(vm, first_per_s=210, most_per_s=210, most_trials=4)
    assert found.samples
    assert set(found.samples) == {210.0}
    verdicts = {trial["verdict"] for trial in found.detail["trials"]}
    if "void" not in verdicts:  # a generator that was late on a busy machine says nothing
        assert found.detail["low_per_s"] == 210
        assert found.detail["high_per_s"] is None
        assert found.detail["stopped"] == "the highest rate allowed was sustained"


def test_a_rate_far_above_what_waits_in_line_is_missed() -> None:
    # One at a time, 10 ms each: 100 a second at best, and 420 are sent.
    with deploy(sample("hashing"), "vm", sandbox="process", concurrency=1) as vm:
        (found,) = search(
            vm, goal_ms=30.0, first_per_s=420, most_trials=1, payload={"rounds": 1, "wait_ms": 10}, longest_s=1
        )
    (trial,) = found.detail["trials"]
    late = trial["lateness_p99_ms"] > load.KEPT_UP_P99_MS  # on a machine too busy to send it as planned
    assert trial["verdict"] in (("void", "missed") if late else ("missed",)), trial
    assert found.detail["low_per_s"] is None
    assert found.detail["high_per_s"] == (420 if trial["verdict"] == "missed" else None)
    assert found.detail["bound_s"] == pytest.approx(1.2)


def test_an_interrupted_search_keeps_the_loads_so_far() -> None:
    sent: list[int] = []

    def told(_stage: str, done: int, _total: int) -> None:
        sent.append(done)
        if len(sent) == 2:  # after the first load
            raise KeyboardInterrupt

    with deploy(sample("hashing"), "vm", sandbox="process") as vm, pytest.raises(Interrupted) as caught:
        search(vm, first_per_s=210, progress=told)
    (kept,) = caught.value.measurements
    assert not kept.complete
    assert len(kept.samples) == len(kept.detail["trials"]) == 1


def test_a_search_that_would_find_nothing_is_refused() -> None:
    for options in ({"precision": 0}, {"each_s": 3.0, "longest_s": 2.0}, {"most_trials": 0}, {"most_per_s": 0}):
        with pytest.raises(WorkbenchError, match="finds nothing"):
            sustainable_rate(**options)


def test_waiting_is_shared_by_who_may_come_in_and_all_are_answered() -> None:
    with (
        deploy(sample("hashing"), "vm", sandbox="process", concurrency=1) as one,
        deploy(sample("hashing"), "vm", sandbox="process", concurrency=8) as many,
    ):
        handlers = {"waits": WAITING, "works": {"rounds": 2000}}
        found = concurrency({1: one, 8: many}, handlers=handlers, batch=8, rounds=2)
    assert [m.detail["counts"] for m in found] == [{"ok": 16}] * 4
    waits = {m.detail["level"]: min(m.detail["per_s"]) for m in found if m.detail["handler"] == "waits"}
    assert waits[8] > waits[1]  # eight times thirty milliseconds one after another, or all at the same time
    with pytest.raises(DeploymentError, match="two requests or more"):
        concurrency({}, handlers=handlers)


def test_serverless_comes_to_zero_by_itself_and_a_process_only_by_hand() -> None:
    with (
        deploy(sample("hashing"), "serverless", sandbox="process", idle_expiry_s=0.5) as function,
        deploy(sample("hashing"), "vm", sandbox="process") as vm,
    ):
        gone, stays = to_zero(function, vm, within_s=2, payload={"rounds": 1})
        assert len(vm.instances()) == 1
    assert gone.detail["zero_after_s"] >= 0.4
    assert (gone.detail["kept"], gone.detail["cold"], gone.detail["why"]) == (0, True, "idle expiry")
    assert (stays.detail["kept"], stays.detail["cold"], stays.detail["zero_after_s"]) == (1, False, None)
    assert "scale(1) starts one" in stays.detail["at_zero"]
    assert stays.detail["back_s"] > 0
