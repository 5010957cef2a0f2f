"""The main job: one service deployed several ways, measured side by side, and what was found kept as it is found."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from workbench import experiments, tradeoff
from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments import Interrupted, Progress, silent
from workbench.experiments.answering import answering
from workbench.package import package
from workbench.records import Measurement, Run
from workbench.service import Service

RUN_FILE = "run.json"

COLD_BUDGET_S = 30.0
"""What all cold starts together may take; a service with a slow init gets fewer samples, down to FEWEST_COLD."""

FEWEST_COLD = 6
"""Below six samples there is no 95% interval of a median."""


ROUNDS_WITHIN_S = {"isolation": 35.0, "delivery": 50.0}
"""An experiment that begins later than this after the job did takes one round: a busy machine must not mean waiting."""


@dataclass(frozen=True)
class Plan:
    """How much of everything is measured."""

    cold_samples: int
    fewest_cold: int
    burst_s: float
    most_per_s: float
    noise_rounds: int
    noise_window_s: float
    delivery_rounds: int


FULL = Plan(10, FEWEST_COLD, 5.0, 60.0, 2, 0.5, 2)
QUICK = Plan(6, 3, 3.0, 30.0, 1, 0.5, 1)
"""A look, not a basis for a decision."""


def compare(
    service: Service,
    patterns: Sequence[str] = ("serverless", "container", "vm"),
    *,
    quick: bool = False,
    out: str | Path | None = None,
    progress: Progress | None = None,
    deploy: Callable[[Service, str], Deployment] | None = None,
    payload: Any = None,
) -> Run:
    """Deploy `service` each way, measure cold start, scaling, isolation, delivery and cost, and find the nine forces.

    `payload` is what the service is invoked with; without one, `{}` is tried and then an HTTP request `GET /`. The run
    is saved to `out`/run.json after each experiment. Raises PackageError for a service that cannot be packaged,
    HandlerError when its first invocation fails, and whatever deploying raises, with nothing left running. An
    experiment that fails later leaves a note in the run's environment, and the others go on. On Ctrl-C the run is saved
    with what was measured (`complete` False), everything is stopped, and KeyboardInterrupt goes on to the caller.
    """
    tell = progress or silent
    job = _Job(_described(service), None if out is None else Path(out) / RUN_FILE)
    with contextlib.ExitStack() as started:
        try:
            deployments = []
            for place, pattern in enumerate(patterns):
                tell("deploy", place, len(patterns))
                deployments.append(started.enter_context((deploy or _deploy)(service, pattern)))
            chosen, note = answering(deployments, payload)
            tell("deploy", len(patterns), len(patterns))
            job.begin(deployments, chosen, note)
            _measure(job, deployments, QUICK if quick else FULL, chosen, tell)
        except KeyboardInterrupt as interrupt:
            job.interrupted(interrupt)
            raise
    return job.finished()


class _Job:
    """The run as it grows, on disk after every step."""

    def __init__(self, service: dict[str, Any], path: Path | None) -> None:
        self.run = Run(service, {**environment({}), **_load_average()}, complete=False)
        self._path = path
        self._began_s = time.monotonic()

    def begin(self, deployments: Sequence[Deployment], payload: Any, note: str) -> None:
        isolated = {d.pattern: d.sandbox for d in deployments}
        self.run = replace(
            self.run,
            service={**self.run.service, "payload": payload},
            environment={**self.run.environment, "isolation": isolated},
        )
        self.note(note)

    def rounds(self, experiment: str, planned: int) -> int:
        """The rounds planned, or one where the job is late, which is noted."""
        if planned == 1 or time.monotonic() - self._began_s <= ROUNDS_WITHIN_S[experiment]:
            return planned
        self.note(f"{experiment} took 1 round instead of {planned}: this machine is busy or the service slow.")
        return 1

    def note(self, text: str) -> None:
        if text:
            notes = [*self.run.environment["notes"], text]
            self.run = replace(self.run, environment={**self.run.environment, "notes": notes})

    def add(self, measurements: Sequence[Measurement]) -> None:
        self.run = self.run.add(*measurements)
        self.save()

    def interrupted(self, interrupt: KeyboardInterrupt) -> None:
        if isinstance(interrupt, Interrupted):
            self.run = self.run.add(*interrupt.measurements)
        if self.run.measurements:
            self.save()

    def finished(self) -> Run:
        self.run = replace(self.run, complete=all(m.complete for m in self.run.measurements))
        self.save()
        return self.run

    def save(self) -> None:
        self.run = replace(self.run, tradeoff=tradeoff.table(self.run))
        if self._path is not None:
            self.run.save(self._path)


def _measure(job: _Job, deployments: Sequence[Deployment], plan: Plan, payload: Any, tell: Progress) -> None:
    samples = _affordable(deployments, plan, payload)
    if samples < plan.cold_samples:
        job.note(f"{samples} cold starts instead of {plan.cold_samples}: this service takes long to start.")
    steps: tuple[tuple[str, Callable[[], Sequence[Measurement]]], ...] = (
        ("cold start", lambda: experiments.cold_start(*deployments, samples=samples, payload=payload, progress=tell)),
        (
            "scaling",
            lambda: experiments.scaling(
                *deployments, most_per_s=plan.most_per_s, duration_s=plan.burst_s, payload=payload, progress=tell
            ),
        ),
        (
            "isolation",
            lambda: experiments.isolation(
                *deployments,
                rounds=job.rounds("isolation", plan.noise_rounds),
                window_s=plan.noise_window_s,
                progress=tell,
            ),
        ),
        (
            "delivery",
            lambda: experiments.delivery(
                *deployments, rounds=job.rounds("delivery", plan.delivery_rounds), payload=payload, progress=tell
            ),
        ),
        ("cost", lambda: _cost(job.run, deployments, tell)),
    )
    for name, measure in steps:
        try:
            job.add(measure())
        except WorkbenchError as error:
            # What one experiment cannot find out must not cost what the others can.
            job.note(f"{name} was not measured: {error}")
            job.save()


def _cost(run: Run, deployments: Sequence[Deployment], tell: Progress) -> Sequence[Measurement]:
    resources = deployments[0].service.resources
    return experiments.cost(*run.of("cold_start").values(), resources=resources, progress=tell)


def _affordable(deployments: Sequence[Deployment], plan: Plan, payload: Any) -> int:
    """How many cold starts of each fit the budget, after one of each to tell; never fewer than the plan's least."""
    one_of_each_s = sum(d.invoke_cold(payload).latency_ms for d in deployments) / 1000
    return max(plan.fewest_cold, min(plan.cold_samples, int(COLD_BUDGET_S / max(one_of_each_s, 0.001))))


def _described(service: Service) -> dict[str, Any]:
    ready = package(service)
    return {
        "name": service.name,
        "handler": service.handler,
        "runtime": service.runtime,
        "memory_mb": service.resources.memory_mb,
        "vcpus": round(service.resources.vcpus, 3),
        "package_sha256": ready.sha256,
        "package_bytes": ready.size_bytes,
    }


def environment(isolation: dict[str, str]) -> dict[str, Any]:
    """This machine, as far as it matters to the numbers: cpu, cores, memory_mb, kernel, python, versions, isolation."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": _versions(),
        "isolation": isolation,
        "notes": [],
    }


def _load_average() -> dict[str, float]:
    """What else the machine has to do, before the job adds to it: processes waiting, over the last minute."""
    return {"load_average": round(os.getloadavg()[0], 2)} if hasattr(os, "getloadavg") else {}


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Hardware"):
                return value.strip()
    return platform.processor() or platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for name in ("deployment-workbench", "awslambdaric", "boto3", "aiohttp", "docker", "numpy", "scipy"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _deploy(service: Service, pattern: str) -> Deployment:
    from workbench.deployments import deploy

    return deploy(service, pattern)
