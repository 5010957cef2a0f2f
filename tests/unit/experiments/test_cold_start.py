from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import DeploymentError, HandlerError
from workbench.experiments import Interrupted, cold_start


def test_every_sample_is_from_an_instance_of_its_own_and_all_are_kept(make: Any) -> None:
    (found,) = cold_start(make(), samples=7, warm_per_sample=2)
    assert len(found.samples) == len(set(found.detail["instances"])) == 7
    assert len(found.warmups) == 1
    assert len(found.detail["warm_ms"]) == len(found.detail["warm_handler_ms"]) == 14
    assert all(len(values) == 7 for values in found.detail["phases_ms"].values())
    low, high = found.detail["ci95_ms"]
    assert low <= found.detail["p50_ms"] <= high
    assert found.complete
    assert found.provenance.kind == "measured"


def test_an_answer_from_an_old_instance_is_refused_and_taken_anew(make: Any) -> None:
    deployment = make()
    deployment.stale = 2
    (found,) = cold_start(deployment, samples=3, warmups=0)
    assert found.detail["refused"] == 2
    assert len(set(found.detail["instances"])) == len(found.samples) == 3


def test_a_deployment_without_new_instances_is_an_error_and_not_a_sample(make: Any) -> None:
    deployment = make()
    deployment.stale = 100
    with pytest.raises(DeploymentError, match="cold start cannot be measured"):
        cold_start(deployment, samples=1)


def test_deployments_take_turns(make: Any) -> None:
    order: list[str] = []
    several = [make(label=label) for label in "ABC"]
    for one in several:
        one.log = order
    found = cold_start(*several, samples=2, warmups=1)
    assert "".join(order) == "ABCABCABC"
    times = [m.taken_s[turn] for turn in range(2) for m in found]
    assert times == sorted(times)
    assert times[0] > 0  # the warm-up came first, and is not among them
    assert all(len(m.taken_s) == len(m.samples) for m in found)


def test_an_interrupt_keeps_what_there_was_and_says_that_it_is_not_all(make: Any) -> None:
    first, second = make(label="A"), make(label="B")
    second.raise_at = {4: KeyboardInterrupt()}  # after one warm-up and two samples
    with pytest.raises(Interrupted) as caught:
        cold_start(first, second, samples=9)
    assert [len(m.samples) for m in caught.value.measurements] == [3, 2]
    assert [len(m.taken_s) for m in caught.value.measurements] == [3, 2]
    assert not any(m.complete for m in caught.value.measurements)


def test_an_interrupt_before_the_first_sample_keeps_no_empty_measurement(make: Any) -> None:
    deployment = make()
    deployment.raise_at = {1: KeyboardInterrupt()}
    with pytest.raises(Interrupted) as caught:
        cold_start(deployment)
    assert caught.value.measurements == ()


def test_what_the_service_raises_is_passed_on(make: Any) -> None:
    with pytest.raises(HandlerError, match="no-such-article"):
        cold_start(make(), samples=1, payload={"sku": "no-such-article"})


def test_progress_runs_to_its_end(make: Any) -> None:
    told: list[tuple[str, int, int]] = []
    cold_start(make(), make(), samples=2, progress=lambda *step: told.append(step))
    assert [done for _, done, _ in told] == list(range(7))
    assert told[-1][1] == told[-1][2] == 6
