"""A step or a burst onto a service at rest: how long until requests meet their goal, and at how many instances."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from workbench.deployment import Deployment
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments.operating import operated
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.timeline import instances_over_time, time_to_goal
from workbench.load import Load, LoadResult, Schedule, constant, poisson, start_load
from workbench.records import Measurement, Provenance
from workbench.statistics import interval, percentile

LEAST_GOAL_MS = 50.0
GOAL_FACTOR = 5.0
WARM_SAMPLES = 12
REST_WITHIN_S = 10.0
MOST_AT_ONCE = 16
"""Instances that serverless may start here: AWS gives a thousand, two cores do not."""


@dataclass(frozen=True)
class Burst:
    """What is sent to every deployment alike, and its latency goal; `rate_per_s` is the schedule's highest."""

    rate_per_s: float
    schedule: Schedule
    goal_ms: float
    limit: int  # instances serverless may start


def scaling(
    *deployments: Deployment,
    rate_per_s: float | None = None,
    most_per_s: float = 60.0,
    duration_s: float = 10.0,
    goal_ms: float | None = None,
    peak: int = 3,
    payload: Any = None,
    seed: int = 1,
    schedule: Schedule | None = None,
    operator: contextlib.AbstractContextManager[object] | None = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Send the same open-loop load (Poisson arrivals at one rate, pre-drawn) to each deployment in turn, from rest.

    At rest serverless has no instance and container and VM have one. When the load begins, serverless scales by
    itself; for the others an operator, as attentive as can be, asks for `peak` instances at that moment (or as many
    as this machine's memory could reserve), and requests go to the new ones as soon as all are ready. `rate_per_s`
    is by default the highest, up to `most_per_s`, that keeps this machine from being the bottleneck; `goal_ms` is
    by default 5 times the slowest deployment's warm median, at least 50 ms. A `schedule` (`load.burst`, `load.step`)
    is sent instead as it is. An `operator` takes the attentive one's place, entered when the load begins and left at
    its end: an autoscaler of the (one) deployment, whose instances get requests within a tenth of a second of being
    ready, or `contextlib.nullcontext()` for nobody.

    Samples: milliseconds from the planned send time to the answer, of requests answered. Detail: time_to_goal_s (after
    which 95% of the requests of every second met the goal; None: never), instances [[s, n]] from the load's start,
    planned_s, latency_ms and status of every request (`flow` counts them over time), warm_ms (a request by itself,
    median), counts by status, percentiles, and how late the generator itself was. Raises DeploymentError when a
    deployment does not come to rest, what `invoke` raises, and Interrupted.
    """
    tell = progress or silent
    payload = {} if payload is None else payload
    done: list[Measurement] = []
    with keeping(lambda: tuple(done)):
        tell("scaling", 0, len(deployments) + 1)
        peak = _that_fit(deployments, peak)
        cold_s, warm_ms = _alone(deployments, payload)
        if schedule is None:
            most = bearable_rate(cold_s, max(warm_ms) / 1000, os.cpu_count() or 1, most_per_s)
            schedule = _step(most if rate_per_s is None else rate_per_s, duration_s, seed)
        burst = _plan(schedule, cold_s, max(warm_ms), goal_ms, peak)
        for place, deployment in enumerate(deployments):
            tell("scaling", place + 1, len(deployments) + 1)
            _one_burst(deployment, burst, (peak, operator), payload, warm_ms[place], done)
        tell("scaling", len(deployments) + 1, len(deployments) + 1)
    return tuple(done)


def _that_fit(deployments: Sequence[Deployment], peak: int) -> int:
    # The same for all, though VM-style alone reserves: the comparison is of the same number of instances.
    largest_mb = max((d.service.resources.memory_mb for d in deployments), default=1)
    return max(1, min(peak, psutil.virtual_memory().total // 2**20 // largest_mb))


def bearable_rate(cold_s: float, warm_s: float, cores: int, most: float = 60.0) -> float:
    """The highest rate, in requests a second, at which this machine is not what limits: half of its cores busy with
    warm requests, and at most half of MOST_AT_ONCE instances starting at once."""
    by_work = 0.5 * cores / max(warm_s, 1e-4)
    by_starts = 0.5 * MOST_AT_ONCE / max(cold_s, 1e-4)
    return max(1.0, round(min(most, by_work, by_starts), 1))


def _alone(deployments: Sequence[Deployment], payload: Any) -> tuple[float, list[float]]:
    """Seconds of the slowest cold request, and of each deployment the median ms of a warm one, one at a time."""
    # Only where a request that finds no idle instance starts one do starts pile up with the rate.
    cold_s = max((d.invoke_cold(payload).latency_ms / 1000 for d in deployments if _scales_itself(d)), default=0.0)
    warm = [percentile([d.invoke(payload).latency_ms for _ in range(WARM_SAMPLES)], 50) for d in deployments]
    return cold_s, warm


def _step(rate_per_s: float, duration_s: float, seed: int) -> Schedule:
    # So few requests that a Poisson stream could be an empty one are sent evenly.
    if rate_per_s * duration_s < 20:
        return constant(rate_per_s, duration_s)
    return poisson(rate_per_s, duration_s, seed)


def _plan(schedule: Schedule, cold_s: float, warm_ms: float, goal_ms: float | None, peak: int) -> Burst:
    """One load for all, its goal from the slowest deployment's warm latency."""
    goal = goal_ms if goal_ms is not None else round(max(GOAL_FACTOR * warm_ms, LEAST_GOAL_MS), 1)
    # Little's law: so many requests arrive while an instance starts; half as many again for an uneven stream.
    limit = max(peak, min(MOST_AT_ONCE, math.ceil(schedule.peak_per_s * cold_s * 1.5) + 2))
    return Burst(schedule.peak_per_s, schedule, goal, limit)


def _one_burst(
    deployment: Deployment,
    burst: Burst,
    operating: tuple[int, contextlib.AbstractContextManager[object] | None],
    payload: Any,
    warm_ms: float,
    done: list[Measurement],
) -> None:
    start_instances = _rest(deployment, burst.limit)
    timeout_s = float(deployment.service.resources.timeout_s)
    with start_load(deployment.targets(payload), burst.schedule, timeout_s=timeout_s) as load:
        started_s = load.started_s()
        itself = _scales_itself(deployment)
        nobody: contextlib.AbstractContextManager[list[WorkbenchError]] = contextlib.nullcontext([])
        with nobody if itself else operated(deployment, load, operating, payload) as failure:
            result, complete = _wait(load)
    until_s = burst.schedule.duration_s if complete else time.monotonic() - started_s
    if result.planned_s and not failure:
        timeline = instances_over_time(deployment.events(), started_s, start_instances, until_s)
        extra = {"warm_ms": warm_ms, "timeout_s": timeout_s}
        done.append(_measurement(deployment, burst, result, timeline, complete, extra))
    if not complete:
        raise KeyboardInterrupt
    if failure:
        raise failure[0]
    if not itself and operating[1] is None:
        deployment.scale(1)


def _wait(load: Load) -> tuple[LoadResult, bool]:
    """The load's result, and whether it is the whole of it; an interrupted load is stopped and gives what it has."""
    try:
        return load.result(), True
    except KeyboardInterrupt as interrupt:
        try:
            return load.cancel(), False
        except WorkbenchError:  # a Ctrl-C at the terminal reaches the generator too, and may have ended it
            raise interrupt from None


def _scales_itself(deployment: Deployment) -> bool:
    """Whether instances come and go with the requests, from zero (the protocol's `scale` then sets only a limit)."""
    return deployment.pattern == "serverless"


def _rest(deployment: Deployment, limit: int) -> int:
    """Bring the deployment to its resting state; returns the number of instances it then has."""
    if not _scales_itself(deployment):
        deployment.scale(1)
        wanted = 1
    else:
        deployment.scale(limit)
        for instance in deployment.instances():
            deployment.kill_instance(instance.instance_id)
        wanted = 0
    deadline = time.monotonic() + REST_WITHIN_S
    while len(deployment.instances()) != wanted:
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"{deployment.pattern} has {len(deployment.instances())} instances at rest instead of {wanted}. "
                "Look at its events() and logs()."
            )
        time.sleep(0.02)
    return wanted


def _measurement(
    deployment: Deployment,
    burst: Burst,
    result: LoadResult,
    timeline: list[list[float]],
    complete: bool,
    extra: dict[str, float],
) -> Measurement:
    answered = result.ok_ms
    until_s = timeline[-1][0]
    detail: dict[str, Any] = {
        "rate_per_s": burst.rate_per_s,
        "duration_s": burst.schedule.duration_s,
        "planned_s": list(result.planned_s),
        "latency_ms": list(result.latency_ms),
        "status": list(result.status),
        "goal_ms": burst.goal_ms,
        "time_to_goal_s": time_to_goal(result.planned_s, result.latency_ms, result.status, burst.goal_ms, until_s),
        "instances": timeline,
        "counts": dict(result.counts),
        "start_instances": int(timeline[0][1]),
        "peak_instances": int(max(n for _, n in timeline)),
        "lateness_p99_ms": result.lateness_p99_ms,
        "kept_up": result.kept_up,
        **extra,
    }
    if answered:
        detail |= {f"p{q}_ms": percentile(answered, q) for q in (50, 95, 99)}
        detail["ci95_p99_ms"] = list(interval(answered, 99))
    even = burst.schedule.kind in ("poisson", "constant")
    how = (
        f"one open-loop {'burst' if even else burst.schedule.kind} of {len(result.planned_s)} requests at "
        f"{burst.rate_per_s:g} a second{'' if even else ' at most'} for {burst.schedule.duration_s:g} s from the "
        "resting state; latency from the planned send time; deployments in turn"
    )
    provenance = Provenance("measured", how)
    return Measurement(
        "scaling", deployment.pattern, deployment.sandbox, "ms", answered, provenance, detail=detail, complete=complete
    )
