"""The docker sandbox: a container of Docker Engine on the same root file system as the others.

The control channel is a Unix socket in a directory that is mounted into the container. A `lambda_host.py` has its
output in a FIFO there, and no network at all, as its listener comes out over the control channel. An `http_host.py`
is what people use Docker for: it may be of an image of its own (`image`), its output is what `docker logs` shows, and
its port is published on the loopback interface. It is alone on a network of its own, so that its neighbours do not
reach it: rules of a packet filter, which an engine may have been told not to make, are not needed for that as long as
the machine forwards nothing.
"""

from __future__ import annotations

import contextlib
import os
import time

from workbench.isolation import channel, keeper
from workbench.isolation.engine import docker_container, docker_engine, docker_network, docker_output
from workbench.isolation.engine.docker_box import ContainerBox
from workbench.isolation.engine.docker_home import Home
from workbench.sandbox import SandboxSpec
from workbench.session import session_dir

NAME = "docker"


def launch(spec: SandboxSpec, image: str = "") -> DockerSandbox:
    """Start `spec.entry` in a container, with the code mounted; or the instance that `image` has in it, as it is.

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
            settings = docker_container.settings(client, spec, home.path, image)
            network = ""
            if spec.entry == channel.HTTP_ENTRY:
                network = docker_network.create(client, spec.name)
                undo.callback(docker_network.remove, client, network)
            container = str(client.api.create_container(**settings)["Id"])
            undo.callback(docker_engine.remove, client, container)
            output = docker_output.attach(client, container, home.output) if network else None
            client.api.start(container)
        control = home.accept(lambda: docker_engine.state(client, container), spec.name, output)
        undo.callback(control.close)
        port = docker_container.PORT
        address = docker_engine.address(client, container, port) if spec.entry == channel.HTTP_ENTRY else ""
        undo.pop_all()
    return DockerSandbox(spec, client, container, home, control, address, launched_ns, network)


class DockerSandbox(ContainerBox):
    """A container of the engine's usual runtime."""

    kind = NAME
