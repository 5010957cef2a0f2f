"""Which machine the probe sees: its kernel, its clock since boot, and what /proc tells of the whole machine.

Whoever runs the probe asks the same of the machine itself, with this very file, and compares: what is equal is shared.
So it imports no other part of the probe.
"""

import os
import time
from pathlib import Path

MOST_PROCESSES = 200


def machine():
    """The kernel and the machine as they are seen from here; what cannot be read is empty or None."""
    uname = os.uname() if hasattr(os, "uname") else None
    return {
        "kernel": f"{uname.sysname} {uname.release}" if uname else "",
        "version": uname.version if uname else "",
        "boot_id": text("/proc/sys/kernel/random/boot_id").strip(),
        "since_boot_s": since_boot(),
        "memory_kb": field("/proc/meminfo", "MemTotal"),
        "load": " ".join(text("/proc/loadavg").split()[:3]),
        "uptime_s": number(text("/proc/uptime").partition(" ")[0]),
        "cpus": text("/proc/cpuinfo").count("processor\t"),
        "cpu_model": field("/proc/cpuinfo", "model name"),
        "command_line": text("/proc/cmdline").strip(),
        "mounted_from": mounted_from(),
        "other_cgroups": other_cgroups(),
    }


def since_boot():
    """Seconds since the machine was started, by its kernel's clock; None where there is no such clock."""
    try:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return None


def mounted_from():
    """The directories that the mounts seen here come from, each a path in whatever file system holds it."""
    found = set()
    for line in text("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if len(fields) > 4 and fields[3] != "/":
            found.add(fields[3])
        found.update(part.partition("=")[2] for part in fields[-1].split(",") if part.startswith("upperdir="))
    return sorted(found)


def other_cgroups():
    """How many processes are seen here that are in other control groups than this one."""
    own = text("/proc/self/cgroup")
    pids = sorted((p for p in Path("/proc").glob("[0-9]*")), key=lambda p: int(p.name))[:MOST_PROCESSES]
    groups = [text(p / "cgroup") for p in pids]
    return sum(1 for group in groups if group and group != own)


def field(path, name):
    """The first value of `name` in a file of `name: value` lines; empty where there is none."""
    for line in text(path).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def number(value):
    """The text as a number, None where it is none."""
    try:
        return float(value)
    except ValueError:
        return None


def text(path):
    """A file's text, empty where it may not be read."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""
