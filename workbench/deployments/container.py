"""The service as containers: one sandbox per instance, with limits, a health check and N replicas.

With a Docker Engine the sandbox is a Docker container of an image that is built from a Dockerfile (`workbench.image`)
when a version is deployed, before any instance starts. Without an engine, Linux namespaces make one (the same kernel
features), and the label says so. `gvisor` is a Docker container whose system calls gVisor answers, of the common image
with the code mounted. `swarm` leaves replicas, health, restarts and updates to the engine's own orchestrator
(`swarm.py`). `process` is the last rung, for a pod that allows neither, and boxes nothing in.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench import capabilities, isolation
from workbench.deployments.replicas import Replicas
from workbench.errors import DeploymentError
from workbench.sandbox import Launcher
from workbench.service import Service

if TYPE_CHECKING:
    from workbench.deployments.images import Images
    from workbench.deployments.swarm import SwarmDeployment

SANDBOXES = ("docker", "gvisor", "namespaces", "process")

ORCHESTRATED = ("swarm",)
"""What boxes instances in as `docker` does, so it is no column of its own in the isolation matrix."""


class ContainerDeployment(Replicas):
    """Replicas in containers."""

    pattern = "container"

    def __init__(self, service: Service, sandbox: str, launch: Launcher, concurrency: int | None = None) -> None:
        self._images: Images | None = None
        if sandbox == "docker":
            from workbench.deployments.images import Images  # docker-py is imported when it is needed

            self._images = Images()
            launch = self._images.launch
        super().__init__(service, sandbox, launch, concurrency)

    def _made_ready(self, service: Service) -> Path:
        code = super()._made_ready(service)
        if self._images is not None:
            self._images.prepare(service, code)
        return code

    def logs(self, instance_id: str) -> str:
        """What an instance printed lately, and last what the engine's own health check says of it."""
        text = super().logs(instance_id)
        health = self._images.health(instance_id) if self._images is not None else ""
        if not health:
            return text
        return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}[workbench] health check: {health}\n"

    def close(self) -> None:
        """Stop every instance, then remove the images that were built for them."""
        try:
            super().close()
        finally:
            if self._images is not None:
                self._images.close()


def deploy(
    service: Service, sandbox: str = "auto", *, concurrency: int | None = None
) -> ContainerDeployment | SwarmDeployment:
    """Start one container of the service, each handling `concurrency` requests at a time (None: as many as come).

    Raises CapabilityMissing when the sandbox asked for does not work here, DeploymentError for one that is none.
    """
    known = SANDBOXES + ORCHESTRATED
    if sandbox != "auto" and sandbox not in known:
        raise DeploymentError(f"A container has no sandbox {sandbox!r}; choose auto or one of {', '.join(known)}.")
    if sandbox == "auto":
        found = capabilities.find()
        sandbox = "docker" if found.docker.available else isolation.best()
    if sandbox == "swarm" and concurrency is not None:
        raise DeploymentError("In a swarm, concurrency cannot be set here yet. Leave it out, or take another sandbox.")
    if sandbox == "swarm":
        from workbench.deployments.swarm import SwarmDeployment  # and docker-py with it

        return SwarmDeployment.started(service)
    deployment = ContainerDeployment(service, sandbox, isolation.launcher(sandbox), concurrency)
    try:
        deployment.scale(1)
    except BaseException:
        deployment.close()
        raise
    return deployment
