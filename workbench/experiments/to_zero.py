"""Nobody calls for a while, then somebody does: what is left of a deployment meanwhile, and what the way back costs."""

from __future__ import annotations

import time
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments.progress import Progress, keeping, silent
from workbench.instance import InstanceEvent, InstanceState
from workbench.records import Measurement, Provenance

EXPERIMENT = "to_zero"
LOOKED_EVERY_S = 0.05
ENDED = frozenset({InstanceState.STOPPED, InstanceState.FAILED})


def to_zero(
    *deployments: Deployment, within_s: float = 30.0, payload: Any = None, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Call each deployment once, leave all alone until they have no instance or `within_s` is over, and call again.

    All wait at the same time. Serverless ends an idle instance by itself (its idle expiry): then the next call is
    cold. Of a container or VM at least one instance is still there, and the call warm: what is there is the least it
    keeps by itself. What zero would mean for it is tried afterwards: it is scaled to 0, a call that comes then is
    sent, and it is brought back by scaling to 1. Samples: the two calls' latencies in ms. Detail: zero_after_s (from
    the first call's answer until no instance was left; None: never), kept (instances left), cold (of the second call),
    why (as the events say), at_zero ("" where nobody had to scale it; else what a call at zero met), back_s (how long
    bringing it back by hand took, None where it came by itself). Raises what `invoke` raises, and Interrupted.
    """
    tell = progress or silent
    payload = {} if payload is None else payload
    done: list[Measurement] = []
    with keeping(lambda: tuple(done)):
        firsts = [deployment.invoke(payload).latency_ms for deployment in deployments]
        began = time.monotonic()
        zero_s: list[float | None] = [None] * len(deployments)
        while (waited := time.monotonic() - began) < within_s and None in zero_s:
            tell(EXPERIMENT, round(waited), round(within_s))
            for place, deployment in enumerate(deployments):
                if zero_s[place] is None and not deployment.instances():
                    zero_s[place] = _ended_s(deployment.events(), began)
            time.sleep(LOOKED_EVERY_S)
        for place, deployment in enumerate(deployments):
            done.append(_back(deployment, payload, firsts[place], zero_s[place], within_s))
        tell(EXPERIMENT, round(within_s), round(within_s))
    return tuple(done)


def _ended_s(events: tuple[InstanceEvent, ...], began: float) -> float:
    """When the last instance was gone, in seconds since `began`."""
    return max((e.at_s for e in events if e.state in ENDED), default=time.monotonic()) - began


def _back(deployment: Deployment, payload: Any, first_ms: float, zero_s: float | None, within_s: float) -> Measurement:
    kept = len(deployment.instances())
    ends = [e.detail for e in deployment.events() if e.state is InstanceState.STOPPING and e.detail]
    again = deployment.invoke(payload)
    at_zero, back_s = ("", None) if zero_s is not None else _by_hand(deployment, payload)
    detail = {
        "zero_after_s": zero_s,
        "kept": kept,
        "cold": again.cold,
        "why": ends[-1] if zero_s is not None and ends else "",
        "at_zero": at_zero,
        "back_s": back_s,
    }
    how = f"one call, nobody for up to {within_s:g} s, then another; instances looked at every {LOOKED_EVERY_S:g} s"
    samples = (first_ms, again.latency_ms)
    provenance = Provenance("measured", how)
    return Measurement(EXPERIMENT, deployment.pattern, deployment.sandbox, "ms", samples, provenance, detail=detail)


def _by_hand(deployment: Deployment, payload: Any) -> tuple[str, float | None]:
    """Scaled to zero by somebody: what a call meets then, and the seconds until it answers again."""
    try:
        deployment.scale(0)
    except DeploymentError as error:
        return f"it cannot be scaled to zero: {error}", None
    met = "an answer"
    try:
        deployment.invoke(payload)
    except WorkbenchError as error:
        met = str(error)
    began = time.monotonic()
    deployment.scale(1)
    deployment.invoke(payload)
    return met, time.monotonic() - began
