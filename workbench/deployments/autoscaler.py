"""The thread that scales a deployment by a metric of it, as Kubernetes' Horizontal Pod Autoscaler does."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

from workbench.deployments import hpa
from workbench.errors import DeploymentError, WorkbenchError
from workbench.instance import InstanceState, InstanceView
from workbench.service import Service

METRICS = {
    "cpu": ("CPU used, as a share of what each instance is given", 0.8),
    "requests": ("requests in flight for each instance, mean of the sync period", 4.0),
}
"""What can be scaled by, and the target without rules."""

KEPT_SAMPLES = 10_000


class Scalable(Protocol):
    """What an autoscaler needs of a deployment."""

    @property
    def service(self) -> Service:
        """The service deployed now."""

    def instances(self) -> tuple[InstanceView, ...]:
        """The instances that live now."""

    def in_flight_s(self) -> float:
        """Requests in flight summed over time, in request-seconds."""

    def scale(self, n: int) -> None:
        """Have `n` instances ready."""


@dataclass(frozen=True)
class Sample:
    """One look at `at_s` (monotonic seconds): the metric's mean, instances then, by the formula, and asked for.

    `reason` says why that is not what the formula gave, or what went wrong.
    """

    at_s: float
    metric: float | None
    current: int
    by_formula: int
    number: int
    reason: str = ""


class Autoscaler:
    """Looks every sync period and scales, from the beginning of its `with` block to the end.

    Raises DeploymentError for a metric that is none of METRICS, or a sync period that is not above 0.
    """

    def __init__(
        self,
        deployment: Scalable,
        rules: hpa.Rules | None = None,
        *,
        metric: str = "cpu",
        every_s: float | None = None,
    ) -> None:
        if metric not in METRICS:
            raise DeploymentError(f"There is no metric {metric!r} to scale by; choose one of {', '.join(METRICS)}.")
        self.every_s = hpa.SYNC_PERIOD_S if every_s is None else every_s
        if self.every_s <= 0:
            raise DeploymentError(f"The autoscaler cannot look every {every_s} s; give a sync period above 0.")
        self.metric = metric
        self.rules = rules or hpa.Rules(METRICS[metric][1])
        self._deployment = deployment
        self._memory = hpa.Memory()
        self._samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self._cpu_s: dict[str, float] = {}
        self._in_flight_s = 0.0
        self._looked_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="autoscaler", daemon=True)

    @property
    def settings(self) -> str:
        """What it scales by and how often it looks, and what differs from Kubernetes' defaults."""
        rules = self.rules
        told = (
            f"{METRICS[self.metric][0]}; target {rules.target:g}, {rules.least} to {rules.most} instances, "
            f"sync period {self.every_s:g} s, tolerance {rules.tolerance:g}, stabilisation "
            f"{rules.up.stabilisation_s:g} s up and {rules.down.stabilisation_s:g} s down"
        )
        as_default = replace(hpa.Rules(rules.target), least=rules.least, most=rules.most)
        differs = rules != as_default or self.every_s != hpa.SYNC_PERIOD_S
        return told + ("; not Kubernetes' defaults (15 s, 0.1, 0 s, 300 s)" if differs else "")

    @property
    def history(self) -> tuple[Sample, ...]:
        """Every look so far (of the latest 10,000), oldest first; read it with `settings`."""
        return tuple(self._samples)

    @property
    def ended(self) -> bool:
        """Whether it was started and has been stopped."""
        return self._stop.is_set() and not self._thread.is_alive()

    def stop(self) -> None:
        """Look no more; returns at once, `close` waits."""
        self._stop.set()

    def close(self) -> None:
        """Stop, and wait for the scaling under way."""
        self.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self._remember(self._deployment.instances())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            try:
                self._look()
            except WorkbenchError as error:  # no memory for another, say: told, and tried again at the next look
                n = len(self._serving())
                self._samples.append(Sample(time.monotonic(), None, n, n, n, str(error)))

    def _look(self) -> None:
        views = self._serving()
        now_s = time.monotonic()
        metric = self._mean(views, now_s)
        if not views:  # none is ready: there is nothing to be read, and a supervisor is at it
            self._samples.append(Sample(now_s, None, 0, 0, 0, "no instance is ready"))
            return
        decision = hpa.decide(self.rules, self._memory, now_s, len(views), metric)
        changes, self._memory = self._memory.changes, decision.memory
        self._samples.append(Sample(now_s, metric, len(views), decision.by_formula, decision.number, decision.reason))
        if decision.number != len(views) and not self._stop.is_set():
            try:
                self._deployment.scale(decision.number)
            except WorkbenchError:  # what was not done does not count in the policies' periods
                self._memory = replace(self._memory, changes=changes)
                raise

    def _serving(self) -> tuple[InstanceView, ...]:
        serving = (InstanceState.IDLE, InstanceState.BUSY)
        return tuple(view for view in self._deployment.instances() if view.state in serving)

    def _mean(self, views: tuple[InstanceView, ...], now_s: float) -> float | None:
        """The metric's mean since the last look, over the instances that were there then already."""
        took_s = now_s - self._looked_s
        cpu_s, in_flight_s = self._cpu_s, self._in_flight_s
        self._remember(views, now_s)
        if self.metric == "requests":
            return (self._in_flight_s - in_flight_s) / took_s / len(views) if views else None
        share_s = self._deployment.service.resources.vcpus * took_s
        used = [self._cpu_s[name] - cpu_s[name] for name in self._cpu_s if name in cpu_s]
        return sum(used) / len(used) / share_s if used else None

    def _remember(self, views: tuple[InstanceView, ...], now_s: float | None = None) -> None:
        self._looked_s = time.monotonic() if now_s is None else now_s
        self._cpu_s = {view.instance_id: view.cpu_s for view in views if view.cpu_s is not None}
        self._in_flight_s = self._deployment.in_flight_s()
