"""What a pressure does to a victim: its work timed before, during and after, and what it came back to."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.noise import FEWEST, TOLERATED
from workbench.experiments.pressures import NotTried, Pressure
from workbench.experiments.probes import Pair
from workbench.experiments.probing import ask
from workbench.statistics import bootstrap_ratio

WORK = {"action": "work", "rounds": 2000, "write_kb": 4}
"""About a millisecond of CPU, and 4 KB that the disk takes."""

PAUSE_S = 0.005
"""Between two questions to the victim: it must not run into the CPU limit of its own."""

RETRY_S = 0.05
SETTLE_S = 0.1
READY_WITHIN_S = 15.0
WINDOWS = ("before", "during", "after")


@dataclass
class Effect:
    """Of one pressure: milliseconds of the victim's work by window, in the order taken, and what the neighbour did."""

    pressure: Pressure
    ms: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in WINDOWS})
    failed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WINDOWS, 0))
    during_s: list[list[float]] = field(default_factory=list)  # monotonic clock: when each press began and ended
    pressed: list[str] = field(default_factory=list)
    not_tried: str = ""

    def measure(self, pair: Pair, window_s: float) -> None:
        """One window before, one during and one after; a neighbour that is ended by its limit presses again."""
        if self.not_tried:
            return
        try:
            _await(pair.victim)
            _await(pair.neighbour)
        except WorkbenchError as error:
            self.not_tried = f"no answer to begin with: {str(error).splitlines()[0]}"
            return
        self._watch("before", pair.victim, window_s)
        began = time.monotonic()
        presses = threading.Thread(target=self._press, args=(pair, began + window_s + SETTLE_S), name="pressure")
        presses.start()
        try:
            time.sleep(SETTLE_S)
            self._watch("during", pair.victim, window_s, presses)
        finally:
            presses.join()
        self.during_s.append([began, time.monotonic()])
        self._watch("after", pair.victim, window_s)

    def to_json(self) -> dict[str, Any]:
        """As JSON: samples, ratios of during and after to before with their 95% intervals, verdict and words."""
        held, observed = self.judged()
        return {
            "name": self.pressure.name,
            "question": self.pressure.question,
            "held": held,
            "observed": observed,
            "pressed": list(self.pressed),
            **{f"{name}_ms": list(self.ms[name]) for name in WINDOWS},
            "failed": dict(self.failed),
            "during_s": [list(window) for window in self.during_s],
            **self._ratio("ratio_p50", "during", 50),
            **self._ratio("ratio_p99", "during", 99),
            **self._ratio("recovered_p50", "after", 50),
        }

    def judged(self) -> tuple[bool | None, str]:
        """Held unless the victim failed, or its median is surely slowed by more than a quarter; with what was seen."""
        if self.not_tried:
            return None, f"not tried: {self.not_tried}"
        did = "; ".join(self.pressed) or "nothing"
        if self.failed["during"]:
            asked = self.failed["during"] + len(self.ms["during"])
            return False, f"{self.failed['during']} of {asked} requests failed while the neighbour pressed ({did})"
        found = self._ratio("ratio", "during", 50)
        if found["ratio"] is None:
            return None, f"too few answers to compare (the neighbour: {did})"
        low, high = found["ci95_ratio"]
        said = f"its work took {found['ratio']:.2f} times as long (95% interval {low:.2f} to {high:.2f})"
        return bool(low <= TOLERATED), f"{said}; the neighbour {did}"

    def _ratio(self, name: str, window: str, q: float) -> dict[str, Any]:
        times, before = self.ms[window], self.ms["before"]
        if min(len(times), len(before)) < FEWEST:
            return {name: None, f"ci95_{name}": [None, None]}
        found = bootstrap_ratio(times, before, q)
        return {name: found.value, f"ci95_{name}": [found.low, found.high]}

    def _watch(self, window: str, victim: Deployment, window_s: float, presses: threading.Thread | None = None) -> None:
        """For that long, and for as long as the neighbour presses: what it does last may be what hurts."""
        end = time.monotonic() + window_s
        while time.monotonic() < end or (presses is not None and presses.is_alive()):
            try:
                self.ms[window].append(victim.invoke(WORK).latency_ms)
                time.sleep(PAUSE_S)
            except WorkbenchError:
                self.failed[window] += 1
                time.sleep(RETRY_S)

    def _press(self, pair: Pair, end_s: float) -> None:
        """Press until the end, at least once: what is done by then, or ended by a limit, is done again."""
        first = True
        while first or time.monotonic() < end_s - RETRY_S:
            first = False
            try:
                said = self.pressure.press(pair, max(RETRY_S, end_s - time.monotonic()))
            except NotTried as reason:
                self.not_tried = str(reason)
                return
            except WorkbenchError as error:
                said = f"ended or without an answer ({type(error).__name__})"
                time.sleep(RETRY_S)  # it is being replaced
            if said not in self.pressed:
                self.pressed.append(said)


def _await(deployment: Deployment) -> None:
    """Wait until it answers, which also thaws a frozen instance; raises what the last try raised."""
    end = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            ask(deployment, "work", rounds=1)
            return
        except WorkbenchError:
            if time.monotonic() > end:
                raise
            time.sleep(RETRY_S)
