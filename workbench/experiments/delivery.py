"""From code to a running service and back to health: deploying, updating, recovering, watching, constraining."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import DeploymentError, WorkbenchError
from workbench.experiments.languages import languages
from workbench.experiments.limits import LIMITED, cpu_share, memory_limit
from workbench.experiments.probing import probe_beside
from workbench.experiments.progress import Progress, keeping, silent
from workbench.experiments.telemetry import telemetry
from workbench.experiments.traffic import Traffic
from workbench.experiments.versions import versions_of
from workbench.package import package
from workbench.records import Measurement, Provenance
from workbench.service import Service

RECOVERY_LIMIT_S = 30.0


@dataclass
class _Taken:
    deployment: Deployment
    deploy_s: list[float] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)
    detail: dict[str, Any] = field(
        default_factory=lambda: {
            "package_s": [],
            "update_s": [],
            "failed_while_updating": 0,
            "asked_while_updating": 0,
            "first_failure": "",
            "recovery_s": [],
            "failed_while_recovering": 0,
        }
    )


def delivery(
    *deployments: Deployment, rounds: int = 2, payload: Any = None, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Deploy, update and break a copy of the service beside each deployment, `rounds` times, interleaved.

    Samples: seconds from a changed source tree to the first answer (package + deploy + answer). Detail: package_s;
    update_s, with the requests asked and failed meanwhile (20 a second); recovery_s from the order to end its instances
    until the service answers again, with the requests failed meanwhile; telemetry (which signals really came);
    languages (tried); cpu_share and memory_limit of a small instance. Raises what deploying raises, DeploymentError
    when the service does not recover within 30 s, and Interrupted.
    """
    tell = progress or silent
    payload = {} if payload is None else payload
    taken = [_Taken(d) for d in deployments]
    total = (rounds + 1) * len(taken)
    began = time.monotonic()
    with keeping(lambda: tuple(_measurement(t, complete=False) for t in taken)):
        for number in range(rounds):
            for place, one in enumerate(taken):
                tell("delivery", number * len(taken) + place, total)
                _one_life(one, payload, began)
        for place, one in enumerate(taken):
            tell("delivery", rounds * len(taken) + place, total)
            _look(one)
        tell("delivery", total, total)
    return tuple(_measurement(t, complete=True) for t in taken)


def _one_life(taken: _Taken, payload: Any, job_began: float) -> None:
    with versions_of(taken.deployment.service) as next_version:
        began = time.monotonic()
        first = next_version()
        package(first)
        taken.detail["package_s"].append(time.monotonic() - began)
        copy = taken.deployment.beside(first)
        try:
            copy.invoke(payload)
            taken.taken_s.append(began - job_began)
            taken.deploy_s.append(time.monotonic() - began)
            _update(taken, copy, next_version(), payload)
            _recover(taken, copy, payload)
        finally:
            copy.close()


def _update(taken: _Taken, copy: Deployment, version: Service, payload: Any) -> None:
    with Traffic(copy, payload) as traffic:
        time.sleep(0.2)
        began = time.monotonic()
        copy.update(version)
        copy.invoke(payload)
        took = time.monotonic() - began
        time.sleep(0.2)  # a failure may come just after
    taken.detail["update_s"].append(took)
    taken.detail["asked_while_updating"] += traffic.asked
    taken.detail["failed_while_updating"] += traffic.failed
    taken.detail["first_failure"] = taken.detail["first_failure"] or traffic.first_failure


def _recover(taken: _Taken, copy: Deployment, payload: Any) -> None:
    answered_by = copy.invoke(payload).instance_id
    if answered_by not in {i.instance_id for i in copy.instances()}:
        return  # gone by itself meanwhile: there is nothing to end
    # With surplus instances the loss of one shows little; what is asked is how long the service may be away.
    doomed = [instance.instance_id for instance in copy.instances()]
    began = time.monotonic()
    for instance_id in doomed:
        copy.kill_instance(instance_id)
    while time.monotonic() - began < RECOVERY_LIMIT_S:
        try:
            copy.invoke(payload)
        except WorkbenchError:
            taken.detail["failed_while_recovering"] += 1
            time.sleep(0.005)
            continue
        taken.detail["recovery_s"].append(time.monotonic() - began)
        return
    raise DeploymentError(
        f"{taken.deployment.pattern} did not answer within {RECOVERY_LIMIT_S:g} s after its instances were ended. "
        "Look at its events() and logs()."
    )


def _look(taken: _Taken) -> None:
    with probe_beside(taken.deployment, "constrained", LIMITED) as probe:
        taken.detail["telemetry"] = telemetry(probe)
        taken.detail["cpu_share"] = cpu_share(probe)
        taken.detail["memory_limit"] = memory_limit(probe).to_json()
    taken.detail["languages"] = languages(taken.deployment)


def _measurement(taken: _Taken, *, complete: bool) -> Measurement:
    how = (
        f"{len(taken.deploy_s)} deployments of a changed copy of the service beside the one under test, each updated "
        "under 20 requests a second and then ended violently; deployments interleaved; platform and engine ran before"
    )
    return Measurement(
        "delivery",
        taken.deployment.pattern,
        taken.deployment.sandbox,
        "s",
        tuple(taken.deploy_s),
        Provenance("measured", how),
        detail=dict(taken.detail),
        complete=complete,
        taken_s=tuple(taken.taken_s[: len(taken.deploy_s)]),  # an interrupt may have come between the two
    )
