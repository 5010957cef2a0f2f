"""The ways to deploy a service, by name; each is a module with `deploy(service, sandbox) -> Deployment`."""

from __future__ import annotations

import importlib
import inspect

from workbench.cleaning import next_start
from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.service import Service

PATTERNS = ("serverless", "container", "vm", "fake")


NOT_TAKEN = {
    "concurrency": "it can be set for container and vm. A serverless instance takes one request at a time; there "
    "scale(n) sets how many instances may run.",
    "idle_expiry_s": "it can be set for serverless. The instances of the others stay until somebody ends them.",
}


def deploy(
    service: Service,
    pattern: str,
    *,
    sandbox: str = "auto",
    concurrency: int | None = None,
    idle_expiry_s: float | None = None,
) -> Deployment:
    """Deploy `service` the way `pattern` names, in the named kind of sandbox or the best that works here.

    `concurrency` is how many requests a container's or VM's instance handles at a time, 1 to 64; others wait in line
    (None: as many as come). `idle_expiry_s` is after how many idle seconds serverless ends an instance. Raises
    DeploymentError for an unknown pattern or what it does not take, CapabilityMissing when the sandbox does not work on
    this machine, HandlerError when the service's module cannot be loaded (container and VM load it at once, serverless
    on demand).
    """
    if pattern not in PATTERNS:
        raise DeploymentError(f"There is no deployment {pattern!r}. Choose one of: {', '.join(PATTERNS)}.")
    next_start.clean_once()
    # Imported on demand: a laptop without Docker, or a reader in a hurry, pays for nothing it does not use.
    module = importlib.import_module(f"{__name__}.{pattern}")
    options = {"concurrency": concurrency, "idle_expiry_s": idle_expiry_s}
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() - inspect.signature(module.deploy).parameters.keys():
        raise DeploymentError(f"{pattern} has no {name}: {NOT_TAKEN[name]}")
    deployment: Deployment = module.deploy(service, sandbox, **given)
    return deployment
