"""How much the platform itself needs: 500 functions deployed and 200 instances alive, on whatever machine this is.

Counted is every process of the platform that is not inside an instance: its own process, what it starts instances with,
whatever watches over them. An instance is told by its PID namespace, and there must be as many of those as the platform
says that it has instances, so that nothing of the platform hides among them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil
import pytest

from tests.bench import handlers
from tests.bench.clients import Answer
from tests.bench.contenders import path
from tests.bench.peers.owned import stop_with_parent
from tests.bench.scoreboard import Scoreboard
from tests.functional.faas.platform import Platform
from tests.needs import needs
from workbench.statistics import percentile

FUNCTIONS, INSTANCES = 500, 200
LIMIT_MB = 300


@dataclass(frozen=True)
class Memory:
    """Megabytes: PSS counts a shared page in parts, RSS in full for each process."""

    pss: float
    rss: float
    processes: int


@needs("namespaces")
@pytest.mark.timeout(900)
def test_many_functions_and_instances_on_little_memory(scoreboard: Scoreboard) -> None:
    arguments = ("--account-concurrency", "1000", "--idle-expiry-s", "3600")
    with Platform(*arguments, isolation="namespaces", preexec_fn=stop_with_parent) as platform:
        code = handlers.zipped("app.py", handlers.PYTHON)
        names = [platform.create(code, MemorySize=handlers.MEMORY_MB) for _ in range(FUNCTIONS)]
        deployed, _ = _memory(platform.process.pid)
        alive = {name: handlers.instance_of(_invoke(platform, name).body) for name in names[:INSTANCES]}
        assert len(set(alive.values())) == INSTANCES
        assert platform.ask("GET", "health")["instances"] == INSTANCES
        own, inside = _memory(platform.process.pid)
        for name, instance in alive.items():
            again = _invoke(platform, name)
            assert again.headers["X-Workbench-Cold"] == "0"
            assert handlers.instance_of(again.body) == instance, f"{name} lost its instance"
    scoreboard.note(
        f"platform with {FUNCTIONS} functions deployed and {INSTANCES} instances alive: PSS {own.pss:.0f} MB, "
        f"RSS {own.rss:.0f} MB in {own.processes} processes (before the first instance: PSS {deployed.pss:.0f} MB); "
        f"target < {LIMIT_MB} MB. An instance: PSS {percentile([m.pss for m in inside], 50):.1f} MB (p50)"
    )
    assert len(inside) == INSTANCES, f"{len(inside)} PID namespaces for {INSTANCES} instances: what are the others?"
    assert own.pss < LIMIT_MB


def _invoke(platform: Platform, name: str) -> Answer:
    answer = platform.raw("POST", path(name), handlers.BODY)
    assert answer.status_code == 200, answer.text[:300]
    return Answer(0.0, answer.status_code, answer.headers, answer.content)


def _memory(pid: int) -> tuple[Memory, list[Memory]]:
    """The platform's own, and each instance's."""
    own: list[psutil.Process] = []
    by_namespace: dict[str, list[psutil.Process]] = {}
    for process in (top := psutil.Process(pid), *top.children(recursive=True)):
        namespace = os.readlink(f"/proc/{process.pid}/ns/pid")
        if namespace == os.readlink("/proc/self/ns/pid") or _waits(process):
            own.append(process)
        else:
            by_namespace.setdefault(namespace, []).append(process)
    return _sum(own), [_sum(processes) for processes in by_namespace.values()]


def _waits(process: psutil.Process) -> bool:
    """Whether it is a box built ahead, which is no instance yet."""
    return not process.environ().get("WORKBENCH_INSTANCE", "").strip()


def _sum(processes: list[psutil.Process]) -> Memory:
    each = [process.memory_full_info() for process in processes]
    return Memory(sum(m.pss for m in each) / 1e6, sum(m.rss for m in each) / 1e6, len(each))
