"""The platform's numbers for Prometheus: per function what happened, per instance what it uses now.

Counting is a few additions per invocation; the text is made when it is asked for, by Prometheus' own library.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from workbench.faas.aws_errors import AwsError
from workbench.faas.running.calls import Call, Outcome
from workbench.faas.running.supervisor import Supervisor

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
"""Upper bounds of the histograms' buckets, in seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class _Histogram:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus wants them."""
        names = [*(f"{bound:g}" for bound in BOUNDS_S), "+Inf"]
        seen = 0
        found = []
        for name, count in zip(names, self.counts, strict=True):
            seen += count
            found.append((name, float(seen)))
        return found


class Metrics:
    """Watches a supervisor; `text` is what `/_workbench/metrics` answers."""

    def __init__(self, supervisor: Supervisor, events: Callable[[], Mapping[str, int]]) -> None:
        self._supervisor = supervisor
        self._events = events
        self._invocations: Counter[tuple[str, str, str]] = Counter()
        self._throttles: Counter[tuple[str, str]] = Counter()
        self._cold: Counter[tuple[str, str]] = Counter()
        self._billed: Counter[str] = Counter()
        self._durations: defaultdict[tuple[str, ...], _Histogram] = defaultdict(_Histogram)
        self._inits: defaultdict[tuple[str, ...], _Histogram] = defaultdict(_Histogram)
        self._registry = CollectorRegistry()
        self._registry.register(self)  # a collector by its method `collect`
        ProcessCollector(registry=self._registry)
        supervisor.watchers.append(self.ended)

    def ended(self, call: Call, how: Outcome | AwsError) -> None:
        """Count one invocation."""
        function = call.function
        if isinstance(how, AwsError):
            self._invocations[function.name, function.number, how.code] += 1
            if how.code == "TooManyRequestsException":
                self._throttles[function.name, how.members.get("Reason", "")] += 1
            return
        self._invocations[function.name, how.version, "error" if how.error else "success"] += 1
        self._billed[function.name] += how.billed_ms
        self._durations[(function.name,)].add((how.phases.get("handler_ms") or 0.0) / 1000)
        if how.cold:
            technique = str(how.technique)
            self._cold[function.name, technique] += 1
            self._inits[function.name, technique].add(how.init_ms / 1000)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What the library asks for."""
        yield _counter(
            "workbench_invocations",
            "Invocations by how they ended: success, error (of the function) or an error of the API.",
            ("function", "version", "outcome"),
            self._invocations.items(),
        )
        yield _counter(
            "workbench_throttles", "Refused for want of concurrency.", ("function", "reason"), self._throttles.items()
        )
        yield _counter(
            "workbench_cold_starts", "First invocations of an instance.", ("function", "technique"), self._cold.items()
        )
        yield _counter(
            "workbench_billed_milliseconds",
            "Billed duration.",
            ("function",),
            (((n,), v) for n, v in self._billed.items()),
        )
        yield _histogram("workbench_duration_seconds", "From dispatch to answer.", ("function",), self._durations)
        yield _histogram("workbench_init_seconds", "AWS's Init Duration.", ("function", "technique"), self._inits)
        yield _counter(
            "workbench_events",
            "Asynchronous events by what became of them.",
            ("what",),
            (((n,), v) for n, v in self._events().items()),
        )
        yield from self._now()

    def _now(self) -> Iterator[Metric]:
        states: Counter[tuple[str, str]] = Counter()
        cpu = CounterMetricFamily(
            "workbench_instance_cpu_seconds", "CPU time of an instance.", labels=("function", "instance")
        )
        memory = GaugeMetricFamily(
            "workbench_instance_peak_memory_bytes", "Most memory it ever used.", labels=("function", "instance")
        )
        served = CounterMetricFamily(
            "workbench_instance_invocations", "Answered by an instance.", labels=("function", "instance")
        )
        for known, live in self._supervisor.living():
            name = live.function.name
            states[name, str(known.state)] += 1
            served.add_metric((name, live.name), live.served)
            if live.usage is not None:
                cpu.add_metric((name, live.name), live.usage.cpu_s)
                memory.add_metric((name, live.name), live.usage.peak_memory_bytes)
        yield from (cpu, memory, served)
        yield _gauge("workbench_instances", "Instances by state.", ("function", "state"), states.items())
        leases, waiting = self._supervisor.concurrency()
        yield _gauge(
            "workbench_concurrent_executions", "Invocations that hold concurrency.", ("function",), leases.items()
        )
        yield _gauge(
            "workbench_waiting_requests", "Invocations that wait for an instance.", ("function",), waiting.items()
        )


_Values = Iterable[tuple[tuple[str, ...] | str, float]]


def _counter(name: str, text: str, labels: tuple[str, ...], values: _Values) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric((key,) if isinstance(key, str) else key, value)
    return family


def _gauge(name: str, text: str, labels: tuple[str, ...], values: _Values) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric((key,) if isinstance(key, str) else key, value)
    return family


def _histogram(name: str, text: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], _Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, histogram in values.items():
        family.add_metric(key, histogram.buckets(), histogram.total_s)
    return family
