"""What an instance sees of the machine under it: whose kernel, whose clock, what /proc tells, which devices and calls.

What it sees is compared with what this machine says of itself, asked with the same code. What an instance may do to a
kernel of its own is not done to this machine, so it counts as held.
"""

from __future__ import annotations

import functools
import os
import runpy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.experiments.probes import Answer, Pair, Probe, result_of
from workbench.experiments.probing import ask
from workbench.samples import sample

SAME_CLOCK_S = 1.0
"""Two clocks since boot that are closer than this, read one between two readings of the other, are one clock."""


@dataclass(frozen=True)
class Seen:
    """What the victim and its neighbour see of the machine, and what it says of itself just before and after."""

    victim: Mapping[str, Any]
    neighbour: Mapping[str, Any]
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def own_kernel(self) -> bool | None:
        """Whether the victim's kernel is its own; None where that cannot be told."""
        if not self.victim["kernel"]:
            return None
        return not (_same_kernel(self.victim, self.before) or _same_boot(self.victim, self.neighbour))


def this_machine() -> dict[str, Any]:
    """What the probe would see outside every sandbox."""
    return dict(_probe_of_the_machine()())


@functools.cache
def _probe_of_the_machine() -> Callable[[], Mapping[str, Any]]:
    found: Callable[[], Mapping[str, Any]] = runpy.run_path(str(sample("probe").source / "probe_machine.py"))["machine"]
    return found


def look_below(pair: Pair) -> list[Probe]:
    """Everything the victim can find out about the machine under it, and ask of its kernel, without changing it."""
    seen: list[Seen] = []

    def look() -> Seen:
        if not seen:
            before = this_machine()
            seen.append(Seen(ask(pair.victim, "machine"), ask(pair.neighbour, "machine"), before, this_machine()))
        return seen[0]

    questions: tuple[tuple[str, str, Callable[[], Answer]], ...] = (
        ("kernel", "Does it run on a kernel of its own?", lambda: kernel(look())),
        ("clock", "Is it kept from setting this machine's clock?", lambda: clock(look(), ask(pair.victim, "clock"))),
        ("time since boot", "Is this machine's time since boot hidden from it?", lambda: since_boot(look())),
        ("proc", "Does /proc hide the rest of this machine from it?", lambda: proc(look())),
        ("devices", "Are this machine's devices closed to it?", lambda: devices(look(), ask(pair.victim, "devices"))),
        ("system calls", "Are calls that change a machine refused to it?", lambda: calls(look(), _calls(pair))),
    )
    return [result_of(name, question, answer) for name, question, answer in questions]


def _calls(pair: Pair) -> dict[str, Any]:
    return ask(pair.victim, "calls", pid=pair.planted["pid"], same_pids=pair.share_pids)


def kernel(seen: Seen) -> Answer:
    """Whose kernel it is, by its name and by the identity it drew when it started."""
    victim, here = seen.victim, seen.before
    if seen.own_kernel is None:
        return None, "this machine does not tell which kernel it is"
    if seen.own_kernel:
        return True, f"runs on {victim['kernel']}, this machine on {here['kernel']}"
    if _same_kernel(victim, here):
        return False, f"runs on this machine's kernel, {victim['kernel']}"
    return False, f"runs on {victim['kernel']}, as its neighbour does: one kernel beside this machine's"


def clock(seen: Seen, tried: Mapping[str, Any]) -> Answer:
    """Whether it may set the clock: that of this machine, where the kernel is this machine's."""
    if tried["allowed"] is None:
        return None, f"not tried: {tried['seen']}"
    if not tried["allowed"]:
        return True, f"may not set it: {tried['seen']}"
    if seen.own_kernel:
        return True, "may set a clock, but it is that of its own kernel"
    return False, "may set it (tried by setting its tick to what it is: nothing was changed)"


def since_boot(seen: Seen) -> Answer:
    """Whether its clock since boot is this machine's."""
    inside, before, after = (m["since_boot_s"] for m in (seen.victim, seen.before, seen.after))
    if None in (inside, before, after):
        return None, "there is no such clock here"
    if before - SAME_CLOCK_S <= inside <= after + SAME_CLOCK_S:
        return False, f"sees that this machine was started {inside / 60:,.0f} minutes ago"
    return True, f"sees {inside:,.0f} s since boot; this machine has {after:,.0f} s"


def proc(seen: Seen) -> Answer:
    """What /proc tells it of this machine; the processor's name does not count: any program can ask the processor."""
    victim, here = seen.victim, seen.before
    if not any(victim[name] for name in ("memory_kb", "load", "command_line", "uptime_s")):
        return None, "there is no /proc for it"
    told = []
    if victim["memory_kb"] and victim["memory_kb"] == here["memory_kb"]:
        told.append("how much memory this machine has")
    if victim["load"] != "0.00 0.00 0.00" and victim["load"] in (here["load"], seen.after["load"]):
        told.append("its load")
    if _between(seen, "uptime_s"):
        told.append("how long it is up")
    if not seen.own_kernel and victim["cpus"] and victim["cpus"] == here["cpus"]:
        told.append(f"all its {victim['cpus']} processors")
    if victim["command_line"] and victim["command_line"] == here["command_line"]:
        told.append("its kernel's command line")
    if shown := [p for p in victim["mounted_from"] if len(Path(p).parts) > 2 and os.path.exists(p)]:
        told.append(f"{len(shown)} of its paths among the mounts")
    if victim["other_cgroups"]:
        told.append(f"the control groups of {victim['other_cgroups']} other processes")
    same = victim["cpu_model"] and victim["cpu_model"] == here["cpu_model"]
    name = "; the processor's name shows too, as everywhere" if same else ""
    return not told, f"tells it {listed(told) or 'nothing of this machine'}{name}"


def devices(seen: Seen, found: Mapping[str, Any]) -> Answer:
    """Whether a disk, memory or the kernel's log of this machine can be opened, or a device be made."""
    reached = [f"opens /dev/{name}" for name in found["opened"]]
    if found["made"]["allowed"]:
        reached.append("may make devices")
    count = f"{len(found['names'])} devices in its /dev"
    if not reached:
        return True, f"{count}; no disk, no memory and no kernel log among those that open"
    said = f"{listed(reached[:4])}{f' and {len(reached) - 4} more' if len(reached) > 4 else ''} ({count})"
    return (True, f"{said}: those of its own kernel") if seen.own_kernel else (False, said)


def calls(seen: Seen, answer: Mapping[str, Any]) -> Answer:
    """Which calls were allowed; user 0 counts only where it is this machine's user 0."""
    tried = {name: call for name, call in answer["calls"].items() if call["allowed"] is not None}
    if not tried:
        return None, "none could be tried here"
    # "0 1000 1": user 0 in here is user 1000 outside, and what was allowed is to be that one.
    another = answer["uid_map"].split()[:2] not in ([], ["0", "0"])
    allowed = [name for name, call in tried.items() if call["allowed"] and not (name == "become root" and another)]
    if not allowed:
        return True, f"all {len(tried)} were refused: {listed(tried)}"
    said = f"{len(allowed)} of {len(tried)} were allowed: {listed(allowed)}"
    return (True, f"{said}; by its own kernel") if seen.own_kernel else (False, said)


def _same_kernel(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """One kernel: the same identity where both tell it, else the same name and build."""
    if one["boot_id"] and other["boot_id"]:
        return bool(one["boot_id"] == other["boot_id"])
    return (one["kernel"], one["version"]) == (other["kernel"], other["version"])


def _same_boot(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["boot_id"]) and one["boot_id"] == other["boot_id"]


def _between(seen: Seen, name: str) -> bool:
    inside, before, after = (m[name] for m in (seen.victim, seen.before, seen.after))
    return None not in (inside, before, after) and before - SAME_CLOCK_S <= inside <= after + SAME_CLOCK_S


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = list(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last
