"""Record what lab 02 measures: `python -m workbench.labs.record_starts [FILE]`.

The cold starts of the lab's own service by every technique, in turn. To be run on a machine with namespaces and nothing
else to do; what it writes names that machine and the day. Columns are called by their technique's name.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from workbench import recorded
from workbench.comparison import environment
from workbench.deployments.serverless import deploy
from workbench.errors import CapabilityMissing
from workbench.experiments import cold_start
from workbench.records import Measurement, Run
from workbench.samples import PAYLOADS, sample

RECORDED = "lab_02"
TECHNIQUES = ("spawn", "zygote", "snapshot")
STARTS = 20


def record(starts: int = STARTS) -> Run:
    """Measure; raises CapabilityMissing where a technique is."""
    busy = f"; load average before: {os.getloadavg()[0]:.1f}"  # what else the machine had to do
    service = sample("forecast")
    with deploy(service) as function:
        absent = [name for name in TECHNIQUES if name not in function.techniques]
        if absent:
            raise CapabilityMissing(f"Instances cannot be started by {' and '.join(absent)}", "See workbench doctor")
        ways = [function.by(name) for name in TECHNIQUES]
        found = cold_start(*ways, samples=starts, payload=PAYLOADS[service.name], progress=_say)
    about = {
        "name": service.name,
        "handler": service.handler,
        "runtime": service.runtime,
        "memory_mb": service.resources.memory_mb,
    }
    return Run(about, environment({m.deployment: m.sandbox for m in found})).add(*(_with(m, busy) for m in found))


def _say(what: str, done: int, total: int) -> None:
    print(f"{what}: {done} of {total}", file=sys.stderr)


def _with(measured: Measurement, words: str) -> Measurement:
    return replace(measured, provenance=replace(measured.provenance, how=measured.provenance.how + words))


if __name__ == "__main__":
    place = str(Path(recorded.__file__).parent / f"{RECORDED}.json")
    print(record().save((*sys.argv[1:2], place)[0]))
