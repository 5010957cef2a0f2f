"""What of an instance can be watched from outside: asked for, and counted only when it really came."""

from __future__ import annotations

import contextlib
import secrets
import time

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.instance import InstanceState
from workbench.invocation import Phases

LOG_WITHIN_S = 1.0


def telemetry(probe: Deployment) -> dict[str, bool]:
    """By signal, whether this deployment gave it for a probe that had something to show."""
    cold = probe.invoke_cold({"action": "whoami"})
    marker = f"marker-{secrets.token_hex(8)}"
    said = probe.invoke({"action": "say", "text": marker})
    views = {i.instance_id: i for i in probe.instances()}
    view = views.get(said.instance_id)
    states = {e.state for e in probe.events()}
    return {
        "logs by instance": _logged(probe, said.instance_id, marker),
        "log with the answer": marker in said.log_tail,
        "instances": view is not None,
        "invocations by instance": view is not None and view.invocations > 0,
        "CPU time by instance": view is not None and view.cpu_s is not None,
        "peak memory by instance": view is not None and view.peak_memory_bytes is not None,
        "state changes": InstanceState.STARTING in states and InstanceState.IDLE in states,
        "cold start phases": cold.phases != Phases(),
        "billed duration": cold.billed_ms is not None,
        "request id": bool(said.request_id),
    }


def _logged(probe: Deployment, instance_id: str, marker: str) -> bool:
    deadline = time.monotonic() + LOG_WITHIN_S  # a log may arrive shortly after the answer
    while True:
        with contextlib.suppress(WorkbenchError):
            if marker in probe.logs(instance_id):
                return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
