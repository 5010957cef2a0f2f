"""A rolling update of eight instances under load, against starting eight at once: what it takes not to fail anybody.

The duration is a ratio, since both are made of the same starts. That no request fails is not a matter of speed: it is
asserted.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.bench.scoreboard import Line, Scoreboard, Target, at_most
from tests.needs import needs
from workbench.deployments import deploy
from workbench.deployments.replicas import Replicas
from workbench.errors import WorkbenchError
from workbench.service import Resources, Service
from workbench.statistics import bootstrap_ratio, percentile

INSTANCES = 8
SAMPLES = 3
CALLERS = 2
TARGETS: dict[int, Target | None] = {1: at_most(INSTANCES, "≤ 8"), 4: None}
"""By surge: one at a time must not take longer than eight starts of eight at once would."""

HANDLER = """
import os
def handler(event, context):
    return os.environ["VERSION"]
"""


@pytest.mark.parametrize(
    "sandbox",
    [pytest.param("namespaces", marks=needs("namespaces")), pytest.param("docker", marks=needs("docker"))],
)
@pytest.mark.timeout(900)
def test_rolling_update(sandbox: str, scoreboard: Scoreboard, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(HANDLER)
    service = Service.from_dir(tmp_path, resources=Resources(512, 20), environment={"VERSION": "0"})
    starts: list[float] = []
    updates: dict[int, list[float]] = {surge: [] for surge in TARGETS}
    version, lines = 0, []
    with deploy(service, "container", sandbox=sandbox) as deployment:
        assert isinstance(deployment, Replicas)
        for _ in range(SAMPLES):
            deployment.scale(0)
            began = time.perf_counter()
            deployment.scale(INSTANCES)
            starts.append(time.perf_counter() - began)
            for surge, taken in updates.items():
                version += 1
                taken.append(_update(deployment, service.with_environment(VERSION=str(version)), surge))
    for surge, taken in updates.items():
        lines.append(
            Line(
                f"rolling update of {INSTANCES}, surge {surge}, {sandbox}",
                f"{percentile(taken, 50):.2f} s",
                f"{INSTANCES} started at once",
                f"{percentile(starts, 50):.2f} s",
                bootstrap_ratio(taken, starts),
                TARGETS[surge],
            )
        )
        scoreboard.add(lines[-1])
    scoreboard.check(lines)


def _update(deployment: Replicas, service: Service, surge: int) -> float:
    """Seconds the update takes while callers call; asserts that none of them is failed and all see the new version."""
    done, errors, answers = threading.Event(), list[WorkbenchError](), list[str]()

    def call() -> None:
        while not done.wait(0.005):
            try:
                answers.append(deployment.invoke({}).payload)
            except WorkbenchError as error:
                errors.append(error)

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    began = time.perf_counter()
    try:
        deployment.update(service, surge=surge)
        took = time.perf_counter() - began
    finally:
        done.set()
        for caller in callers:
            caller.join()
    assert answers
    assert errors == []
    assert {deployment.invoke({}).payload for _ in range(INSTANCES)} == {service.environment["VERSION"]}
    return took
