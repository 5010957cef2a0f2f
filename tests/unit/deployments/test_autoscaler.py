"""The autoscaler over a deployment that is a fake: what it reads, what it asks for, and what it tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.deployments.autoscaler import Autoscaler
from workbench.deployments.hpa import Behaviour, Policy, Rules, Unit
from workbench.errors import DeploymentError
from workbench.instance import InstanceState, InstanceView
from workbench.service import Resources, Service

QUICK_DOWN = Behaviour(0.0, (Policy(Unit.PERCENT, 100, 15.0),))


class Instances:
    """A deployment whose instances use what the test says."""

    def __init__(self) -> None:
        self.service = Service("s", Path("."), "a.b", resources=Resources(memory_mb=1769))
        self.number = 1
        self.load = 0.0  # of the whole deployment: CPUs used, and requests in flight
        self.refusal: DeploymentError | None = None
        self.asked: list[int] = []
        self._began = time.monotonic()
        self.changed = threading.Event()

    def instances(self) -> tuple[InstanceView, ...]:
        used = (time.monotonic() - self._began) * self.load / max(1, self.number)
        return tuple(InstanceView(f"i-{n}", InstanceState.IDLE, "fake", 0.0, 0, used) for n in range(self.number))

    def in_flight_s(self) -> float:
        return (time.monotonic() - self._began) * self.load

    def scale(self, n: int) -> None:
        self.asked.append(n)
        if self.refusal:
            raise self.refusal
        self.number = n
        self.load = min(self.load, 3.5)
        self.changed.set()


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize("metric", ["requests", "cpu"])
def test_it_scales_to_what_the_load_needs(metric: str) -> None:
    deployment = Instances()
    deployment.load = 3.5
    with Autoscaler(deployment, Rules(1.0), metric=metric, every_s=0.02) as scaling:
        assert deployment.changed.wait(10)
    assert deployment.asked[0] == 4
    first = next(s for s in scaling.history if s.number != s.current)
    assert (first.current, first.number, first.by_formula) == (1, 4, 4)
    assert first.metric == pytest.approx(3.5, rel=0.2)


def test_a_scaling_that_fails_is_told_and_tried_again() -> None:
    deployment = Instances()
    deployment.load = 4.0
    deployment.refusal = DeploymentError("no memory for another")
    with Autoscaler(deployment, Rules(1.0), metric="requests", every_s=0.01) as scaling:
        wait(lambda: len(deployment.asked) >= 2)
    assert "no memory for another" in [s.reason for s in scaling.history]


def test_it_is_still_when_its_block_has_ended() -> None:
    deployment = Instances()
    with Autoscaler(deployment, Rules(1.0), metric="requests", every_s=0.01) as scaling:
        wait(lambda: scaling.history)
    looks = len(scaling.history)
    deployment.load = 100.0
    time.sleep(0.05)
    assert (len(scaling.history), deployment.asked) == (looks, [])
    assert scaling.ended


def test_what_differs_from_kubernetes_is_stated() -> None:
    assert "not Kubernetes' defaults" not in Autoscaler(Instances(), Rules(0.8, 2, 20)).settings
    shortened = Autoscaler(Instances(), Rules(0.8), every_s=1.0).settings
    assert "sync period 1 s" in shortened
    assert "not Kubernetes' defaults" in shortened
    assert "not Kubernetes' defaults" in Autoscaler(Instances(), Rules(0.8, down=QUICK_DOWN)).settings


@pytest.mark.parametrize(("options", "word"), [({"metric": "mood"}, "cpu"), ({"every_s": 0.0}, "above 0")])
def test_what_cannot_be_is_refused(options: dict[str, object], word: str) -> None:
    with pytest.raises(DeploymentError, match=word):
        Autoscaler(Instances(), **options)  # type: ignore[arg-type]
