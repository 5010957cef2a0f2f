"""The ways to deploy a service, by name; each is a module with `deploy(service, sandbox) -> Deployment`."""

from __future__ import annotations

import importlib

from workbench.cleaning import next_start
from workbench.deployment import Deployment
from workbench.errors import DeploymentError
from workbench.service import Service

PATTERNS = ("serverless", "container", "vm", "fake")


def deploy(service: Service, pattern: str, *, sandbox: str = "auto") -> Deployment:
    """Deploy `service` the way `pattern` names, in the named kind of sandbox or the best that works here.

    Raises DeploymentError for an unknown pattern, CapabilityMissing when the sandbox does not work on this machine,
    HandlerError when the service's module cannot be loaded (container and VM load it at once, serverless on demand).
    """
    if pattern not in PATTERNS:
        raise DeploymentError(f"There is no deployment {pattern!r}. Choose one of: {', '.join(PATTERNS)}.")
    next_start.clean_once()
    # Imported on demand: a laptop without Docker, or a reader in a hurry, pays for nothing it does not use.
    module = importlib.import_module(f"{__name__}.{pattern}")
    deployment: Deployment = module.deploy(service, sandbox)
    return deployment
