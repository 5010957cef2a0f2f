"""The noisy neighbour: a victim's unit of work timed alone, and while its neighbour takes all the CPU it gets."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.probes import Probe
from workbench.experiments.probing import ask
from workbench.statistics import bootstrap_ratio, percentile

TOLERATED = 1.25
"""A victim slowed by more than a quarter (median) counts as hurt; below that, shared caches and clocks explain it."""

FEWEST = 6
"""Samples a side below which no 95% interval of a median exists."""

_SETTLE_S = 0.1


@dataclass
class Noise:
    """Milliseconds of the victim's work, alone and beside, in the order taken."""

    alone_ms: list[float] = field(default_factory=list)
    beside_ms: list[float] = field(default_factory=list)
    neighbour_vcpus: list[float] = field(default_factory=list)
    failure: str = ""

    def measure(self, victim: Deployment, neighbour: Deployment, window_s: float) -> None:
        """One window alone, one beside; a neighbour that fails ends the window and is noted."""
        ask(victim, "work")  # thaws a frozen instance: that is not what is timed here
        self._fill(self.alone_ms, victim, window_s)
        seconds = window_s + 2 * _SETTLE_S
        noisy = threading.Thread(target=self._make_noise, args=(neighbour, seconds), name="noisy-neighbour")
        noisy.start()
        try:
            time.sleep(_SETTLE_S)
            self._fill(self.beside_ms, victim, window_s)
        finally:
            noisy.join()

    def ratio(self) -> dict[str, Any]:
        """How many times longer the work takes beside than alone: median with interval, and p95."""
        if min(len(self.alone_ms), len(self.beside_ms)) < FEWEST:
            return {"ratio_p50": None, "ci95_ratio_p50": [None, None], "ratio_p95": None}
        median = bootstrap_ratio(self.beside_ms, self.alone_ms, "median")
        p95 = percentile(self.beside_ms, 95) / percentile(self.alone_ms, 95)
        return {"ratio_p50": median.value, "ci95_ratio_p50": [median.low, median.high], "ratio_p95": p95}

    def probe(self) -> Probe:
        """The result as one more probe: held unless the victim's median is surely slowed by more than a quarter."""
        question = "Does a busy neighbour leave it its CPU?"
        found = self.ratio()
        if self.failure or found["ratio_p50"] is None:
            return Probe("noisy neighbour", question, None, self.failure or "too few answers to compare")
        low, high = found["ci95_ratio_p50"]
        took = sum(self.neighbour_vcpus) / len(self.neighbour_vcpus) if self.neighbour_vcpus else 0.0
        observed = (
            f"its work took {found['ratio_p50']:.2f} times as long (95% interval {low:.2f} to {high:.2f}) beside a "
            f"neighbour that used {took:.2f} vCPU"
        )
        return Probe("noisy neighbour", question, bool(low <= TOLERATED), observed)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"alone_ms": list(self.alone_ms), "beside_ms": list(self.beside_ms), **self.ratio()}

    def _fill(self, samples: list[float], victim: Deployment, window_s: float) -> None:
        end = time.monotonic() + window_s
        while time.monotonic() < end:
            samples.append(victim.invoke({"action": "work"}).latency_ms)

    def _make_noise(self, neighbour: Deployment, seconds: float) -> None:
        try:
            spun = ask(neighbour, "spin", seconds=seconds, workers=2 * (os.cpu_count() or 1))
            self.neighbour_vcpus.append(float(spun["cpu_s"]) / float(spun["wall_s"]))
        except WorkbenchError as error:
            self.failure = f"the neighbour could not be made busy: {str(error).splitlines()[0]}"
