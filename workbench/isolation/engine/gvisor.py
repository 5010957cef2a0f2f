"""The gvisor sandbox: a container of Docker Engine whose system calls gVisor (`runsc`) answers instead of the kernel.

It has no network. gVisor's own network stack cannot pass a listener out, so the inside connects to Unix sockets in its
control directory, for which `runsc` needs `--host-uds=open`; its output goes through one too. A loopback port in front
of it is relayed by its owner (`docker_relay.py`).
"""

from __future__ import annotations

import contextlib
import os
import time

import docker

from workbench.capabilities import runsc
from workbench.errors import CapabilityMissing
from workbench.isolation import channel, keeper
from workbench.isolation.engine import docker_container, docker_engine
from workbench.isolation.engine.docker_box import ContainerBox
from workbench.isolation.engine.docker_home import Home
from workbench.isolation.engine.docker_relay import ControlRelay, HttpRelay
from workbench.sandbox import SandboxSpec
from workbench.session import session_dir

NAME = "gvisor"


def launch(spec: SandboxSpec) -> GvisorSandbox:
    """Start `spec.entry` in a container that gVisor runs.

    Raises CapabilityMissing where the engine has no `runsc` that can be reached, or for another language than Python;
    DeploymentError when the engine refuses the container.
    """
    launched_ns = time.monotonic_ns()
    channel.check(spec)
    if spec.language != "python":
        raise CapabilityMissing(
            f"The gvisor sandbox runs Python services, not {spec.language}",
            "Use sandbox='docker' for this service.",
        )
    client = docker_engine.client(os.getpid())
    lacking = runsc.missing(docker_engine.runtimes(client))
    if lacking:
        raise CapabilityMissing(lacking.rstrip("."), runsc.REMEDY)
    with contextlib.ExitStack() as undo:
        home = Home(session_dir() / spec.name, by_socket=True)
        undo.callback(home.close)
        http = HttpRelay(home) if spec.entry == channel.HTTP_ENTRY else None
        if http is not None:
            undo.callback(http.close)
        relay = ControlRelay(home, spec.ports, runtime_api=http is None)
        undo.callback(relay.close)
        keeper.keep(spec.name)
        undo.callback(keeper.forget, spec.name)
        with docker_engine.translated(f"start instance {spec.name}"):
            settings = docker_container.settings(client, spec, home.path, runtime=runsc.RUNTIME)
            container = str(client.api.create_container(**settings)["Id"])
            undo.callback(docker_engine.remove, client, container)
            client.api.start(container)
        control = home.accept(lambda: docker_engine.state(client, container), spec.name)
        relay.start(control)
        if http is not None:
            http.start(control)
        undo.pop_all()
    return GvisorSandbox(spec, client, container, home, relay, http, launched_ns)


class GvisorSandbox(ContainerBox):
    """A container of the runtime `runsc`, and the relays before it."""

    kind = NAME

    def __init__(
        self,
        spec: SandboxSpec,
        client: docker.DockerClient,
        container: str,
        home: Home,
        relay: ControlRelay,
        http: HttpRelay | None,
        launched_ns: int,
    ) -> None:
        address = http.address if http is not None else ""
        super().__init__(spec, client, container, home, relay.control, address, launched_ns)
        self._relay, self._http = relay, http
        # gVisor counts neither processes nor threads of the inside against a limit of the container's.
        held = {"tmp", "network", "filesystem", "freeze"}
        if self.in_own_group():  # not where runsc was told --ignore-cgroups
            held |= {"memory", "cpu"}
        self._enforced = frozenset(held)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self.thaw()  # what gVisor has paused takes no signal: the engine would wait for ten seconds
        super().kill()

    def close(self) -> None:
        """`kill`, then remove the container, its directory and the relays."""
        try:
            super().close()
        finally:
            if self._http is not None:
                self._http.close()
            self._relay.close()
