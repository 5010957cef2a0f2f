"""Memory that VM-style deployments of this session have reserved: what one has, another cannot get."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from workbench.errors import DeploymentError
from workbench.service import Resources


@dataclass(frozen=True)
class Reserved:
    """What a deployment's instances have reserved of this machine, beside `others_mb` reserved by other deployments.

    Memory in MB (2**20 bytes); `vcpus` as shares of `cpus`, those of the machine.
    """

    instances: int
    memory_mb: int
    vcpus: float
    others_mb: int
    machine_mb: int
    cpus: int

    def __str__(self) -> str:
        over = self.vcpus / self.cpus
        stated = f", {over:.1f} times what there is: they share" if over > 1 else ""
        return (
            f"{self.instances} instances have {self.memory_mb} of {self.machine_mb} MB reserved "
            f"and may use {self.vcpus:.2f} of {self.cpus} CPUs{stated}"
        )


class Reservations:
    """Who has reserved how much of `machine_mb()`; safe to use from several threads."""

    def __init__(self, machine_mb: Callable[[], int], cpus: int) -> None:
        self._machine_mb, self._cpus = machine_mb, cpus
        self._lock = threading.Lock()
        self._held: dict[object, tuple[int, Resources]] = {}

    def hold(self, owner: object, n: int, resources: Resources) -> None:
        """Reserve for `n` instances in place of what `owner` has; raises DeploymentError where they do not fit.

        Fewer than before always fit.
        """
        with self._lock:
            before = self._held[owner][0] if owner in self._held else 0
            free = self._machine_mb() - self._others_mb(owner)
            fit = max(0, free // resources.memory_mb)
            if n > max(before, fit):
                raise DeploymentError(
                    f"{n} instances would reserve {n * resources.memory_mb} MB; of this machine's "
                    f"{self._machine_mb()} MB, {max(0, free)} are not reserved by other VM-style deployments, so "
                    f"{fit} fit. Scale to {fit}, give the service less memory_mb, or close another deployment."
                )
            self._held[owner] = (n, resources)

    def release(self, owner: object) -> None:
        """Give back what `owner` has."""
        with self._lock:
            self._held.pop(owner, None)

    def of(self, owner: object) -> Reserved:
        """What `owner` has reserved, and what the machine has."""
        with self._lock:
            n, resources = self._held.get(owner, (0, Resources()))
            memory_mb, vcpus = n * resources.memory_mb, n * resources.vcpus
            return Reserved(n, memory_mb, vcpus, self._others_mb(owner), self._machine_mb(), self._cpus)

    def _others_mb(self, owner: object) -> int:
        return sum(n * resources.memory_mb for other, (n, resources) in self._held.items() if other is not owner)


def _machine_mb() -> int:
    return int(psutil.virtual_memory().total // 2**20)


RESERVATIONS = Reservations(_machine_mb, os.cpu_count() or 1)
"""This session's."""
