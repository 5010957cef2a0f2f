"""An isolated cold start of the serverless platform against its peers' and `docker run`'s, as ratios.

The same handler and interpreter; from the request (or the command) to the answer; taken in turn, A B C A B C. Every
sample is confirmed to be a cold start. A ratio is of the medians, its interval from a bootstrap.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.bench.contenders import FUNCTIONS, Contender, MiniStack, ServerlessOffline, Workbench
from tests.bench.peers import docker_run
from tests.bench.scoreboard import Line, Scoreboard, Target, at_most
from tests.functional.faas.platform import Platform
from tests.needs import find, needs
from workbench.isolation import techniques
from workbench.statistics import bootstrap_ratio, percentile

SAMPLES = 25
WARM_UPS = 2
SETTLE_S = 0.05
"""Between two samples: what the last one left to be closed is then closed."""

TARGETS = {"MiniStack": at_most(1 / 10, "≤ 1/10"), "docker run": at_most(1 / 15, "≤ 1/15")}


@needs("namespaces")
@pytest.mark.timeout(900)
def test_cold_start(
    platform: Platform,
    ministack: MiniStack | None,
    serverless_offline: list[ServerlessOffline],
    scoreboard: Scoreboard,
    tmp_path: Path,
) -> None:
    assert WARM_UPS + SAMPLES < FUNCTIONS
    peers: list[Contender] = [*([ministack] if ministack else []), *serverless_offline, *_docker(scoreboard, tmp_path)]
    can = [str(t) for t in sorted(techniques("namespaces"))]
    ours = [Workbench(platform, "workbench")]
    if len(can) > 1:
        ours += [Workbench(platform, f"workbench, {t}", technique=t) for t in can]
    samples = _in_turn([*ours, *peers])
    lines = []
    for peer in peers:
        lines.append(_line(ours[0], peer, samples, TARGETS.get(peer.name)))
        scoreboard.add(lines[-1])
    for technique in ours[1:]:
        scoreboard.add(_line(technique, ours[0], samples, None))
    scoreboard.check(lines)


def _docker(scoreboard: Scoreboard, directory: Path) -> list[Contender]:
    missing = find("docker")
    if missing is not None:
        scoreboard.note(f"not measured: docker run. {missing}")
        return []
    api = docker_run.DockerRun(directory, api=True)
    if docker_run.has_command():
        return [docker_run.DockerRun(directory), api]
    scoreboard.note("not measured: docker run. There is an engine, but its command line is not installed.")
    return [api]


def _in_turn(contenders: list[Contender]) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(-WARM_UPS, SAMPLES):
        for contender in contenders:
            time.sleep(SETTLE_S)
            took = contender.cold_ms()
            if turn >= 0:
                samples[contender.name].append(took)
    return samples


def _line(ours: Contender, peer: Contender, samples: dict[str, list[float]], target: Target | None) -> Line:
    mine, theirs = samples[ours.name], samples[peer.name]
    ratio = bootstrap_ratio(mine, theirs)
    what = f"cold start, p50 of {SAMPLES}" + ("" if ours.name == "workbench" else f", {ours.name.partition(', ')[2]}")
    return Line(what, f"{percentile(mine, 50):.1f} ms", peer.name, f"{percentile(theirs, 50):.1f} ms", ratio, target)
