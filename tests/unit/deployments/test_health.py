"""Health checks: no instance waits for another's answer, and one miss is not the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from workbench.deployments import health
from workbench.deployments.health import UNHEALTHY_AFTER, HealthChecks


class Instance:
    """Answers as the test says; counts how often it was asked."""

    wanted = True

    def __init__(self) -> None:
        self.asked = 0
        self.answers = True
        self.lets_go = threading.Event()
        self.lets_go.set()

    def healthy(self, within_s: float) -> bool:
        self.asked += 1
        assert self.lets_go.wait(10)
        return self.answers


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(health, "EVERY_S", 0.01)
    return [Instance(), Instance(), Instance()]


@pytest.fixture
def given_up(instances: list[Any]) -> Iterator[list[Any]]:
    gone: list[Any] = []
    checks = HealthChecks("test", lambda: [i for i in instances if i not in gone], gone.append)
    yield gone
    for instance in instances:
        instance.lets_go.set()
    checks.close()


def wait(condition: Any) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_the_others_do_not_wait_for_one_that_hangs(instances: list[Any], given_up: list[Any]) -> None:
    instances[1].lets_go.clear()
    wait(lambda: instances[1].asked)
    asked = instances[0].asked
    wait(lambda: instances[0].asked >= asked + 5 and instances[2].asked >= asked + 5)
    assert instances[1].asked == 1  # it is not asked again before it has answered
    assert given_up == []


def test_one_that_misses_several_times_is_given_up_once(instances: list[Any], given_up: list[Any]) -> None:
    instances[0].answers = False
    wait(lambda: given_up)
    assert given_up == [instances[0]]
    assert instances[0].asked == UNHEALTHY_AFTER


def test_an_answer_between_makes_good(instances: list[Any], given_up: list[Any]) -> None:
    one = instances[0]
    one.healthy = lambda within_s: setattr(one, "asked", one.asked + 1) or one.asked % UNHEALTHY_AFTER == 0
    wait(lambda: one.asked >= 4 * UNHEALTHY_AFTER)
    assert given_up == []
