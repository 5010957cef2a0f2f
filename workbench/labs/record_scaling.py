"""Record what lab 03 shows beside what it measures: `python -m workbench.labs.record_scaling [FILE]`.

The same burst on all three ways to deploy, with containers of a Docker Engine, and a long search for what each sustains
with a few instances. To be run on a machine with nothing else to do; what it writes names that machine and the day.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack

from workbench import capabilities, load
from workbench.deployments import deploy
from workbench.errors import CapabilityMissing
from workbench.experiments import scaling, sustainable_rate
from workbench.labs.recording import load_before, run_of, told, write
from workbench.records import Run
from workbench.samples import sample
from workbench.service import Resources

RECORDED = "lab_03"
BURST = load.burst(2, 40, before_s=0, burst_s=3, after_s=5, seed=1)
ORDER, WORK = {"rounds": 2_000, "wait_ms": 50}, {"rounds": 5000}
INSTANCES = {"serverless": 16, "container": 2, "vm": 2}
"""For the search, with as many requests at a time as come: serverless may start so many, the others have so many."""


def record() -> Run:
    """Measure; raises CapabilityMissing where there is no Docker Engine."""
    if not capabilities.find().docker.available:
        raise CapabilityMissing("Containers are to be recorded, and there is no Docker Engine", "See workbench doctor")
    busy = load_before()
    service = sample("hashing", Resources(memory_mb=1769))
    with ExitStack() as stack:
        one_at_a_time = {"serverless": None, "container": 1, "vm": 1}
        ways = [stack.enter_context(deploy(service, name, concurrency=n)) for name, n in one_at_a_time.items()]
        found = scaling(*ways, schedule=BURST, payload=ORDER, peak=4, progress=told)
    with ExitStack() as stack:
        ways = [stack.enter_context(deploy(service, name)) for name in INSTANCES]
        for way in ways:
            way.scale(INSTANCES[way.pattern])
        found += sustainable_rate(*ways, payload=WORK, goal_ms=100.0, progress=told)
    about = {"name": service.name, "handler": service.handler, "runtime": service.runtime}
    return run_of(about, found, busy)


if __name__ == "__main__":
    print(write(record(), RECORDED, *sys.argv[1:2]))
