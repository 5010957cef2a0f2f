"""A spike onto a service that takes long to start: what becomes of its requests, second by second."""

from __future__ import annotations

import time
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.experiments.operating import operated
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.timeline import instances_over_time
from workbench.load import LoadResult, Schedule, constant, start_load
from workbench.records import Measurement, Provenance

EXPERIMENT = "spike"
ENDS = ("in time", "late", "throttled", "failed")
"""How a request ended: answered within the goal, answered later, refused with 429, anything else."""

_REST_WITHIN_S = 10.0


def spike(
    *deployments: Deployment,
    requests: int = 1000,
    over_s: float = 6.0,
    goal_ms: float = 500.0,
    instances: int = 4,
    payload: Any = None,
    timeout_s: float | None = None,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Send `requests` evenly over `over_s` seconds to each deployment in turn, from rest, and see how each ended.

    At rest serverless has no instance, and may start `instances`; the others have one, and an operator asks for
    `instances` when the spike begins. `goal_ms` is what callers count as in time, from the planned send time; after
    `timeout_s` (by default the service's own limit) they give up.

    Samples: milliseconds of requests answered. Detail: planned_s, latency_ms and status of every request, goal_ms,
    timeout_s, duration_s, ends (requests by ENDS), first_answer_s (None: there was none), instances [[s, n]],
    kept_up (whether the generator did). Raises DeploymentError when a deployment does not come to rest, Interrupted.
    """
    tell = progress or silent
    schedule = constant(requests / over_s, over_s)
    done: list[Measurement] = []
    with keeping(lambda: tuple(done)):
        for place, deployment in enumerate(deployments):
            tell(EXPERIMENT, place, len(deployments))
            limit_s = timeout_s or float(deployment.service.resources.timeout_s)
            done.append(_one(deployment, schedule, (instances, goal_ms, limit_s), {} if payload is None else payload))
        tell(EXPERIMENT, len(deployments), len(deployments))
    return tuple(done)


def ends(latency_ms: list[float | None], status: list[str], goal_ms: float) -> dict[str, int]:
    """How many requests ended in each of ENDS."""
    counted = dict.fromkeys(ENDS, 0)
    for latency, how in zip(latency_ms, status, strict=True):
        counted[end(latency, how, goal_ms)] += 1
    return counted


def end(latency_ms: float | None, status: str, goal_ms: float) -> str:
    """How one request ended, of ENDS."""
    if status == "ok":
        return ENDS[0] if latency_ms is not None and latency_ms <= goal_ms else ENDS[1]
    return ENDS[2] if status == "throttled" else ENDS[3]


def _one(deployment: Deployment, schedule: Schedule, bounds: tuple[int, float, float], payload: Any) -> Measurement:
    instances, goal_ms, limit_s = bounds
    itself = deployment.pattern == "serverless"
    at_rest = _rest(deployment, instances, itself)
    with start_load(deployment.targets(payload), schedule, timeout_s=limit_s) as load:
        started_s = load.started_s()
        if itself:
            result = load.result()
        else:
            with operated(deployment, load, (instances, None), payload) as failure:
                result = load.result()
            if failure:
                raise failure[0]
    until_s = time.monotonic() - started_s
    timeline = instances_over_time(deployment.events(), started_s, at_rest, until_s)
    return _measurement(deployment, schedule, result, (goal_ms, limit_s), timeline)


def _rest(deployment: Deployment, instances: int, itself: bool) -> int:
    deployment.scale(instances if itself else 1)
    if not itself:
        return 1
    for one in deployment.instances():
        deployment.kill_instance(one.instance_id)
    deadline = time.monotonic() + _REST_WITHIN_S
    while deployment.instances():
        if time.monotonic() > deadline:
            raise DeploymentError(f"{deployment.pattern} does not come to rest. Look at its events() and logs().")
        time.sleep(0.02)
    return 0


def _measurement(
    deployment: Deployment,
    schedule: Schedule,
    result: LoadResult,
    bounds: tuple[float, float],
    timeline: list[list[float]],
) -> Measurement:
    goal_ms, limit_s = bounds
    answered = [
        planned + latency / 1000
        for planned, latency, how in zip(result.planned_s, result.latency_ms, result.status, strict=True)
        if how == "ok" and latency is not None
    ]
    detail: dict[str, Any] = {
        "planned_s": list(result.planned_s),
        "latency_ms": list(result.latency_ms),
        "status": list(result.status),
        "goal_ms": goal_ms,
        "timeout_s": limit_s,
        "duration_s": schedule.duration_s,
        "ends": ends(list(result.latency_ms), list(result.status), goal_ms),
        "first_answer_s": min(answered, default=None),
        "instances": timeline,
        "kept_up": result.kept_up,
    }
    how = (
        f"{len(result.planned_s)} requests, evenly over {schedule.duration_s:g} s, open-loop, onto the resting state; "
        f"latency from the planned send time; in time: within {goal_ms:g} ms; deployments in turn"
    )
    return Measurement(
        EXPERIMENT,
        deployment.pattern,
        deployment.sandbox,
        "ms",
        result.ok_ms,
        Provenance("measured", how),
        detail=detail,
    )
