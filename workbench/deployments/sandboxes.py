"""Which sandboxes there are, and which way to deploy has each of them."""

from __future__ import annotations

import importlib

from workbench import isolation
from workbench.errors import DeploymentError

_ORDER = ("container", "vm", "serverless")
"""Where a sandbox serves several ways to deploy, the first is taken: columns are to differ in the box alone."""


def pattern_of(sandbox: str) -> str:
    """The way to deploy that has this sandbox; raises DeploymentError where none has."""
    for pattern in _ORDER:
        if sandbox in _sandboxes(pattern):
            return pattern
    raise DeploymentError(f"No deployment runs in the sandbox {sandbox!r} yet.")


def available() -> tuple[str, ...]:
    """The sandboxes that there are, in the order of their registry, other ways to start one at the end."""
    known = dict.fromkeys(isolation.BACKENDS)
    for pattern in _ORDER:
        known |= dict.fromkeys(_sandboxes(pattern))
    return tuple(known)


def _sandboxes(pattern: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(importlib.import_module(f"workbench.deployments.{pattern}"), "SANDBOXES", ())
    return found
