"""What boxes an instance in: back ends behind `launch(spec) -> Sandbox`, each imported when first used."""

from __future__ import annotations

import contextlib
import importlib
from typing import Protocol

from workbench import capabilities
from workbench.errors import DeploymentError
from workbench.sandbox import Launcher, Sandbox, SandboxSpec, Technique, TemplateLauncher

BACKENDS: dict[str, str] = {
    "process": "workbench.isolation.process",
    "namespaces": "workbench.isolation.namespaces",
    "docker": "workbench.isolation.engine.docker",
    "gvisor": "workbench.isolation.engine.gvisor",
    "qemu": "workbench.isolation.machine.qemu",
}
"""Back ends by name, with the module whose `launch` each is: docker-py alone imports slower than a sandbox starts."""


def launcher(name: str) -> Launcher:
    """The `launch` of the back end `name`; raises DeploymentError where there is none of that name."""
    if name not in BACKENDS:
        raise DeploymentError(f"There is no sandbox {name!r}; choose from {', '.join(BACKENDS)}.")
    launch: Launcher = importlib.import_module(BACKENDS[name]).launch
    return launch


def ready(name: str) -> contextlib.AbstractContextManager[None]:
    """Make what the instances of the back end `name` share, and keep it while in here: no cold start waits for it."""
    hold = getattr(importlib.import_module(BACKENDS[name]), "hold", contextlib.nullcontext)
    made: contextlib.AbstractContextManager[None] = hold()
    return made


class Snapshots(Protocol):
    """A launcher that restores instances from snapshots, which it keeps until it is closed."""

    def launch(self, spec: SandboxSpec) -> Sandbox:
        """See `workbench.sandbox.Launcher`."""

    def close(self) -> None:
        """Remove the snapshots."""


def snapshots() -> Snapshots:
    """Virtual machines restored from snapshots."""
    made: Snapshots = importlib.import_module("workbench.isolation.machine.qemu_snapshots").Snapshots()
    return made


def machine_label() -> str:
    """`qemu-kvm` or `qemu-tcg`, by what runs a guest here; raises CapabilityMissing where no guest can be run."""
    kind: str = importlib.import_module("workbench.isolation.machine.qemu").kind()
    return kind


def best() -> str:
    """The back end that isolates most among those needing no engine: `namespaces` where they work, else `process`."""
    return "namespaces" if capabilities.find().namespaces.available else "process"


def techniques(name: str) -> frozenset[Technique]:
    """The ways in which the back end `name` can start an instance of a Python function on this machine."""
    if name not in BACKENDS:
        raise DeploymentError(f"There is no sandbox {name!r}; choose from {', '.join(BACKENDS)}.")
    module = importlib.import_module(BACKENDS[name])
    found: frozenset[Technique] = getattr(module, "TECHNIQUES", frozenset({Technique.SPAWN}))
    return found


def template_launcher(name: str) -> TemplateLauncher:
    """What makes a template in the back end `name`; raises DeploymentError where `techniques` has no SNAPSHOT."""
    if Technique.SNAPSHOT not in techniques(name):
        raise DeploymentError(
            f"The sandbox {name!r} cannot fork an instance from an initialised one; use 'namespaces'."
        )
    launch: TemplateLauncher = importlib.import_module(BACKENDS[name]).launch_template
    return launch
