"""The first look at one service deployed several ways: who answered, from where, what."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.deployment import Deployment
from workbench.invocation import InvocationResult
from workbench.labs.panel import Panel, duration, table


def answers(results: Mapping[Deployment, InvocationResult]) -> Panel:
    """One row a deployment: its sandbox, the instance that answered, how long that took, and the answer's total."""
    rows = [
        [d.pattern, d.sandbox, r.instance_id, duration(r.latency_ms), str(r.payload.get("total", r.payload))]
        for d, r in results.items()
    ]
    html, text = table(["deployment", "sandbox here", "instance", "answered in", "total"], rows)
    return Panel("One service, three deployments", html, text)
