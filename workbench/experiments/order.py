"""The order of a comparison: the same calls one deployment after the other, or in turn, on a machine that changes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.experiments.hog import hog
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance
from workbench.statistics import percentile

EXPERIMENT = "order"


@dataclass
class _Timed:
    deployment: Deployment
    ms: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)


def order(
    *deployments: Deployment,
    samples: int = 40,
    interleaved: bool = True,
    busy_from: float | None = None,
    payload: Any = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Time `samples` calls of each deployment, in milliseconds as the caller sees them, all from one caller.

    `interleaved`: A B A B; otherwise all of A, then all of B. From the share `busy_from` (0 to 1) of all calls on,
    processes of our own compete for every processor of this machine, to its end; None for a quiet machine. One call of
    each beforehand is not counted. Detail: interleaved, at_s (when each sample was begun, in seconds from the first),
    busy_s (from when to when the machine was made busy, or None), p50_ms. Raises what `invoke` raises, and Interrupted.
    """
    tell = progress or silent
    payload = {} if payload is None else payload
    timed = [_Timed(deployment) for deployment in deployments]
    plan = timed * samples if interleaved else [one for one in timed for _ in range(samples)]
    busy_at = len(plan) if busy_from is None else round(busy_from * len(plan))
    began = time.monotonic()
    busy_s: list[float] = []

    def so_far(complete: bool) -> tuple[Measurement, ...]:
        return tuple(_measurement(one, interleaved, busy_s, complete) for one in timed)

    with keeping(lambda: so_far(False)), contextlib.ExitStack() as neighbours:
        for one in timed:
            one.deployment.invoke(payload)
        began = time.monotonic()
        for place, one in enumerate(plan):
            tell("comparison", place, len(plan))
            if place == busy_at:
                neighbours.enter_context(_noted(busy_s, began))
            one.at_s.append(time.monotonic() - began)
            one.ms.append(one.deployment.invoke(payload).latency_ms)
        tell("comparison", len(plan), len(plan))
    return so_far(True)


@contextlib.contextmanager
def _noted(busy_s: list[float], began: float) -> Iterator[None]:
    busy_s.append(time.monotonic() - began)
    try:
        with hog():
            yield
    finally:
        busy_s.append(time.monotonic() - began)


def _measurement(timed: _Timed, interleaved: bool, busy_s: list[float], complete: bool) -> Measurement:
    ordered = "in turn with the other" if interleaved else "one deployment after the other"
    busy = ", with processes of our own competing for the CPU from some point on" if busy_s else ""
    ms = tuple(timed.ms)
    detail: dict[str, Any] = {
        "interleaved": interleaved,
        "at_s": [round(at, 6) for at in timed.at_s[: len(ms)]],
        "busy_s": list(busy_s) or None,
        "p50_ms": percentile(ms, 50) if ms else None,
    }
    how = f"{len(ms)} calls by one caller, {ordered}{busy}, timed from the call to the answer by the caller's clock"
    pattern, sandbox = timed.deployment.pattern, timed.deployment.sandbox
    return Measurement(
        EXPERIMENT, pattern, sandbox, "ms", ms, Provenance("measured", how), detail=detail, complete=complete
    )
