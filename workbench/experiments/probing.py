"""The probe as experiments use it: a service beside the one under test that looks around from inside."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.samples import sample
from workbench.service import Resources, Service


def probe_service(role: str, resources: Resources, **environment: str) -> Service:
    """The probe sample under a name of its own, with these limits."""
    return replace(sample("probe", resources), name=f"probe-{role}").with_environment(**environment)


@contextlib.contextmanager
def probe_beside(deployment: Deployment, role: str, resources: Resources, **environment: str) -> Iterator[Deployment]:
    """Deploy the probe beside `deployment`, the same way, and take it away again whatever happens."""
    probe = deployment.beside(probe_service(role, resources, **environment))
    try:
        yield probe
    finally:
        probe.close()


def ask(probe: Deployment, action: str, **arguments: Any) -> dict[str, Any]:
    """Have the probe do `action` and return what it found; raises what `invoke` raises."""
    answer = probe.invoke({"action": action, **arguments}).payload
    if not isinstance(answer, dict):
        raise WorkbenchError(f"The probe answered {action} with {answer!r} instead of what it found.")
    return answer
