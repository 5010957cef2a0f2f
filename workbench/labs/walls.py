"""What stands between neighbours: the same service in several sandboxes, and what was found of their walls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from workbench.deployment import Deployment
from workbench.errors import WorkbenchError
from workbench.findings import boxes as found_boxes
from workbench.findings import matrix
from workbench.labs.panel import Panel, table
from workbench.labs.viewed import named
from workbench.records import Measurement
from workbench.service import Service

COUNTS = ("none", "one", "two", "all three")
GROWTHS = ("within the noise", "up to 2 times", "2 to 5 times", "more than 5 times")
KERNELS = ("process alone", "process, namespaces", "process, namespaces, docker", "all of them")
PLACES = ("environment", "memory", "file")
"""Where the neighbour keeps its secret."""

_LIMITS = ("memory limit", "process limit", "tmp limit")

Boxes = Mapping[str, Deployment | WorkbenchError]


def box() -> str:
    """The sandbox with walls that starts quickest here: namespaces, else docker; process where a machine has none."""
    from workbench import capabilities

    found = capabilities.find()
    return "namespaces" if found.namespaces else "docker" if found.docker else "process"


@contextlib.contextmanager
def boxed(service: Service, *sandboxes: str) -> Iterator[dict[str, Deployment | WorkbenchError]]:
    """The service deployed once in each sandbox, by name; one that cannot be had here is the error that says why.

    Without names: every sandbox but the virtual machines, which take their time to boot. Leaving it stops all of them.
    """
    from workbench.deployments import deploy
    from workbench.deployments.sandboxes import available, pattern_of

    names = sandboxes or tuple(name for name in available() if pattern_of(name) != "vm")
    with contextlib.ExitStack() as stack:
        found: dict[str, Deployment | WorkbenchError] = {}
        for name in dict.fromkeys(names):
            try:
                found[name] = stack.enter_context(deploy(service, pattern_of(name), sandbox=name))
            except WorkbenchError as error:
                found[name] = error
        yield found


def each(boxes: Boxes) -> list[Any]:
    """The deployments that could be had, each under its sandbox's name."""
    return [named(one, name) for name, one in boxes.items() if not isinstance(one, WorkbenchError)]


def pressing(*names: str) -> tuple[Any, ...]:
    """The pressures of these names, for `experiments.isolation_matrix`."""
    from workbench.experiments.pressures import PRESSURES

    return tuple(pressure for pressure in PRESSURES if pressure.name in names)


def rummage(victim: Deployment, neighbour: Deployment, secret: str) -> dict[str, str]:
    """Have a probe look for its neighbour's secret in each of PLACES: where it was found, empty where it was not.

    The neighbour keeps it in memory and in a file for that time; in its environment it was deployed with it.
    """
    from workbench.experiments.probing import ask

    planted, own = ask(neighbour, "plant", secret=secret), ask(victim, "whoami")
    try:
        shared = planted["namespaces"]["pid"] == own["namespaces"]["pid"]
        where = {"pid": planted["pid"], "address": planted["address"], "same_pids": shared}
        seen = ask(victim, "processes", secret=secret)["secret_in"]
        read = ask(victim, "read_memory", secret=secret, **where)
        file = ask(victim, "read_files", path=planted["file"], secret=secret)["found"]
    finally:
        ask(neighbour, "forget")
    return {
        "environment": f"/proc/{seen[0]['pid']}/{seen[0]['place']}" if seen else "",
        "memory": f"/proc/{read['pid']}/mem" if read["read"] else "",
        "file": str(file[0]) if file else "",
    }


def rummaged(found: Mapping[str, str]) -> Panel:
    """What `rummage` found, a row for each place."""
    rows = [[place, where or "not found"] for place, where in found.items()]
    html, text = table(["the neighbour's secret in its", "read by the other in"], rows)
    return Panel("What one sees of the other", html, text)


def count(found: Mapping[str, str]) -> str:
    """In how many of the three places it was found, in a word of COUNTS."""
    return COUNTS[sum(bool(where) for where in found.values())]


def shared_kernel(measured: Iterable[Measurement]) -> str | None:
    """Which of process, namespaces, docker and the rest run on the host's kernel, as one of KERNELS; None if mixed."""
    on_host = {
        m.deployment: probe.verdict == "broken"
        for m in measured
        for probe in found_boxes.probes(m)
        if probe.name == "kernel" and probe.verdict != "not testable"
    }
    if on_host and all(on_host.values()):
        return KERNELS[-1]
    said = ", ".join(name for name in ("process", "namespaces", "docker") if on_host.get(name))
    return "process alone" if said == "process" else said if said in KERNELS else None


def growth(measured: Iterable[Measurement], name: str, pressure: str) -> str | None:
    """By how much the victim's median grew in this box under this pressure, as one of GROWTHS; None if not measured."""
    found = [p for m in measured if m.deployment == name for p in matrix.pressures(m) if p.name == pressure]
    if not found or found[0].ratio is None:
        return None
    if found[0].effect != "slower":
        return GROWTHS[0]
    return GROWTHS[1] if found[0].ratio <= 2 else GROWTHS[2] if found[0].ratio <= 5 else GROWTHS[3]


def limits(measured: Iterable[Measurement]) -> Panel:
    """Each limit that was pressed against, what was seen of it in each box, and whether it held."""
    rows = []
    for m in measured:
        found = {p.name: p for p in found_boxes.probes(m)}
        for name in _LIMITS:
            if name in found:
                rows.append([name.removesuffix(" limit"), m.deployment, found[name].verdict, found[name].observed])
    rows.sort(key=lambda row: _LIMITS.index(f"{row[0]} limit"))
    html, text = table(["limit on", "sandbox", "", "what was seen"], rows)
    return Panel("Which limits hold", html, text)


def limits_held(measured: Iterable[Measurement], name: str) -> str | None:
    """How many of the three limits held in this box, in a word of COUNTS; None when one could not be tried."""
    probes = [p for m in measured if m.deployment == name for p in found_boxes.probes(m) if p.name in _LIMITS]
    if len(probes) < len(_LIMITS) or any(p.verdict == "not testable" for p in probes):
        return None
    return COUNTS[sum(p.verdict == "held" for p in probes)]


def started(measured: Iterable[Measurement], name: str) -> float | None:
    """The median of this box's cold starts in ms; None when it was not measured."""
    from workbench.statistics import percentile

    found = [m.samples for m in measured if m.deployment == name and m.experiment == "cold_start" and m.samples]
    return percentile(found[0], 50) if found else None


def said(measured: Iterable[Measurement]) -> tuple[str, ...]:
    """What the pressures say, a sentence a box; nothing that is inside the noise is called a difference."""
    from workbench import findings

    return findings.pressure_effects(tuple(measured)).reading
