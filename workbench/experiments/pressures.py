"""What a neighbour does to its machine while a victim works beside it; each press is bounded and leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from workbench.errors import WorkbenchError
from workbench.experiments.limits import BEYOND_MB, PROCESSES
from workbench.experiments.probes import CROWD, Pair, addresses_of
from workbench.experiments.probing import ask

UNLIMITED_TMP_MB = 64
"""What is written to a /tmp that has no limit of its own: enough to be seen, too little to hurt this machine."""

MOST_WRITTEN_MB = 256

MOST_CONNECTIONS = 2000


class NotTried(WorkbenchError):
    """A pressure that would harm this machine, or has nothing to press on; says why."""


@dataclass(frozen=True)
class Pressure:
    """`press(pair, seconds)` has the neighbour press for that long, or once, and says in words what it did."""

    name: str
    question: str
    press: Callable[[Pair, float], str]


def memory_bomb(pair: Pair, seconds: float) -> str:
    """Take memory up to 64 MB beyond the limit, in two processes, hold it for a moment and let go."""
    limit = pair.neighbour.service.resources.memory_mb
    wanted, available = limit + BEYOND_MB, psutil.virtual_memory().available // 2**20
    if wanted > available / 2:
        raise NotTried(f"{wanted} MB is more than half of the {available} MB available on this machine")
    got = ask(pair.neighbour, "allocate", megabytes=wanted, processes=PROCESSES)
    ended = f", {got['killed']} of its {PROCESSES} processes were ended" if got["killed"] else ""
    return f"asked for {wanted} MB at a limit of {limit} MB{ended or ', and got it' * (got['reached_mb'] >= wanted)}"


def fork_bomb(pair: Pair, seconds: float) -> str:
    """Start processes without end: up to what it is allowed, and where nothing limits it up to a number of its own."""
    got = ask(pair.neighbour, "fork_bomb", members=CROWD, seconds=seconds)
    if got["killed"] or got["started"] is None:
        return "the first of its processes was ended"
    if got["refused"]:
        return "was stopped by a limit on processes"
    return (
        f"started {got['started']} processes, {'unhindered' if got['started'] >= CROWD else 'then the time was over'}"
    )


def tmp_filled(pair: Pair, seconds: float) -> str:
    """Fill /tmp up to its limit; where it is this machine's own, write a small amount and no more."""
    limit = pair.neighbour.service.resources.tmp_mb
    own = pair.planted["namespaces"]["mnt"] != _namespace("mnt")
    got = ask(pair.neighbour, "fill_tmp", most_mb=limit if own else 0, unlimited_mb=UNLIMITED_TMP_MB, seconds=seconds)
    if got["full"]:
        return f"filled its /tmp of {got['size_mb']} MB"
    return f"wrote {got['written_mb']} MB to its /tmp" + ("" if got["limited"] else ", which has no limit of its own")


def cpu_hog(pair: Pair, seconds: float) -> str:
    """Compute in twice as many processes as there are processors."""
    spun = ask(pair.neighbour, "spin", seconds=seconds, workers=2 * (os.cpu_count() or 1))
    return f"used {float(spun['cpu_s']) / float(spun['wall_s']):.1f} vCPU"


def disk_hog(pair: Pair, seconds: float) -> str:
    """Write to /tmp and have the disk take it, again and again."""
    got = ask(pair.neighbour, "hog_disk", most_mb=MOST_WRITTEN_MB, seconds=seconds)
    return f"wrote {got['written_mb']} MB and had each MB taken by the disk"


def connection_flood(pair: Pair, seconds: float) -> str:
    """Open connections to the victim and drop them; where it is out of reach, to the neighbour's own host."""
    targets = addresses_of(pair.victim, pair.victim_is, pair.neighbour)
    if not pair.shares("net"):  # then loopback, or an address that both have, is the neighbour's own
        targets = [a for a in targets if not str(a[0]).startswith("127.") and a[0] not in pair.planted["addresses"]]
    own = [["127.0.0.1", port] for _, port in pair.planted["listeners"]]
    got = ask(pair.neighbour, "flood", addresses=[*targets, *own], most=MOST_CONNECTIONS, seconds=seconds)
    if got["target"] is None:
        return "found nobody who takes a connection from it"
    whom = "the victim" if got["target"] in targets else "its own host, as the victim is out of its reach"
    return f"opened {got['opened']:,} connections to {whom}"


def _namespace(kind: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return ""


PRESSURES = (
    Pressure("memory bomb", "Does a neighbour that takes all memory leave it alone?", memory_bomb),
    Pressure("fork bomb", "Does a neighbour that starts processes without end leave it alone?", fork_bomb),
    Pressure("tmp filled", "Does a neighbour that fills /tmp leave it alone?", tmp_filled),
    Pressure("CPU hog", "Does a neighbour that takes all CPU leave it alone?", cpu_hog),
    Pressure("disk hog", "Does a neighbour that keeps the disk busy leave it alone?", disk_hog),
    Pressure("connection flood", "Does a neighbour that floods it with connections leave it alone?", connection_flood),
)
