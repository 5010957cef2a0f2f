"""One container as a sandbox: what the sandboxes that Docker Engine runs have in common."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import docker
import docker.errors

from workbench.isolation import cgroups, keeper
from workbench.isolation.engine import docker_engine, docker_network
from workbench.isolation.engine.docker_home import Home
from workbench.sandbox import SandboxSpec, Usage

_PATIENCE_S = 60.0


class ContainerBox:
    """See `workbench.sandbox.Sandbox`. What the engine tells is asked of it each time; after the end it is kept."""

    kind = "docker"

    def __init__(
        self,
        spec: SandboxSpec,
        client: docker.DockerClient,
        container: str,
        home: Home,
        control: socket.socket,
        address: str,
        launched_ns: int,
        network: str = "",
    ) -> None:
        self.name, self.address, self.control, self.output = spec.name, address, control, home.output
        self.launched_ns = launched_ns
        self.container_id = container
        self._client, self._home, self._network = client, home, network
        self._lock = threading.RLock()
        self._group: cgroups.Cgroup | None = None
        self._last = Usage(0.0, 0)
        self._exit_code: int | None = None
        self._oom_killed = self._closed = False
        self._enforced = frozenset({"memory", "cpu", "pids", "tmp", "filesystem", "freeze"})
        if not network or docker_network.apart(client):
            self._enforced |= {"network"}

    @property
    def enforced(self) -> frozenset[str]:
        """Limits that hold."""
        return self._enforced

    def freeze(self) -> None:
        """Pause the container."""
        self._if_running(self._client.api.pause)

    def thaw(self) -> None:
        """Let the container go on."""
        self._if_running(self._client.api.unpause)

    def usage(self) -> Usage:
        """CPU and peak memory so far; what was last seen once it has ended."""
        with self._lock:
            if self._exit_code is None and not self._closed:
                with contextlib.suppress(*docker_engine.REFUSED):
                    self._last = _larger(self._last, self._counted_by_kernel() or self._counted_by_engine())
            return self._last

    def in_own_group(self) -> bool:
        """Whether the kernel holds it in a control group of the container's own, as its limits need."""
        pid = int(docker_engine.state(self._client, self.container_id).get("Pid", 0))
        return cgroups.of_process(pid, self.container_id) is not None

    def _counted_by_kernel(self) -> Usage | None:
        # The engine publishes what it counts once a second; to wait for that would be measured as a slow container.
        # Its process numbers are this machine's only where the engine is.
        if self._group is None:
            pid = int(docker_engine.state(self._client, self.container_id).get("Pid", 0))
            self._group = cgroups.of_process(pid, self.container_id)
        return self._group.usage() if self._group is not None else None

    def _counted_by_engine(self) -> Usage:
        stats = self._client.api.stats(self.container_id, stream=False, one_shot=True)
        memory = stats.get("memory_stats", {})
        peak = memory.get("max_usage", memory.get("usage", 0))  # cgroup v2 has no maximum there
        return Usage(stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0) / 1e9, peak)

    def oom_killed(self) -> bool:
        """Whether the engine saw the memory limit end something inside."""
        with self._lock:
            if not self._closed and not self._oom_killed:
                self._oom_killed = bool(docker_engine.state(self._client, self.container_id).get("OOMKilled"))
            return self._oom_killed

    def exit_code(self) -> int | None:
        """None while it lives; its exit status, or minus the signal that ended it."""
        with self._lock:
            if self._exit_code is None and self._channel_ended():
                state = docker_engine.state(self._client, self.container_id)
                if state.get("Status") not in ("running", "paused", "restarting"):
                    code = int(state.get("ExitCode", 0))
                    self._exit_code = 128 - code if 128 < code < 192 else code  # 128 + signal, as in a shell
                    self._oom_killed |= bool(state.get("OOMKilled"))
            return self._exit_code

    def terminate(self) -> None:
        """Ask it to take no more requests, and to end when those under way are answered; does not wait."""
        with self._lock:
            if self.exit_code() is None:
                with docker_engine.translated(f"ask instance {self.name} to end"):
                    docker_engine.when_running(
                        lambda container: self._client.api.kill(container, signal="SIGTERM"), self.container_id
                    )

    def kill(self) -> None:
        """End it and everything it started, at once."""
        with self._lock:
            if self._closed or self.exit_code() is not None:
                return
            self.usage()
            with docker_engine.translated(f"end instance {self.name}"):
                docker_engine.when_running(self._client.api.kill, self.container_id)
                with contextlib.suppress(docker.errors.NotFound):
                    self._client.api.wait(self.container_id, timeout=int(_PATIENCE_S))
            while self.exit_code() is None:
                time.sleep(0.002)

    def close(self) -> None:
        """`kill`, then remove the container and its directory."""
        with self._lock:
            if self._closed:
                return
            try:
                self.kill()
                self.oom_killed()
            finally:
                self._closed = True
                self.control.close()
                docker_engine.remove(self._client, self.container_id)
                docker_network.remove(self._client, self._network)
                self._home.close()
                keeper.forget(self.name)

    def health(self) -> str:
        """What the engine's own health check found: `starting`, `healthy`, `unhealthy` and why; empty without one."""
        with self._lock:
            if self._closed:
                return ""
            return docker_engine.health(docker_engine.state(self._client, self.container_id))

    def _if_running(self, action: Callable[[str], Any]) -> None:
        with self._lock:
            if self.exit_code() is None:
                with docker_engine.translated(f"freeze or thaw instance {self.name}"):
                    docker_engine.when_running(action, self.container_id)

    def _channel_ended(self) -> bool:
        # Costs no request: the first process inside holds the other end as long as it lives.
        if self._closed:
            return True
        poll = select.poll()
        poll.register(self.control, select.POLLRDHUP)
        return bool(poll.poll(0))


def _larger(last: Usage, now: Usage) -> Usage:
    return Usage(max(last.cpu_s, now.cpu_s), max(last.peak_memory_bytes, now.peak_memory_bytes))
