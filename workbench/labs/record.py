"""Record what lab 01 shows where a machine cannot measure it: `python -m workbench.labs.record [FILE]`.

To be run on a machine with a Docker Engine, QEMU and nothing else to do; what it writes names that machine and the day.
"""

from __future__ import annotations

import sys

from workbench.errors import CapabilityMissing
from workbench.labs.booted import boots
from workbench.labs.built import RECORDED, builds
from workbench.labs.recording import load_before, run_of, write
from workbench.package import package
from workbench.records import Run
from workbench.samples import PAYLOADS, sample
from workbench.service import Resources, Service

ROUNDS = 5


def record() -> Run:
    """Measure with the lab's own service; raises CapabilityMissing where this machine lacks what it takes."""
    service = sample("pricing", Resources(memory_mb=512))
    busy = load_before()
    built, booted = builds(service, rounds=ROUNDS), boots(service, PAYLOADS[service.name], times=ROUNDS)
    if {built.provenance.kind, booted.provenance.kind} != {"measured"}:
        raise CapabilityMissing("Images or machines are missing here", "see workbench doctor for docker and qemu")
    return run_of(_described(service), (built, booted), busy)


def _described(service: Service) -> dict[str, object]:
    ready = package(service)
    return {
        "name": service.name,
        "handler": service.handler,
        "runtime": service.runtime,
        "memory_mb": service.resources.memory_mb,
        "vcpus": service.resources.vcpus,
        "package_sha256": ready.sha256,
        "package_bytes": ready.size_bytes,
    }


if __name__ == "__main__":
    print(write(record(), RECORDED, *sys.argv[1:2]))
