"""Record what lab 04 shows beside what it measures: `python -m workbench.labs.record_walls [FILE] [SANDBOX ...]`.

The isolation matrix of every sandbox and the cold starts in each, to be run on a machine that has them all and nothing
else to do; what it writes names that machine and the day. Columns are called by their sandbox's name.
"""

from __future__ import annotations

import sys

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments import cold_start, isolation_matrix
from workbench.labs.recording import load_before, run_of, told, write
from workbench.labs.walls import boxed, each
from workbench.records import Measurement, Run
from workbench.samples import PAYLOADS, sample

RECORDED = "isolation_matrix"
SANDBOXES = ("process", "namespaces", "docker", "gvisor", "qemu", "qemu-snapshot")
ROUNDS, STARTS = 2, 9


def record(*sandboxes: str) -> Run:
    """Measure first the walls, then the starts; a restored machine's walls are those of a booted one."""
    busy = load_before()
    service = sample("pricing")
    with boxed(service, *(sandboxes or SANDBOXES)) as boxes:
        walls = {name: box for name, box in boxes.items() if name != "qemu-snapshot"}
        found = (*isolation_matrix(walls, rounds=ROUNDS, progress=told), *_starts(boxes))
    about = {"name": service.name, "handler": service.handler, "runtime": service.runtime}
    return run_of(about, found, busy)


def _starts(boxes: dict[str, Deployment | WorkbenchError]) -> tuple[Measurement, ...]:
    payload = PAYLOADS["pricing"]
    return cold_start(*each(boxes), samples=STARTS, warm_per_sample=0, payload=payload, progress=told)


if __name__ == "__main__":
    print(write(record(*sys.argv[2:]), RECORDED, *sys.argv[1:2]))
