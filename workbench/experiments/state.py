"""A service that keeps its state in the instance: what its counter says once there are several, or none for a while."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from workbench.deployment import Deployment
from workbench.experiments.progress import Progress, keeping, silent
from workbench.records import Measurement, Provenance

EXPERIMENT = "state"
STRETCHES = ("one caller", "several at once", "after a rest")
_EVERY_S = 0.05


@dataclass
class _Asked:
    """One deployment's answers in order: which stretch, memory, stored, instance."""

    deployment: Deployment
    answers: list[tuple[str, int, int, str]] = field(default_factory=list)
    rested_s: float = 0.0


def state(
    *deployments: Deployment,
    calls: int = 12,
    instances: int = 3,
    rest_s: float = 20.0,
    progress: Progress | None = None,
) -> tuple[Measurement, ...]:
    """Ask each deployment of the sample `counter` for visits: `calls` of one caller, as many of `instances` callers at
    once on so many instances, then, after everybody has been quiet, as many of one caller again.

    The rest is over when a deployment that starts instances by need has none left, after `rest_s` at the latest. A
    correct counter says 1, 2, 3 and so on, each once.

    Samples: the count answered from memory, in the order asked (of callers at once: in the order answered). Detail:
    stretch (of STRETCHES), stored (the count of the database in /tmp) and instance of every answer; rested_s; instances
    (how many answered); wrong: answers of memory that no correct counter would have given, and wrong_stored. Raises
    what `invoke` raises, and Interrupted.
    """
    tell = progress or silent
    asked = [_Asked(d) for d in deployments]
    total = 3 * len(asked)
    with keeping(lambda: tuple(_measurement(one, complete=False) for one in asked)):
        for number, one in enumerate(asked):
            tell(EXPERIMENT, number, total)
            one.deployment.scale(1)
            for _ in range(calls):
                _visit(one, STRETCHES[0])
        for number, one in enumerate(asked):
            tell(EXPERIMENT, len(asked) + number, total)
            _at_once(one, calls, instances)
        for number, one in enumerate(asked):
            tell(EXPERIMENT, 2 * len(asked) + number, total)
            _rest(one, rest_s)
            for _ in range(calls):
                _visit(one, STRETCHES[2])
        tell(EXPERIMENT, total, total)
    return tuple(_measurement(one, complete=True) for one in asked)


def wrong(counts: list[int]) -> int:
    """How many of the answers no correct counter would have given: beyond the number asked, or given before."""
    return len(counts) - len(set(counts) & set(range(1, len(counts) + 1)))


def _visit(one: _Asked, stretch: str) -> None:
    told: dict[str, Any] = one.deployment.invoke({"action": "visit"}).payload
    one.answers.append((stretch, int(told["memory"]), int(told["stored"]), str(told["instance"])))


def _at_once(one: _Asked, calls: int, instances: int) -> None:
    one.deployment.scale(instances)
    with ThreadPoolExecutor(instances) as callers:
        list(callers.map(lambda _: _visit(one, STRETCHES[1]), range(calls)))


def _rest(one: _Asked, rest_s: float) -> None:
    began = time.monotonic()
    while time.monotonic() - began < rest_s and one.deployment.pattern == "serverless" and one.deployment.instances():
        time.sleep(_EVERY_S)
    one.rested_s = time.monotonic() - began


def _measurement(one: _Asked, *, complete: bool) -> Measurement:
    memory, stored = [a[1] for a in one.answers], [a[2] for a in one.answers]
    detail = {
        "stretch": [a[0] for a in one.answers],
        "stored": stored,
        "instance": [a[3] for a in one.answers],
        "rested_s": one.rested_s,
        "instances": len({a[3] for a in one.answers}),
        "wrong": wrong(memory),
        "wrong_stored": wrong(stored),
    }
    how = "a counter in memory and one in /tmp, asked by one caller, by several at once, and after a rest"
    return Measurement(
        EXPERIMENT,
        one.deployment.pattern,
        one.deployment.sandbox,
        "count",
        tuple(float(count) for count in memory),
        Provenance("measured", how),
        detail=detail,
        complete=complete,
    )
