"""One call of a service and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Phases:
    """Where a cold start's time went, each in milliseconds; None where this deployment cannot see it.

    `sandbox`: from the decision to start an instance until its first own instruction; `runtime_init`: until the
    language runtime is ready to load the service; `function_init`: until the service's module is loaded;
    `handler`: the handler itself. AWS calls the middle two Init and the last Invoke. `sandbox_steps` divides the first
    phase where it has parts, as (name, ms): of a virtual machine `vmm` (until its devices are there), `kernel` (until
    its first process runs) and `init` (until the instance's first instruction), or `restore` in place of these two.
    """

    sandbox_ms: float | None = None
    runtime_init_ms: float | None = None
    function_init_ms: float | None = None
    handler_ms: float | None = None
    sandbox_steps: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class InvocationResult:
    """The handler's answer with how it was obtained; times in milliseconds as the caller's clock saw them."""

    payload: Any
    instance_id: str
    cold: bool
    latency_ms: float
    phases: Phases = Phases()
    billed_ms: int | None = None
    max_memory_mb: int | None = None
    log_tail: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Target:
    """An HTTP request that invokes the service once: what a load generator sends. `group` names the deployment."""

    url: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b"{}"
    group: str = ""
