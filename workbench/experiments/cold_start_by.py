"""Cold starts by one factor: what differs is the level, everything else is alike, and the levels take turns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments.cold_start import cold_start
from workbench.experiments.progress import Interrupted, Progress, silent
from workbench.records import Measurement, Provenance

EXPERIMENT = "cold_start_by_"
"""How the experiment of a factor is called in a run: this and the factor, `cold_start_by_memory`."""


@dataclass(frozen=True)
class _Tried:
    """A level: its deployment with the answer of its first cold start, or the reason why there is none."""

    label: str
    deployment: Deployment | None = None
    deploy_s: float = 0.0
    first_ms: float = 0.0
    answer: Any = None
    reason: str = ""


class _AtLevel:
    """A deployment whose measurement is called after its level; everything else is passed on."""

    def __init__(self, deployment: Deployment, label: str) -> None:
        self._deployment, self.pattern = deployment, label

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployment, name)


def cold_start_by(
    factor: str,
    levels: Mapping[str, Callable[[], Deployment]],
    *,
    samples: int = 10,
    payload: Any = None,
    ready: Collection[str] = (),
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Time cold starts, in ms, at each level of a factor, interleaved over the levels (A B C A B C).

    `levels` maps a label to what makes its deployment; all are closed at the end. `ready` are labels of levels whose
    instances are kept ready (see `cold_start`, which times and confirms each sample). The first cold start after
    deploying is apart, as the warm-up. A level that this machine cannot do has no samples, and `reason` in its detail.
    Raises DeploymentError when no level can be done, and Interrupted. Detail: that of `cold_start`, with factor, level,
    pattern, deploy_s (from the order until the deployment was there) and first_answer.
    """
    tell = progress or silent
    with contextlib.ExitStack() as stack:
        tried = []
        for place, (label, make) in enumerate(levels.items()):
            tell(f"deploying {factor} {label}", place, len(levels))
            tried.append(_try(label, make, payload, stack))
        if not any(one.deployment for one in tried):
            reasons = "; ".join(f"{one.label}: {one.reason}" for one in tried) or "none was given"
            raise DeploymentError(f"No level of {factor} can be measured here ({reasons}).")
        running: list[Any] = [_AtLevel(one.deployment, one.label) for one in tried if one.deployment]
        try:
            found = cold_start(
                *running,
                samples=samples,
                warm_per_sample=1,
                warmups=0,
                payload=payload,
                ready=ready,
                progress=progress,
            )
        except Interrupted as interrupted:
            raise Interrupted(_labelled(factor, tried, interrupted.measurements)) from None
        return _labelled(factor, tried, found)


def _try(label: str, make: Callable[[], Deployment], payload: Any, stack: contextlib.ExitStack) -> _Tried:
    began = time.perf_counter()
    try:
        with contextlib.ExitStack() as own:
            deployment = own.enter_context(make())
            deploy_s = time.perf_counter() - began
            first = deployment.invoke_cold(payload if payload is not None else {})
            stack.push(own.pop_all())
    except WorkbenchError as error:
        return _Tried(label, reason=(str(error).splitlines() or [type(error).__name__])[0])
    return _Tried(label, deployment, deploy_s, first.latency_ms, first.payload)


def _labelled(factor: str, tried: list[_Tried], found: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
    measured = {m.deployment: m for m in found}
    named = []
    for one in tried:
        if one.deployment is None:
            named.append(_impossible(factor, one))
        elif one.label in measured:
            named.append(_at_level(factor, one, one.deployment, measured[one.label]))
    return tuple(named)


def _at_level(factor: str, one: _Tried, deployment: Deployment, m: Measurement) -> Measurement:
    detail = {
        **m.detail,
        "factor": factor,
        "level": one.label,
        "pattern": deployment.pattern,
        "deploy_s": one.deploy_s,
        "first_answer": one.answer,
    }
    how = m.provenance.how.replace("deployments interleaved", f"levels of {factor} interleaved")
    return replace(
        m,
        experiment=EXPERIMENT + factor.replace(" ", "_"),
        warmups=(one.first_ms,),
        provenance=replace(m.provenance, how=how),
        detail=detail,
    )


def _impossible(factor: str, one: _Tried) -> Measurement:
    return Measurement(
        EXPERIMENT + factor.replace(" ", "_"),
        one.label,
        "none",
        "ms",
        (),
        Provenance("measured", "tried, and not possible here"),
        detail={"factor": factor, "level": one.label, "pattern": "none", "reason": one.reason},
    )
