"""The whole matrix on real sandboxes, and what it leaves of the machine it ran on: all of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import leftovers
from tests import needs as parts
from tests.needs import needs
from workbench.deployments import deploy
from workbench.experiments import isolation_matrix
from workbench.experiments.pressures import PRESSURES
from workbench.records import Measurement, Run
from workbench.samples import sample

pytestmark = [pytest.mark.usefixtures("alone"), pytest.mark.timeout(600)]

ORDER = {"sku": "A1", "quantity": 3}
SLACK_MB = 400
"""Less than what one instance of the matrix may take: others use this machine too."""

POOLED = 64
"""Connections that clients of the engine and of the instances keep for next time: as many as were under way at once,
which is more on a busy machine. The matrix asks a thousand times."""

CANARY = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"tweet")
"""


class Canary:
    """A process that has nothing to do with the workbench, asked all the time whether it lives."""

    def __init__(self) -> None:
        self.answers_s: list[float] = []
        self._process = subprocess.Popen([sys.executable, "-c", CANARY], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())
        self._end = threading.Event()
        self._asks = threading.Thread(target=self._ask)
        self._asks.start()

    def _ask(self) -> None:
        while not self._end.wait(0.02):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection,
            ):
                if connection.recv(16) == b"tweet":
                    self.answers_s.append(time.monotonic())

    def close(self) -> None:
        self._end.set()
        self._asks.join()
        self._process.kill()
        self._process.communicate()


@dataclass
class Health:
    """What of the machine must be after the matrix as it was before."""

    processes: frozenset[int]
    descriptors: int
    available_mb: int
    files: frozenset[str]
    left: frozenset[str]

    @classmethod
    def now(cls) -> Health:
        place = Path(os.environ["TMPDIR"])
        children = psutil.Process().children(recursive=True)
        return cls(
            frozenset(c.pid for c in children if c.status() != psutil.STATUS_ZOMBIE),
            len(os.listdir("/proc/self/fd")),
            psutil.virtual_memory().available // 2**20,
            frozenset(str(p) for p in place.rglob("*") if "cache" not in p.relative_to(place).parts),
            leftovers.find(),
        )


@dataclass
class Measured:
    """The matrix, what the canary said meanwhile, and the machine before and after."""

    columns: dict[str, Measurement]
    canary_s: list[float]
    before: Health
    after: Health
    answers: list[Any]

    def probes(self, column: str) -> dict[str, bool | None]:
        return {p["name"]: p["held"] for p in self.columns[column].detail["probes"]}


def settled(is_so: Callable[[], bool], within_s: float = 30.0) -> bool:
    end = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture(scope="module")
def measured() -> Iterator[Measured]:
    """Every sandbox that this machine has, in the one matrix of this file; the deployments stay open meanwhile."""
    names = ["process", *(name for name in ("namespaces", "docker") if parts.find(name) is None)]
    with contextlib.ExitStack() as stack:
        platform = stack.enter_context(deploy(sample("pricing"), "serverless", sandbox="process"))
        answers = [platform.invoke(ORDER).payload]
        columns: dict[str, Any] = {
            name: stack.enter_context(deploy(sample("pricing"), "container", sandbox=name)) for name in names
        }
        canary = Canary()
        stack.callback(canary.close)
        before = Health.now()
        found = isolation_matrix(columns, rounds=1, window_s=0.2)
        answers += [platform.invoke(ORDER).payload, *(each.invoke(ORDER).payload for each in columns.values())]
        settled(lambda: Health.now().processes == before.processes)
        settled(lambda: psutil.virtual_memory().available // 2**20 >= before.available_mb - SLACK_MB)
        yield Measured({m.deployment: m for m in found}, canary.answers_s, before, Health.now(), answers)


def test_every_column_has_every_probe_and_every_pressure(measured: Measured) -> None:
    for name, m in measured.columns.items():
        assert m.complete
        assert m.detail["failure"] == ""
        assert len(measured.probes(name)) == 16
        assert [p["name"] for p in m.detail["pressures"]] == [p.name for p in PRESSURES]
        for p in m.detail["pressures"]:
            assert p["before_ms"], (name, p["name"])
            assert p["after_ms"], (name, p["name"])
            assert p["pressed"], (name, p["name"])
    assert Run({}, {}, tuple(measured.columns.values())).to_json()["deployments"].keys() == measured.columns.keys()


def test_nobody_here_has_a_kernel_of_its_own(measured: Measured) -> None:
    for name in measured.columns:
        assert measured.probes(name)["kernel"] is False
        assert measured.probes(name)["time since boot"] is False


@needs("namespaces")
def test_namespaces_refuse_what_changes_a_machine(measured: Measured) -> None:
    seen = measured.probes("namespaces")
    for name in ("clock", "devices", "system calls"):
        assert seen[name] is True, measured.columns["namespaces"].detail["probes"]


@needs("docker")
def test_docker_refuses_what_changes_a_machine(measured: Measured) -> None:
    seen = measured.probes("docker")
    for name in ("clock", "devices", "system calls"):
        assert seen[name] is True, measured.columns["docker"].detail["probes"]


def test_the_canary_sang_through_every_pressure(measured: Measured) -> None:
    windows = [
        (name, p["name"], began, ended)
        for name, m in measured.columns.items()
        for p in m.detail["pressures"]
        for began, ended in p["during_s"]
    ]
    assert len(windows) == len(PRESSURES) * len(measured.columns)
    for name, pressure, began, ended in windows:
        assert any(began <= at <= ended for at in measured.canary_s), (name, pressure)


def test_the_machine_is_as_it_was(measured: Measured) -> None:
    before, after = measured.before, measured.after
    assert after.processes == before.processes
    assert after.descriptors <= before.descriptors + POOLED
    assert after.available_mb >= before.available_mb - SLACK_MB
    assert after.files <= before.files
    assert after.left <= before.left
    assert settled(lambda: _runnable() <= 4 * (os.cpu_count() or 1))


def test_the_platform_and_every_deployment_still_answer(measured: Measured) -> None:
    assert len(measured.answers) == 2 + len(measured.columns)
    assert {answer["total"] for answer in measured.answers} == {"8.64"}


@needs("docker")
def test_the_engine_still_answers(measured: Measured) -> None:
    import docker

    with contextlib.closing(docker.from_env(timeout=30)) as client:
        assert client.ping()


def _runnable() -> int:
    """How many processes and threads of this machine want a processor at this moment."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])


def test_the_command_writes_the_matrix_and_ends_clean(tmp_path: Path) -> None:
    before = leftovers.find()
    command = [sys.executable, "-m", "workbench.cli", "matrix", "--quick", "--sandboxes", "process"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    assert "kernel" in done.stdout
    run = Run.load(tmp_path / "matrix.json")
    assert run.complete
    assert run.of("isolation_matrix")["process"].detail["pressures"][-1]["name"] == PRESSURES[-1].name
    assert "The isolation matrix" in (tmp_path / "matrix.html").read_text()
    assert settled(lambda: leftovers.find() <= before)


def test_an_interrupt_leaves_nothing_running(tmp_path: Path) -> None:
    before = leftovers.find()
    command = [sys.executable, "-m", "workbench.cli", "matrix", "--quick", "--sandboxes", "process"]
    started = subprocess.Popen([*command, "--out", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    for line in started.stdout:
        if line.startswith("isolation matrix"):
            break
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    assert started.returncode == 130
    assert settled(lambda: leftovers.find() <= before)
