"""`workbench load URL`: an open-loop load on one address, summed up."""

from __future__ import annotations

from typing import Any

from workbench.invocation import Target
from workbench.load.handle import run_load
from workbench.load.schedule import named
from workbench.load.spec import DEFAULT_MAX_CONNECTIONS


def load_url(
    url: str,
    rate: float,
    duration: float,
    arrivals: str = "poisson",
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: tuple[tuple[str, str], ...] = (),
    timeout_s: float = 30.0,
    max_connections: int = DEFAULT_MAX_CONNECTIONS,
    seed: int = 0,
    allow_remote: bool = False,
) -> dict[str, Any]:
    """Load `url` with at most `rate` requests a second for `duration` seconds; returns LoadResult.summary().

    `arrivals`: constant, poisson, ramp, step or burst (see schedule.named). Raises WorkbenchError when the load is out
    of bounds, the address is not on this machine and not confirmed, or the generator fails.
    """
    schedule = named(arrivals, rate, duration, seed)
    target = Target(url, method=method, headers=headers, body=body)
    result = run_load(
        [target], schedule, timeout_s=timeout_s, max_connections=max_connections, allow_remote=allow_remote
    )
    return result.summary()
