"""The docker sandbox: a container of Docker Engine on the same root file system as the others.

The control channel is a Unix socket, and the output a FIFO, in a directory that is mounted into the container. A
`lambda_host.py` gets no network at all, as its listener comes out over the control channel; an `http_host.py` has its
port published on the loopback interface, the way people use Docker.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import docker.errors

from workbench.isolation import cgroups, channel, docker_engine, docker_image, keeper, languages, rootfs
from workbench.isolation.docker_home import Home
from workbench.sandbox import SandboxSpec, Usage
from workbench.session import session_dir, session_id

NAME = "docker"
UID = 64_535
"""The user that instances run as: one that no distribution gives to anybody."""

_PORT = 8080
_INSIDE = "/run/workbench"
_PATIENCE_S = 60.0


def launch(spec: SandboxSpec) -> DockerSandbox:
    """Start `spec.entry` in a container.

    Raises CapabilityMissing where no engine can be reached, DeploymentError when it refuses the container.
    """
    launched_ns = time.monotonic_ns()
    channel.check(spec)
    client = docker_engine.client(os.getpid())
    with contextlib.ExitStack() as undo:
        home = Home(session_dir() / spec.name)
        undo.callback(home.close)
        keeper.keep(spec.name)
        undo.callback(keeper.forget, spec.name)
        with docker_engine.translated(f"start instance {spec.name}"):
            tag = docker_image.image(client)
            container = str(client.api.create_container(**_container(client, spec, tag, home.path))["Id"])
            undo.callback(docker_engine.remove, client, container)
            client.api.start(container)
        control = home.accept(lambda: docker_engine.state(client, container), spec.name)
        undo.callback(control.close)
        address = docker_engine.address(client, container, _PORT) if spec.entry == channel.HTTP_ENTRY else ""
        undo.pop_all()
    return DockerSandbox(spec, client, container, home, control, address, launched_ns)


class DockerSandbox:
    """See `workbench.sandbox.Sandbox`. What the engine tells is asked of it each time; after the end it is kept."""

    kind = NAME

    def __init__(
        self,
        spec: SandboxSpec,
        client: docker.DockerClient,
        container: str,
        home: Home,
        control: socket.socket,
        address: str,
        launched_ns: int,
    ) -> None:
        self.name, self.address, self.control, self.output = spec.name, address, control, home.output
        self.launched_ns = launched_ns
        self.container_id = container
        self._client, self._home = client, home
        self._lock = threading.RLock()
        self._group: cgroups.Cgroup | None = None
        self._last = Usage(0.0, 0)
        self._exit_code: int | None = None
        self._oom_killed = self._closed = False
        bridged = spec.entry == channel.HTTP_ENTRY  # there containers reach one another, as is Docker's default
        self._enforced = frozenset({"memory", "cpu", "pids", "tmp", "filesystem", "freeze"})
        self._enforced |= frozenset() if bridged else frozenset({"network"})

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
                self._home.close()
                keeper.forget(self.name)

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


def _container(client: docker.DockerClient, spec: SandboxSpec, tag: str, home: Path) -> dict[str, Any]:
    bridged = spec.entry == channel.HTTP_ENTRY
    environment = channel.environment(spec, task_root="/var/task", runtime_dir="/var/runtime", home="/tmp")
    environment |= {"WORKBENCH_CONTROL_PATH": f"{_INSIDE}/control.sock", "WORKBENCH_OUTPUT_PATH": f"{_INSIDE}/output"}
    if bridged:
        environment["WORKBENCH_LISTEN_PORT"] = str(_PORT)
    shown = {
        "/var/task": spec.code,
        _INSIDE: home,
        languages.INSIDE: languages.tree(spec.language),
        "/opt": spec.opt,
    }
    memory = spec.resources.memory_mb * 2**20
    host = client.api.create_host_config(
        binds={str(path): {"bind": place, "mode": "ro"} for place, path in shown.items() if path is not None},
        network_mode="bridge" if bridged else "none",
        port_bindings={f"{_PORT}/tcp": ("127.0.0.1",)} if bridged else None,
        read_only=True,
        tmpfs={"/tmp": f"rw,nosuid,nodev,exec,mode=1777,size={spec.resources.tmp_mb}m"},
        mem_limit=memory,
        memswap_limit=memory,
        cpu_period=cgroups.PERIOD_US,
        cpu_quota=max(1000, round(spec.resources.vcpus * cgroups.PERIOD_US)),
        pids_limit=spec.pids_limit,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        ulimits=[
            docker.types.Ulimit(name="core", soft=0, hard=0),
            docker.types.Ulimit(name="nofile", soft=1024, hard=1024),
        ],
        init=False,
        auto_remove=False,
        restart_policy={"Name": "no"},
        log_config=docker.types.LogConfig(type="json-file", config={"max-size": "1m"}),
    )
    user = (UID, UID) if os.getuid() == 0 else (os.getuid(), os.getgid())
    return {
        "image": tag,
        "name": spec.name,
        "hostname": spec.name[:63],
        "user": f"{user[0]}:{user[1]}",
        "entrypoint": languages.prepared(spec, interpreter=rootfs.interpreter(), runtime_dir="/var/runtime"),
        "environment": environment,
        "working_dir": "/var/task",
        "labels": {"workbench": "1", "workbench.session": session_id()},
        "ports": [_PORT] if bridged else None,
        "host_config": host,
    }


def _larger(last: Usage, now: Usage) -> Usage:
    return Usage(max(last.cpu_s, now.cpu_s), max(last.peak_memory_bytes, now.peak_memory_bytes))
