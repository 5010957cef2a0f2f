"""The keep-alive probe, at a platform whose instances end when a test says.

The fake judges by its own clock how long an instance was idle, inside the two times that the probe can see. So the
bracket must hold the expiry however slowly this machine runs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any, Self

import pytest

from workbench.deployments.fake import FakeDeployment
from workbench.errors import DeploymentError
from workbench.experiments import Interrupted, keep_alive
from workbench.invocation import InvocationResult
from workbench.samples import sample

ORDER = {"sku": "A1", "quantity": 3}
FAST: dict[str, Any] = {"shortest_s": 0.02, "longest_s": 0.64, "resolution_s": 0.02, "payload": ORDER}


class Expiring(FakeDeployment):
    """The fake, whose instance is replaced when it was idle for `expiry_s`."""

    expiry_s = 0.1
    made: list[Expiring]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.scale(1)
        self.made = []
        self.rested_s: float | None = None
        self.closed = False

    def invoke(self, payload: Any) -> InvocationResult:
        expired = self.rested_s is None or time.monotonic() - self.rested_s >= self.expiry_s
        result = self.invoke_cold(payload) if expired else super().invoke(payload)
        self.rested_s = time.monotonic()
        return result

    def beside(self, service: Any) -> Self:
        neighbour = type(self)(service)
        neighbour.expiry_s = self.expiry_s
        self.made.append(neighbour)
        return neighbour

    def close(self) -> None:
        self.closed = True
        super().close()


def test_the_bracket_holds_the_expiry_and_every_wait_is_confirmed() -> None:
    platform = Expiring(sample("pricing"))
    found = keep_alive(platform, **FAST)
    detail = found.detail
    assert detail["low_s"] < platform.expiry_s <= detail["high_s"]
    assert detail["unconfirmed"] == 0
    assert detail["resolved"]
    assert not detail["varies"]
    assert len(found.samples) == len(detail["tries"])
    assert all(idle < within for _, idle, within, _ in detail["tries"])
    assert sum(row["of"] for row in detail["by_gap"]) == len(found.samples)
    assert found.complete
    assert found.provenance.kind == "measured"


def test_the_functions_that_were_asked_are_the_probes_own_and_are_closed() -> None:
    platform = Expiring(sample("pricing"))
    keep_alive(platform, at_once=2, **FAST)
    assert len(platform.made) == 2
    assert all(neighbour.closed for neighbour in platform.made)
    assert not platform.closed
    assert platform.rested_s is None


def test_what_keeps_its_instances_has_no_expiry() -> None:
    platform = Expiring(sample("pricing"))
    platform.expiry_s = float("inf")
    found = keep_alive(platform, **FAST)
    assert found.detail["high_s"] is None
    assert found.detail["low_s"] >= 0.64
    assert found.detail["resolved"]


class Swapping(Expiring):
    """Says that each answer is warm, from one instance after another."""

    def invoke(self, payload: Any) -> InvocationResult:
        return replace(self.invoke_cold(payload), cold=False)


class Boasting(Expiring):
    """Says that each answer is a cold start, from the instance that was there."""

    def invoke(self, payload: Any) -> InvocationResult:
        return replace(FakeDeployment.invoke(self, payload), cold=True)


@pytest.mark.parametrize("kind", [Swapping, Boasting])
def test_an_answer_that_contradicts_itself_is_neither_cold_nor_warm(kind: type[Expiring]) -> None:
    found = keep_alive(kind(sample("pricing")), **FAST)
    assert found.detail["unconfirmed"] == len(found.samples) > 0
    assert found.detail["by_gap"] == []
    assert found.detail["high_s"] is None
    assert found.detail["low_s"] == 0


def test_no_wait_is_begun_that_does_not_fit_and_the_result_says_so() -> None:
    platform = Expiring(sample("pricing"))
    platform.expiry_s = float("inf")
    found = keep_alive(platform, shortest_s=0.02, longest_s=500, resolution_s=1, within_s=0.3, payload=ORDER)
    assert not found.detail["resolved"]
    assert found.detail["bound_s"] == 0.3
    assert max(gap for gap, *_ in found.detail["tries"]) <= 0.3


def test_an_interrupt_ends_a_wait_of_minutes_at_once() -> None:
    def impatient(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    platform = Expiring(sample("pricing"))
    with pytest.raises(Interrupted) as caught:  # were the wait not ended, the time limit of all tests would end this
        keep_alive(platform, shortest_s=400, longest_s=500, payload=ORDER, progress=impatient)
    assert caught.value.measurements == ()
    assert all(neighbour.closed for neighbour in platform.made)


def test_an_interrupt_keeps_what_there_was() -> None:
    platform = Expiring(sample("pricing"))
    platform.expiry_s = float("inf")

    def impatient(stage: str, done: int, total: int) -> None:
        assert total > 500  # the most that it may take is told beforehand
        if float(stage.rpartition(" ")[2]) > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        keep_alive(platform, shortest_s=0.02, longest_s=500, resolution_s=1, payload=ORDER, progress=impatient)
    (kept,) = caught.value.measurements
    assert not kept.complete
    assert len(kept.samples) > 0
    assert all(neighbour.closed for neighbour in platform.made)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("keep-alive")]


@pytest.mark.parametrize("wrong", [{"shortest_s": 2, "longest_s": 1}, {"resolution_s": 0}, {"at_once": 0}])
def test_bounds_that_find_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DeploymentError, match="finds nothing"):
        keep_alive(Expiring(sample("pricing")), **wrong)
