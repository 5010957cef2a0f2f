"""Open-loop load from a process of its own: schedules drawn beforehand, latency from the planned send time.

schedule = load.poisson(rate=200, duration_s=10, seed=1)
result = load.run_load(deployment.targets(payload), schedule, warmup_s=2)

What a closed loop hides, to be shown and not to be measured with: load.run_closed(targets, clients=2, duration_s=10).
"""

from workbench.load.azure import azure_like
from workbench.load.handle import Load, Progress
from workbench.load.recorded_arrivals import from_csv
from workbench.load.result import KEPT_UP_P99_MS, LoadResult
from workbench.load.run import LoadInterrupted, run_closed, run_load, start_load
from workbench.load.schedule import Schedule, burst, constant, named, poisson, ramp, step
from workbench.load.url import load_url, load_url_closed

__all__ = [
    "KEPT_UP_P99_MS",
    "Load",
    "LoadInterrupted",
    "LoadResult",
    "Progress",
    "Schedule",
    "azure_like",
    "burst",
    "constant",
    "from_csv",
    "load_url",
    "load_url_closed",
    "named",
    "poisson",
    "ramp",
    "run_closed",
    "run_load",
    "start_load",
    "step",
]
