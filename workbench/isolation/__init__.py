"""What boxes an instance in: back ends behind `launch(spec) -> Sandbox`, each imported when first used."""

from __future__ import annotations

import importlib

from workbench import capabilities
from workbench.errors import DeploymentError
from workbench.sandbox import Launcher

BACKENDS: dict[str, str] = {
    "process": "workbench.isolation.process",
    "namespaces": "workbench.isolation.namespaces",
    "docker": "workbench.isolation.docker",
}
"""Back ends by name, with the module whose `launch` each is: docker-py alone imports slower than a sandbox starts."""


def launcher(name: str) -> Launcher:
    """The `launch` of the back end `name`; raises DeploymentError where there is none of that name."""
    if name not in BACKENDS:
        raise DeploymentError(f"There is no sandbox {name!r}; choose from {', '.join(BACKENDS)}.")
    launch: Launcher = importlib.import_module(BACKENDS[name]).launch
    return launch


def best() -> str:
    """The back end that isolates most among those needing no engine: `namespaces` where they work, else `process`."""
    return "namespaces" if capabilities.find().namespaces.available else "process"
