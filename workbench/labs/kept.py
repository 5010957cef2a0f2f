"""What is kept in memory while nobody calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import psutil

from workbench.labs.panel import Panel, table
from workbench.labs.predictions import off_by
from workbench.session import VARIABLE, session_id

SAME = "about the same"
_PLATFORM, _ZYGOTE, _TEMPLATE = "the platform itself", "zygote", "template of the snapshot"


def memory(instances: Mapping[str, str] | None = None) -> dict[str, list[int]]:
    """Bytes that each process of this session holds now, by what it is for; `instances` names some by their id.

    A page that several processes share counts for each in equal parts (PSS, proc(5)), so that everything adds up; where
    the system tells no such share, a process counts in full. The process that asks is left out, and so is one that may
    not be looked at.
    """
    found: dict[str, list[int]] = {}
    for process, environment in _processes():
        with contextlib.suppress(psutil.Error, OSError):
            full = process.memory_full_info()
            name = _name(process, environment.get("WORKBENCH_INSTANCE", "").strip(), instances or {})
            found.setdefault(name, []).append(int(getattr(full, "pss", full.rss)))
    return dict(sorted(found.items()))


def kept(held: Mapping[str, Sequence[int]]) -> Panel:
    """What `memory` found, a row for each purpose."""
    rows = [[what, str(len(each)), f"{sum(each) / 2**20:.1f} MB"] for what, each in held.items()]
    html, text = table(["what for", "processes", "memory"], rows)
    return Panel("Kept while nobody calls", html, text)


def holds_more(held: Mapping[str, Sequence[int]], one: str, other: str) -> str | None:
    """Which of two purposes holds more memory: its name, "about the same" within a quarter, None when one is absent."""
    if one not in held or other not in held:
        return None
    sizes = {name: sum(held[name]) for name in (one, other)}
    return SAME if off_by(*sizes.values()) <= 1.25 else max(sizes, key=lambda name: sizes[name])


def _processes() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    this, session = psutil.Process(), session_id()
    owners = {this.pid, *(parent.pid for parent in this.parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if process.pid not in owners and environment.get(VARIABLE) == session:
                yield process, environment


def _name(process: psutil.Process, instance: str, instances: Mapping[str, str]) -> str:
    if "-template-" in instance:
        return _TEMPLATE
    if instance:
        return instances.get(instance, f"instance {instance}")
    return _ZYGOTE if any(part.endswith("wb_zygote.py") for part in process.cmdline()) else _PLATFORM
