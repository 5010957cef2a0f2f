"""`workbench load URL`: a load on one address, summed up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.invocation import Target
from workbench.load.handle import Progress
from workbench.load.plan import DEFAULT_DURATION_S, plan
from workbench.load.run import LoadInterrupted, run_closed, run_load
from workbench.load.schedule import Schedule
from workbench.load.spec import DEFAULT_MAX_CONNECTIONS


def load_url(
    url: str,
    rate: float | None = None,
    duration: float | None = None,
    arrivals: str = "poisson",
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
    timeout_s: float = 30.0,
    max_connections: int = DEFAULT_MAX_CONNECTIONS,
    seed: int = 0,
    speed: float = 1.0,
    warmup_s: float = 0.0,
    allow_remote: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Load `url` with at most `rate` requests a second for `duration` seconds; returns LoadResult.summary().

    Rate, duration, `arrivals` and `speed` as plan.plan takes them; what was planned is told under "arrivals". What is
    due in the first `warmup_s` seconds is told apart. Raises WorkbenchError when the load is out of bounds, the address
    is not on this machine and not confirmed, or the generator fails. Interrupted, it returns what there is by then,
    "complete" False and "interrupted" True; a load that ended at a bound of its own is not complete either.
    """
    schedule = plan(arrivals, rate, duration, seed=seed, speed=speed)
    interrupted = False
    try:
        result = run_load(
            [Target(url, method=method, headers=headers, body=body)],
            schedule,
            timeout_s=timeout_s,
            max_connections=max_connections,
            allow_remote=allow_remote,
            warmup_s=warmup_s,
            progress=progress,
        )
    except LoadInterrupted as interrupt:
        result, interrupted = interrupt.result, True
    return {**result.summary(), "arrivals": _told(schedule), "interrupted": interrupted}


def load_url_closed(
    url: str,
    clients: int,
    duration: float | None = None,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
    timeout_s: float = 30.0,
    allow_remote: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Request `url` from a closed loop of `clients`, to show what that hides (run_closed); the rest as `load_url`."""
    interrupted = False
    try:
        result = run_closed(
            [Target(url, method=method, headers=headers, body=body)],
            clients=clients,
            duration_s=DEFAULT_DURATION_S if duration is None else duration,
            timeout_s=timeout_s,
            allow_remote=allow_remote,
            progress=progress,
        )
    except LoadInterrupted as interrupt:
        result, interrupted = interrupt.result, True
    return {**result.summary(), "arrivals": None, "interrupted": interrupted}


def _told(schedule: Schedule) -> dict[str, Any]:
    return {
        "kind": schedule.kind,
        "requests": len(schedule),
        "duration_s": schedule.duration_s,
        "seed": schedule.seed,
        "source": schedule.source,
    }
