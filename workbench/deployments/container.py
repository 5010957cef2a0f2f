"""The service as containers: one sandbox per instance, with limits, a health check and N replicas.

With a Docker Engine the sandbox is a Docker container; without, Linux namespaces make one (the same kernel features,
no engine), and the label says so. `gvisor` is a Docker container whose system calls gVisor answers. `process` is the
last rung, for a pod that allows neither, and boxes nothing in.
"""

from __future__ import annotations

from workbench import capabilities, isolation
from workbench.deployments.replicas import Replicas
from workbench.errors import DeploymentError
from workbench.service import Service

SANDBOXES = ("docker", "gvisor", "namespaces", "process")


class ContainerDeployment(Replicas):
    """Replicas in containers."""

    pattern = "container"


def deploy(service: Service, sandbox: str = "auto") -> ContainerDeployment:
    """Start one container of the service; raises CapabilityMissing when the sandbox asked for does not work here."""
    if sandbox != "auto" and sandbox not in SANDBOXES:
        raise DeploymentError(f"A container has no sandbox {sandbox!r}; choose auto or one of {', '.join(SANDBOXES)}.")
    if sandbox == "auto":
        found = capabilities.find()
        sandbox = "docker" if found.docker.available else isolation.best()
    deployment = ContainerDeployment(service, sandbox, isolation.launcher(sandbox))
    try:
        deployment.scale(1)
    except BaseException:
        deployment.close()
        raise
    return deployment
