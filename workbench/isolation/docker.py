"""The docker sandbox: a container of Docker Engine on the same root file system as the others.

The control channel is a Unix socket, and the output a FIFO, in a directory that is mounted into the container. A
`lambda_host.py` gets no network at all, as its listener comes out over the control channel; an `http_host.py` has its
port published on the loopback interface, the way people use Docker.
"""

from __future__ import annotations

import contextlib
import os
import time

from workbench.isolation import channel, docker_container, docker_engine, docker_image, keeper
from workbench.isolation.docker_box import ContainerBox
from workbench.isolation.docker_home import Home
from workbench.sandbox import SandboxSpec
from workbench.session import session_dir

NAME = "docker"


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
            settings = docker_container.settings(client, spec, tag, home.path)
            container = str(client.api.create_container(**settings)["Id"])
            undo.callback(docker_engine.remove, client, container)
            client.api.start(container)
        control = home.accept(lambda: docker_engine.state(client, container), spec.name)
        undo.callback(control.close)
        port = docker_container.PORT
        address = docker_engine.address(client, container, port) if spec.entry == channel.HTTP_ENTRY else ""
        undo.pop_all()
    return DockerSandbox(spec, client, container, home, control, address, launched_ns)


class DockerSandbox(ContainerBox):
    """A container of the engine's usual runtime."""

    kind = NAME
