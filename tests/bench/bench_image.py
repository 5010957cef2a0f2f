"""A container of the deployment against `docker run` of the same image, against namespaces, and what images take.

From the order to start it to the first answer; taken in turn. Ours has its limits, a network of its own, made for it
within the time measured, and its output read. `docker run` has nothing of that, or a network made before (`--network`),
on which it is what our overhead is counted against: neighbours that do not reach each other are part of the task.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import docker
import pytest

from tests.bench import handlers
from tests.bench.peers.docker_run import has_command
from tests.bench.peers.plain_run import Launched, PlainRun
from tests.bench.scoreboard import Line, Scoreboard, Target, at_most
from tests.needs import needs
from workbench import isolation
from workbench.deployments.images import Images
from workbench.isolation.engine import bases, docker_engine, docker_network
from workbench.package import package, unpacked
from workbench.sandbox import SandboxSpec
from workbench.service import Resources, Service
from workbench.statistics import Estimate, bootstrap_ratio, percentile

pytestmark = needs("docker")

SAMPLES = 15
WARM_UPS = 2
SETTLE_S = 0.05
DEPLOYMENTS = 100
CODE_BYTES = 200_000
_numbers = itertools.count()


class Starts(Protocol):
    name: str

    def cold_ms(self) -> float: ...


@pytest.fixture
def images() -> Iterator[Images]:
    made = Images()
    yield made
    made.close()


@needs("namespaces")
@pytest.mark.timeout(600)
def test_container_start(images: Images, scoreboard: Scoreboard, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(handlers.PYTHON)
    service = Service.from_dir(tmp_path, "app.handler", resources=Resources(memory_mb=1769))
    code = unpacked(package(service))
    tag = images.prepare(service, code)

    def spec() -> SandboxSpec:
        name = f"bench-{os.getpid()}-{next(_numbers)}"
        return SandboxSpec(name, "http_host.py", service.handler, code, service.resources)

    ours = Launched("container (docker)", images.launch, spec)
    boxed = Launched("container (namespaces)", isolation.launcher("namespaces"), spec)
    with _network() as network:
        usual = [PlainRun(tag, api=True), *([PlainRun(tag)] if has_command() else [])]
        alike = PlainRun(tag, network=network) if has_command() else PlainRun(tag, api=True, network=network)
        samples = _in_turn([ours, boxed, alike, *usual])
    lines = [
        _line(ours, alike, samples, at_most(1.05, "≤ 1.05")),
        *(_line(ours, peer, samples, None) for peer in usual),
        _line(boxed, ours, samples, at_most(1 / 8, "≤ 1/8")),
    ]
    for line in lines:
        scoreboard.add(line)
    scoreboard.check(lines)


@pytest.mark.timeout(900)
def test_images_of_many_deployments_share_layers(scoreboard: Scoreboard, tmp_path: Path) -> None:
    client = docker.from_env(timeout=120)
    made = [Images() for _ in range(DEPLOYMENTS + 1)]
    try:
        _build(made[0], tmp_path, 0)
        before = int(client.api.df()["LayersSize"])
        base = int(client.images.get(bases.own()).attrs["Size"])
        for number, images in enumerate(made[1:], 1):
            _build(images, tmp_path, number)
        grown = int(client.api.df()["LayersSize"]) - before
    finally:
        for images in made:
            images.close()
    code = DEPLOYMENTS * CODE_BYTES
    ratio = grown / code
    line = Line(
        f"disk of {DEPLOYMENTS} more images",
        f"{grown / 2**20:.1f} MB",
        f"their code alone (unshared: {DEPLOYMENTS * (base + CODE_BYTES) / 2**20:,.0f} MB)",
        f"{code / 2**20:.1f} MB",
        Estimate(ratio, ratio, ratio),
        at_most(1.05, "≤ 1.05"),
    )
    scoreboard.add(line)
    scoreboard.check([line])


@contextlib.contextmanager
def _network() -> Iterator[str]:
    client = docker_engine.client(os.getpid())
    name = f"bench-{os.getpid()}"
    made = docker_network.create(client, name)
    try:
        yield name
    finally:
        docker_network.remove(client, made)


def _build(images: Images, source: Path, number: int) -> None:
    text = f"# {number}\n".encode() + handlers.PYTHON.encode() + b"\n# "
    (source / "app.py").write_bytes(text.ljust(CODE_BYTES, b"x"))
    images.build(Service.from_dir(source, "app.handler", name="many"))


def _in_turn(contenders: list[Starts]) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(-WARM_UPS, SAMPLES):
        for contender in contenders:
            time.sleep(SETTLE_S)
            took = contender.cold_ms()
            if turn >= 0:
                samples[contender.name].append(took)
    return samples


def _line(ours: Starts, peer: Starts, samples: dict[str, list[float]], target: Target | None) -> Line:
    mine, theirs = samples[ours.name], samples[peer.name]
    what = f"{ours.name}: start to first answer, p50 of {SAMPLES}"
    ratio = bootstrap_ratio(mine, theirs)
    return Line(what, f"{percentile(mine, 50):.1f} ms", peer.name, f"{percentile(theirs, 50):.1f} ms", ratio, target)
