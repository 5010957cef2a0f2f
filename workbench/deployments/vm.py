"""The service VM-style: long-running processes of the machine itself, started ahead of need, supervised, restarted.

What a process manager on a virtual machine does. The machine here is this one: its boot is not part of any number, and
neighbours on it are separated as processes of one user are, which is to say hardly.
"""

from __future__ import annotations

from workbench import isolation
from workbench.deployments.replicas import Replicas
from workbench.errors import DeploymentError
from workbench.service import Service

SANDBOXES = ("process",)


class VmDeployment(Replicas):
    """Reserved, supervised processes."""

    pattern = "vm"


def deploy(service: Service, sandbox: str = "auto") -> VmDeployment:
    """Start one process of the service; raises HandlerError when its module does not load."""
    if sandbox != "auto" and sandbox not in SANDBOXES:
        raise DeploymentError(f"A VM-style deployment has no sandbox {sandbox!r}; choose auto or process.")
    deployment = VmDeployment(service, "process", isolation.launcher("process"))
    try:
        deployment.scale(1)
    except BaseException:
        deployment.close()
        raise
    return deployment
