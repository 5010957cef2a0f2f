"""Do the limits of an instance really hold: tried from inside, by a probe that presses against them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.experiments.probing import ask
from workbench.service import Resources

LIMITED = Resources(memory_mb=442, timeout_s=30)
"""What limits are tried at: a quarter of a vCPU, so that a limit shows even on a machine with one core."""

BEYOND_MB = 64
"""How far beyond its limit the probe asks for memory, and no farther."""

PROCESSES = 2

SPIN_S = 1.0


@dataclass(frozen=True)
class MemoryLimit:
    """Asked for more than `limit_mb`, an instance got `reached_mb`; `held` is None when it could not be tried."""

    limit_mb: int
    reached_mb: int | None
    held: bool | None
    observed: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def memory_limit(probe: Deployment) -> MemoryLimit:
    """Press an instance beyond its memory limit by 64 MB, with two processes that share the amount.

    Two, because a limit that counts each process by itself is no limit of the instance.

    Not tried where that would take more than half of the memory that this machine has available now.
    """
    limit = probe.service.resources.memory_mb
    wanted = limit + BEYOND_MB
    available = psutil.virtual_memory().available // 2**20
    if wanted > available / 2:
        return MemoryLimit(
            limit,
            None,
            None,
            f"not tried: {wanted} MB is more than half of the {available} MB available on this machine",
        )
    before = {i.instance_id for i in probe.instances()}
    try:
        got = ask(probe, "allocate", megabytes=wanted, processes=PROCESSES)
    except WorkbenchError as error:
        return MemoryLimit(limit, None, *_judged(error, probe, before, wanted))
    reached = int(got["reached_mb"])
    if not got["killed"] and reached > limit:
        return MemoryLimit(
            limit, reached, False, f"took {reached} MB in {PROCESSES} processes at a limit of {limit} MB, unhindered"
        )
    ended = f" and {got['killed']} of {PROCESSES} processes ended" if got["killed"] else ""
    return MemoryLimit(limit, reached, True, f"asked for {wanted} MB, was left with {reached} MB{ended}")


def _judged(error: WorkbenchError, probe: Deployment, before: set[str], wanted: int) -> tuple[bool | None, str]:
    """Whether an invocation that failed was ended by the memory limit, and what was seen."""
    reason = str(error).splitlines()[0]
    gone = before - {i.instance_id for i in probe.instances()}
    if gone or "MemoryError" in reason or "Runtime.ExitError" in reason:
        return True, f"asked for {wanted} MB and the instance was ended ({reason})"
    return None, f"asked for {wanted} MB and got no answer that tells: {reason}"


def cpu_share(probe: Deployment) -> dict[str, Any]:
    """The vCPUs that an instance gets when it takes all it can, against those its memory entitles it to.

    `measured` is CPU seconds over wall seconds, accounted from outside (`accounted_by` sandbox) where this machine
    can, else as the instance's own processes report them; `expected` is memory / 1,769 MB (AWS Lambda developer guide).
    """
    cores = os.cpu_count() or 1
    before = _cpu_s(probe)
    try:
        spun = ask(probe, "spin", seconds=SPIN_S, workers=2 * cores)
    except WorkbenchError as error:
        return {
            "expected": round(probe.service.resources.vcpus, 3),
            "measured": None,
            "accounted_by": None,
            "observed": f"not measured: {str(error).splitlines()[0]}",
        }
    after = _cpu_s(probe)
    wall = float(spun["wall_s"])
    outside = after - before if before is not None and after is not None else None
    inside = float(spun["cpu_s"])
    # Children that came and went between two looks from outside may be missed; then the inside knows better.
    by_sandbox = outside is not None and outside >= 0.8 * inside
    used = outside if by_sandbox and outside is not None else inside
    return {
        "expected": round(min(probe.service.resources.vcpus, cores), 3),
        "measured": round(used / wall, 3) if wall > 0 else None,
        "accounted_by": "sandbox" if by_sandbox else "the instance's own processes",
        "observed": f"{2 * cores} processes computed for {wall:.1f} s and used {used:.2f} CPU seconds",
    }


def _cpu_s(probe: Deployment) -> float | None:
    used = [i.cpu_s for i in probe.instances()]
    return sum(u for u in used if u is not None) if used and None not in used else None
