"""What serverless stops at, counted: consumers, counters and spikes, against made-up deployments and brokers."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import charts, findings
from workbench.broker import Taken
from workbench.experiments.consumer import consumer
from workbench.experiments.spike import ENDS, ends
from workbench.experiments.state import wrong
from workbench.findings.spike import ENDS as SAID
from workbench.invocation import InvocationResult, Phases
from workbench.records import Measurement, Provenance
from workbench.service import Service


class MadeUpBroker:
    """Queues in memory; a consumer that is alive takes at once, one that is frozen takes its prefetch and no more."""

    PREFETCH = 3

    def __init__(self, *frozen: str) -> None:
        self.frozen = frozen
        self.waiting: dict[str, deque[Taken]] = {}
        self.held: dict[str, list[Taken]] = {}
        self.looks: dict[str, int] = {}

    def make(self, queue: str) -> None:
        self.waiting[queue] = deque()
        self.held[queue] = []

    def is_frozen(self, queue: str) -> bool:
        return queue.startswith(self.frozen) if self.frozen else False

    def publish(self, queue: str, body: Any) -> None:
        if not self.is_frozen(queue):
            self.waiting[f"{queue}.done"].append(Taken({**body, "redelivered": False}, False))
        elif len(self.held[queue]) < self.PREFETCH:
            self.held[queue].append(Taken(body, False))
        else:
            self.waiting[queue].append(Taken(body, False))

    def depth(self, queue: str) -> tuple[int, int]:
        self.looks[queue] = self.looks.get(queue, 0) + 1
        if self.is_frozen(queue) and self.looks[queue] > 8:  # the heartbeat was missed: what it held comes back
            self.waiting[queue].extend(Taken(held.body, True) for held in self.held[queue])
            self.held[queue] = []
            return len(self.waiting[queue]), 0
        return len(self.waiting[queue]), 1

    def take(self, queue: str) -> list[Taken]:
        found = list(self.waiting[queue])
        self.waiting[queue].clear()
        return found

    def closed(self, name: str) -> str:
        return "missed heartbeats from client" if self.is_frozen(name) else ""


class MadeUp:
    """A deployment that says that it listens."""

    sandbox = "made up"

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.service: Service | None = None

    def invoke(self, payload: Any) -> InvocationResult:
        listening = payload["action"] == "subscribe"
        told = {"listening": listening, "ended": "" if listening else "StreamLostError", "handled": 0}
        return InvocationResult(told, "i", False, 1.0, Phases())


def watched() -> tuple[Measurement, ...]:
    ways: Any = (MadeUp("serverless"), MadeUp("container"))
    return consumer(*ways, broker=MadeUpBroker("serverless"), messages=10, per_s=200.0)


def test_a_frozen_consumer_keeps_its_prefetch_until_its_connection_is_gone() -> None:
    function, container = watched()
    assert (container.detail["handled"], container.detail["left"], container.detail["redelivered"]) == (10, 0, 0)
    assert container.detail["dropped_s"] is None
    assert (function.detail["handled"], function.detail["left"], function.detail["redelivered"]) == (0, 10, 3)
    assert function.detail["dropped_s"] is not None
    assert function.detail["broker_said"] == "missed heartbeats from client"
    assert function.detail["ended"] == "StreamLostError"


def test_a_consumers_figure_says_who_handled_what_and_who_was_closed() -> None:
    measured = watched()
    assert findings.consumer(measured).title == "Of 10 messages handled: serverless 0, container 10"
    assert "missed heartbeats" in " ".join(findings.consumer(measured).reading)
    figure = charts.consumer(measured)
    assert [a.text for a in figure.layout.annotations].count("nobody listens") == 1
    given_out = [trace for trace in figure.data if "given out" in trace.hovertemplate]
    assert [max(trace.y) for trace in given_out] == [3, 10]


@given(st.integers(1, 60), st.integers(1, 6))
@settings(deadline=None, max_examples=40)
def test_a_counter_is_wrong_where_instances_count_apart(calls: int, instances: int) -> None:
    assert wrong(list(range(1, calls + 1))) == 0
    apart = [1 + visit // instances for visit in range(calls)]
    assert wrong(apart) == calls - max(apart)


def test_how_a_spike_ended_adds_up() -> None:
    latency, status = [10.0, 900.0, 1.0, None, None], ["ok", "ok", "throttled", "timeout", "dropped"]
    assert ends(latency, status, 500.0) == {"in time": 1, "late": 1, "throttled": 1, "failed": 2}
    assert ENDS == SAID


def made_up(experiment: str, deployment: str, *samples: float, **detail: Any) -> Measurement:
    how = Provenance("measured", "made up for a test")
    return Measurement(experiment, deployment, "process", "ms", samples, how, detail=detail)


def test_a_spikes_figure_has_every_request_once() -> None:
    spike = made_up(
        "spike",
        "serverless",
        10.0,
        planned_s=[0.0, 0.5, 1.0, 1.9],
        latency_ms=[10.0, 900.0, 1.0, None],
        status=["ok", "ok", "throttled", "timeout"],
        goal_ms=500.0,
        duration_s=2.0,
        ends={"in time": 1, "late": 1, "throttled": 1, "failed": 1},
        first_answer_s=0.01,
        instances=[[0.0, 0.0], [1.0, 1.0]],
        kept_up=True,
    )
    assert findings.spike([spike]).title == "Answered within 500\u00a0ms: serverless 25 %"
    figure = charts.spike([spike])
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert figure.layout.yaxis.range[0] == 0
    assert figure.layout.yaxis.range[1] > 2  # requests a second
    assert sum(rate * bar.width for bar in bars for rate in bar.y) == pytest.approx(4)


def test_a_counters_figure_tells_instances_apart_and_says_what_was_forgotten() -> None:
    stretch = ["one caller"] * 2 + ["several at once"] * 2 + ["after a rest"] * 2
    counted = made_up(
        "state",
        "serverless",
        1,
        2,
        3,
        1,
        1,
        2,
        stretch=stretch,
        stored=[1, 2, 3, 1, 1, 2],
        instance=["a", "a", "a", "b", "c", "c"],
        instances=3,
        wrong=3,
        wrong_stored=3,
        rested_s=2.0,
    )
    assert findings.state([counted]).title == "After 6 visits the highest count was: serverless 3"
    assert "After the rest it began at 1." in findings.state([counted]).reading[0]
    assert len(charts.state([counted]).data) == 1 + 3


@pytest.mark.parametrize("draw", [charts.consumer, charts.state, charts.spike])
def test_nothing_measured_is_said(draw: Any) -> None:
    assert "No " in draw([]).layout.title.text
