"""From a cause to the handler, with a desk that is made of two dictionaries."""

from __future__ import annotations

import sys
import time

import pytest

from workbench import charts, findings
from workbench.errors import DeploymentError
from workbench.experiments import Interrupted, arrival


class Desk:
    """Begins with an order so many seconds after its cause, and ends at once; the cause waits or does not."""

    def __init__(self) -> None:
        self.heard: dict[str, tuple[float, float]] = {}

    def waited_for(self, order: str) -> None:
        now = time.time()
        self.heard[order] = (now, now)

    def later(self, order: str) -> None:
        self.heard[order] = (time.time() + 5, time.time() + 6)


def test_the_ways_are_measured_in_turn_and_who_waits_is_noted() -> None:
    desk = Desk()
    direct, queue = arrival({"direct": desk.waited_for, "queue": desk.later}, lambda: desk.heard, samples=3)
    assert list(desk.heard)[:4] == ["direct-0", "queue-0", "direct-1", "queue-1"]
    assert (len(direct.samples), len(direct.warmups), direct.detail["waited"]) == (3, 1, [True] * 3)
    assert queue.detail["waited"] == [False] * 3
    assert all(ms > 4000 for ms in queue.samples)
    assert max(direct.samples) < min(queue.samples)
    assert findings.arrival([queue, direct]).title.startswith("From the cause to the handler: direct ")
    assert list(charts.arrival([queue, direct]).layout.yaxis.ticktext) == ["direct", "queue"]


def test_interrupted_it_keeps_what_there_is() -> None:
    desk, calls = Desk(), iter(range(100))

    def cause(order: str) -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt
        desk.waited_for(order)

    with pytest.raises(Interrupted) as caught:
        arrival({"direct": cause}, lambda: desk.heard, samples=5)
    (kept,) = caught.value.measurements
    assert (len(kept.samples), kept.complete) == (2, False)


def test_an_order_that_never_comes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["workbench.experiments.arrival"], "_WITHIN_S", 0.0)
    with pytest.raises(DeploymentError, match="'lost-0' has not come"):
        arrival({"lost": lambda _: None}, dict, samples=1)


def test_of_nothing_there_is_nothing_to_draw() -> None:
    assert "No order came" in charts.arrival([]).layout.title.text
