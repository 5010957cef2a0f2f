"""The schedule that a command names: drawn by a rate, modelled, or recorded in a file."""

from __future__ import annotations

from workbench.errors import WorkbenchError
from workbench.load.azure import azure_like
from workbench.load.recorded_arrivals import from_csv
from workbench.load.schedule import Schedule, named

DEFAULT_RATE_PER_S, DEFAULT_DURATION_S = 50.0, 10.0


def plan(
    arrivals: str, rate: float | None = None, duration_s: float | None = None, *, seed: int = 0, speed: float = 1.0
) -> Schedule:
    """`arrivals`: as `named` takes them; `azure` (azure_like, `rate` on average); or the path of a .csv (from_csv).

    None is 50 a second, for 10 s; of a recording, its own rate and length. Only a recording has a `speed`. Raises
    WorkbenchError for a rate or a speed where there can be none, and as the schedules do.
    """
    if arrivals.lower().endswith(".csv"):
        if rate is not None:
            raise WorkbenchError(
                "A recording has its own rate. Leave the rate out; the speed makes it faster or slower."
            )
        return from_csv(arrivals, speed=speed, duration_s=duration_s)
    if speed != 1:
        raise WorkbenchError(f"Only a recording (FILE.csv) has a speed; {arrivals} arrivals have a rate.")
    rate = DEFAULT_RATE_PER_S if rate is None else rate
    duration_s = DEFAULT_DURATION_S if duration_s is None else duration_s
    if arrivals == "azure":
        return azure_like(rate, duration_s, seed=seed)
    return named(arrivals, rate, duration_s, seed)
