"""`docker run` of an image that our container deployment builds, as anybody starts it: no limit, nothing dropped.

On the network that the engine gives to everybody, or on one that was made for it, as ours are: for those the engine
starts a name server of its own in each container, which takes it longer than all that we add.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import docker

from tests.bench.clients import Answer, Caller, Request
from tests.bench.contenders import Fresh
from tests.bench.peers.owned import free_port
from workbench.deployments.replica import INVOKE_PATH
from workbench.isolation.engine import docker_engine
from workbench.sandbox import Sandbox, SandboxSpec
from workbench.session import session_id

_PORT = 8080
_PATIENCE_S = 60.0


class PlainRun:
    """A container for every start, by the command line or, with `api`, through the engine's API."""

    def __init__(self, image: str, *, api: bool = False, network: str = "") -> None:
        self.name = ("docker run (API)" if api else "docker run") + (" --network" if network else "")
        self._image, self._api, self._network = image, api, network
        self._client = docker.from_env(timeout=60)
        self._fresh = Fresh()

    def cold_ms(self) -> float:
        started = time.perf_counter()
        port = free_port()
        container = self._by_api(port) if self._api else self._by_command(port)
        try:
            return self._fresh.check(self.name, answer_since(started, f"http://127.0.0.1:{port}"))
        finally:
            docker_engine.remove(self._client, container)

    def _by_command(self, port: int) -> str:
        command = ["docker", "run", "--detach", f"--publish=127.0.0.1:{port}:{_PORT}"]
        command += [f"--network={self._network}"] if self._network else []
        command += ["--label=workbench=1", f"--label=workbench.session={session_id()}", self._image]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _by_api(self, port: int) -> str:
        labels = {"workbench": "1", "workbench.session": session_id()}
        ports = {f"{_PORT}/tcp": ("127.0.0.1", port)}
        network = self._network or None
        return str(
            self._client.containers.run(self._image, detach=True, labels=labels, ports=ports, network=network).id
        )


class Launched:
    """An instance of ours for every start, with all its limits, on whatever sandbox `launch` starts."""

    def __init__(self, name: str, launch: Callable[[SandboxSpec], Sandbox], spec: Callable[[], SandboxSpec]) -> None:
        self.name, self._launch, self._spec = name, launch, spec
        self._fresh = Fresh()

    def cold_ms(self) -> float:
        spec = self._spec()
        started = time.perf_counter()
        box = self._launch(spec)
        try:
            return self._fresh.check(self.name, answer_since(started, box.address))
        finally:
            box.close()


def answer_since(started: float, url: str) -> Answer:
    """The first answer at `url`, asked for until it comes; its milliseconds count from `started`."""
    request = Request(url + INVOKE_PATH, {"Content-Type": "application/json"})
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        caller = Caller(f"http://{urlsplit(url).netloc}")
        with contextlib.closing(caller), contextlib.suppress(OSError, http.client.HTTPException):
            answer = caller.call(request)
            return Answer((time.perf_counter() - started) * 1000, answer.status, answer.headers, answer.body)
        assert time.monotonic() < deadline, "the container does not answer"
        time.sleep(0.001)
