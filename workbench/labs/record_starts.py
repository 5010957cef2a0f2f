"""Record what lab 02 measures: `python -m workbench.labs.record_starts [FILE]`.

The cold starts of the lab's own service by every technique, in turn. To be run on a machine with namespaces and nothing
else to do; what it writes names that machine and the day. Columns are called by their technique's name.
"""

from __future__ import annotations

import sys

from workbench.deployments.serverless import deploy
from workbench.errors import CapabilityMissing
from workbench.experiments import cold_start
from workbench.labs.recording import load_before, run_of, told, write
from workbench.records import Run
from workbench.samples import PAYLOADS, sample

RECORDED = "lab_02"
TECHNIQUES = ("spawn", "zygote", "snapshot")
STARTS = 20


def record(starts: int = STARTS) -> Run:
    """Measure; raises CapabilityMissing where a technique is."""
    busy = load_before()
    service = sample("forecast")
    with deploy(service) as function:
        absent = [name for name in TECHNIQUES if name not in function.techniques]
        if absent:
            raise CapabilityMissing(f"Instances cannot be started by {' and '.join(absent)}", "See workbench doctor")
        ways = [function.by(name) for name in TECHNIQUES]
        found = cold_start(*ways, samples=starts, payload=PAYLOADS[service.name], progress=told)
    about = {
        "name": service.name,
        "handler": service.handler,
        "runtime": service.runtime,
        "memory_mb": service.resources.memory_mb,
    }
    return run_of(about, found, busy)


if __name__ == "__main__":
    print(write(record(), RECORDED, *sys.argv[1:2]))
