"""The service VM-style: long-running processes of the machine itself, started ahead of need, supervised, restarted.

What a process manager on a virtual machine does. The machine here is this one: its boot is not part of any number, and
neighbours on it are separated as processes of one user are, which is to say hardly.

With the sandbox `qemu` every instance is a virtual machine of its own, booted for it; with `qemu-snapshot` it is
restored from one that was booted and saved before (a first one waits for both). The label says what runs the guest's
instructions: `qemu-kvm` the processor itself, `qemu-tcg` QEMU's emulation, which takes its own time.
"""

from __future__ import annotations

from workbench import isolation
from workbench.deployments.replica import READY_WITHIN_S
from workbench.deployments.replicas import Replicas
from workbench.deployments.reservations import RESERVATIONS, Reserved
from workbench.errors import DeploymentError
from workbench.isolation import Snapshots
from workbench.service import Service

SANDBOXES = ("process", "qemu", "qemu-snapshot")


class VmDeployment(Replicas):
    """Reserved, supervised processes."""

    pattern = "vm"
    _snapshots: Snapshots | None = None

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

    def update(
        self, service: Service, *, surge: int = 1, unavailable: int = 0, within_s: float = READY_WITHIN_S
    ) -> None:
        """As `Replicas.update`; the memory of the new version is reserved in place of the old one's."""
        old, instances = self.service.resources, self.reserved().instances
        RESERVATIONS.release(self)
        try:
            RESERVATIONS.hold(self, instances, service.resources)
            super().update(service, surge=surge, unavailable=unavailable, within_s=within_s)
        except BaseException:
            RESERVATIONS.release(self)
            RESERVATIONS.hold(self, instances, old)
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
            if self._snapshots is not None:
                self._snapshots.close()

    def keep(self, snapshots: Snapshots) -> None:
        """Close `snapshots` too, at the end."""
        self._snapshots = snapshots


def deploy(service: Service, sandbox: str = "auto", *, concurrency: int | None = None) -> VmDeployment:
    """Start one instance of the service, each handling `concurrency` requests at a time (None: as many as come).

    Raises HandlerError when its module does not load, CapabilityMissing where a virtual machine is asked for and
    something that it needs is not here.
    """
    if sandbox != "auto" and sandbox not in SANDBOXES:
        raise DeploymentError(
            f"A VM-style deployment has no sandbox {sandbox!r}; choose auto or one of {', '.join(SANDBOXES)}."
        )
    deployment = _made(service, sandbox, concurrency)
    try:
        deployment.scale(1)
    except BaseException:
        deployment.close()
        raise
    return deployment


def _made(service: Service, sandbox: str, concurrency: int | None) -> VmDeployment:
    if sandbox in ("auto", "process"):
        return VmDeployment(service, "process", isolation.launcher("process"), concurrency)
    label = isolation.machine_label()
    if sandbox == "qemu":
        return VmDeployment(service, label, isolation.launcher("qemu"), concurrency)
    snapshots = isolation.snapshots()
    deployment = VmDeployment(service, f"{label}-snapshot", snapshots.launch, concurrency)
    deployment.keep(snapshots)
    return deployment
