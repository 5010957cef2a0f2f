"""The service VM-style: long-running processes of the machine itself, started ahead of need, supervised, restarted.

What a process manager on a virtual machine does. The machine here is this one: its boot is not part of any number, and
neighbours on it are separated as processes of one user are, which is to say hardly.
"""

from __future__ import annotations

from workbench import isolation
from workbench.deployments.replicas import Replicas
from workbench.deployments.reservations import RESERVATIONS, Reserved
from workbench.errors import DeploymentError
from workbench.service import Service

SANDBOXES = ("process",)


class VmDeployment(Replicas):
    """Reserved, supervised processes."""

    pattern = "vm"

    def scale(self, n: int) -> None:
        """Have `n` instances ready, each with its memory reserved; raises DeploymentError where they do not fit.

        CPUs may be promised more than once (`reserved()` says how far); memory is not. An update's surge is not
        reserved: it is over when the update is.
        """
        before = self.reserved().instances
        RESERVATIONS.hold(self, max(0, n), self.service.resources)
        try:
            super().scale(n)
        except BaseException:
            RESERVATIONS.hold(self, min(before, max(0, n)), self.service.resources)
            raise

    def reserved(self) -> Reserved:
        """What this deployment's instances have reserved of the machine."""
        return RESERVATIONS.of(self)

    def close(self) -> None:
        """Stop every instance and give back what was reserved."""
        try:
            super().close()
        finally:
            RESERVATIONS.release(self)


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
