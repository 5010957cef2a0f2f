"""Open-loop load from a process of its own: schedules drawn beforehand, latency from the planned send time.

schedule = load.poisson(rate=200, duration_s=10, seed=1)
result = load.run_load(deployment.targets(payload), schedule)
"""

from workbench.load.handle import Load, Progress, run_closed, run_load, start_load
from workbench.load.result import KEPT_UP_P99_MS, LoadResult
from workbench.load.schedule import Schedule, burst, constant, named, poisson, ramp, step
from workbench.load.url import load_url

__all__ = [
    "KEPT_UP_P99_MS",
    "Load",
    "LoadResult",
    "Progress",
    "Schedule",
    "burst",
    "constant",
    "load_url",
    "named",
    "poisson",
    "ramp",
    "run_closed",
    "run_load",
    "start_load",
    "step",
]
