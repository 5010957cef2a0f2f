"""How long the first answer of a new instance takes, and where that time goes."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.invocation import InvocationResult
from workbench.records import Measurement, Provenance
from workbench.statistics import interval, percentile

TRIES = 4
"""How often a sample is tried anew when the instance that answered was not a new one."""

PHASES = ("sandbox", "runtime_init", "function_init", "handler")


@dataclass
class _Taken:
    deployment: Deployment
    seen: set[str]
    ready: bool
    cold: list[InvocationResult] = field(default_factory=list)
    warm: list[InvocationResult] = field(default_factory=list)
    warmups: list[float] = field(default_factory=list)
    refused: int = 0
    taken_s: list[float] = field(default_factory=list)


def cold_start(
    *deployments: Deployment,
    samples: int = 20,
    warm_per_sample: int = 5,
    warmups: int = 1,
    payload: Any = None,
    ready: Collection[str] = (),
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Time cold starts, in milliseconds as the caller sees them, interleaved over the deployments (A B C A B C).

    A sample counts only when the instance that answered is one never seen before; any other is refused, counted and
    taken anew. After each cold start `warm_per_sample` invocations time the same instance warm. Of the patterns in
    `ready` (their instances are kept ready) a sample is the first answer of an instance never seen before that did
    *not* start for it. Raises DeploymentError when a deployment gives no new instance, what `invoke` raises when the
    service does not answer, and Interrupted. Detail: p50_ms, p95_ms, ci95_ms of the median (order statistics),
    phases_ms, instances, warm_ms, warm_handler_ms, warm_p50_ms, refused; each list in the order taken. Where a sandbox
    boots, steps_ms divides its phase further.
    """
    tell = progress or silent
    payload = {} if payload is None else payload
    taken = [_taking(d, d.pattern in ready) for d in deployments]
    rounds = warmups + samples
    began = time.monotonic()
    with keeping(lambda: tuple(_measurement(t, complete=False) for t in taken)):
        for number in range(rounds):
            for place, one in enumerate(taken):
                tell("cold start", number * len(taken) + place, rounds * len(taken))
                at_s = time.monotonic() - began
                result = _new_instance(one, payload)
                if number < warmups:
                    one.warmups.append(result.latency_ms)
                    continue
                one.taken_s.append(at_s)
                one.cold.append(result)
                warm = [one.deployment.invoke(payload) for _ in range(warm_per_sample)]
                one.warm += [w for w in warm if not w.cold]
        tell("cold start", rounds * len(taken), rounds * len(taken))
    return tuple(_measurement(t, complete=True) for t in taken)


def _taking(deployment: Deployment, ready: bool) -> _Taken:
    # One that is kept ready is there before it answers for the first time, which is what is to be timed.
    answered = {i.instance_id for i in deployment.instances() if i.invocations or not ready}
    return _Taken(deployment, answered, ready)


def _new_instance(taken: _Taken, payload: Any) -> InvocationResult:
    for _ in range(TRIES):
        result = taken.deployment.invoke_cold(payload)
        new = result.cold != taken.ready and result.instance_id not in taken.seen
        taken.seen.add(result.instance_id)
        if new:
            return result
        taken.refused += 1
    raise DeploymentError(
        f"{taken.deployment.pattern} was asked {TRIES} times for a new instance and answered from one it already had, "
        "so its cold start cannot be measured. Look at its events() and logs()."
    )


def _measurement(taken: _Taken, *, complete: bool) -> Measurement:
    samples = tuple(r.latency_ms for r in taken.cold)
    detail: dict[str, Any] = {
        "phases_ms": {phase: [getattr(r.phases, f"{phase}_ms") for r in taken.cold] for phase in PHASES},
        "instances": [r.instance_id for r in taken.cold],
        "warm_ms": [r.latency_ms for r in taken.warm],
        "warm_handler_ms": [r.phases.handler_ms for r in taken.warm],
        "warm_p50_ms": percentile([r.latency_ms for r in taken.warm], 50) if taken.warm else None,
        "refused": taken.refused,
    }
    steps = [dict(r.phases.sandbox_steps) for r in taken.cold]
    if any(steps):
        names = dict.fromkeys(name for one in steps for name in one)
        detail["steps_ms"] = {name: [one.get(name) for one in steps] for name in names}
    if samples:
        detail |= {
            "p50_ms": percentile(samples, 50),
            "p95_ms": percentile(samples, 95),
            "ci95_ms": list(interval(samples, 50)),
        }
    what = (
        f"{len(samples)} first answers, each confirmed to be that of an instance kept ready that had served nobody"
        if taken.ready
        else f"{len(samples)} cold starts, each confirmed by a new instance"
    )
    how = f"{what}, timed from the call to the answer by the caller's clock; deployments interleaved"
    return Measurement(
        "cold_start",
        taken.deployment.pattern,
        taken.deployment.sandbox,
        "ms",
        samples,
        Provenance("measured", how),
        tuple(taken.warmups),
        detail,
        complete,
        tuple(taken.taken_s[: len(samples)]),  # an interrupt may have come between the two
    )
