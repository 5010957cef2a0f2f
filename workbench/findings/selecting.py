"""Picks one experiment's measurements out of what a person passed, and says what is missing and where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.findings.wording import listed, shortened
from workbench.records import Measurement, Run

Measured = Run | Measurement | Iterable[Measurement]
"""What findings and charts take: a whole run, one measurement, or several."""

ORDER = ("serverless", "container", "vm")

EXPERIMENTS: dict[str, str] = {
    "cold_start": "cold start",
    "scaling": "scaling",
    "isolation": "isolation",
    "delivery": "delivery",
    "cost": "cost",
}
"""Every experiment by its key in a run, as a person calls it."""


@dataclass(frozen=True)
class Selection:
    """One experiment's measurements in the fixed order of deployments, with the run's context where there is one."""

    experiment: str
    measurements: tuple[Measurement, ...]
    missing: tuple[str, ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before believing the numbers: what is absent, interrupted or without an answer."""
        what = EXPERIMENTS.get(self.experiment, self.experiment.replace("_", " "))
        found = []
        if not self.measurements:
            found.append(f"No {what} was measured.")
        elif self.missing:
            found.append(f"No {what} was measured for {listed(display_name(name) for name in self.missing)}.")
        for m in self.measurements:
            if not m.samples and self.experiment != "cost":
                found.append(f"{name_of(m)}: nothing was answered, so there is no number.")
            elif not m.complete:
                found.append(f"{name_of(m)}: interrupted; shown is what was measured until then.")
        return tuple(found)

    @property
    def provenance(self) -> str:
        """One line: how the numbers were obtained, on which machine, when."""
        if not self.measurements:
            return "No numbers, so no provenance."
        parts = [shortened("; ".join(_merged([_way(m) for m in self.measurements])), 320)]
        if any(m.provenance.kind == "measured" for m in self.measurements):
            parts.append(machine(self.environment))
        if self.created:
            parts.append(self.created[:10])
        return " · ".join(part for part in parts if part)


def select(measured: Measured, experiment: str) -> Selection:
    """The measurements of `experiment` in what was passed."""
    if isinstance(measured, Run):
        found = measured.of(experiment)
        chosen = tuple(found[name] for name in measured.deployments if name in found)
        missing = tuple(name for name in measured.deployments if name not in found)
        return Selection(experiment, chosen, missing, measured.environment, measured.created)
    given = (measured,) if isinstance(measured, Measurement) else tuple(measured)
    latest = {m.deployment: m for m in given if m.experiment == experiment}
    known = [latest[name] for name in ORDER if name in latest]
    return Selection(experiment, (*known, *(m for name, m in latest.items() if name not in ORDER)))


def display_name(deployment: str, sandbox: str = "") -> str:
    """What a deployment is called in text; the VM-style process is never called a VM."""
    if deployment == "vm":
        return "VM" if sandbox in ("qemu", "kvm", "tcg") else "VM-style process"
    return {"serverless": "serverless", "container": "container"}.get(deployment, shortened(deployment, 24))


def name_of(m: Measurement) -> str:
    """What a measurement's deployment is called in text."""
    return display_name(m.deployment, m.sandbox)


def sandbox_of(m: Measurement) -> str:
    """What boxed the instances in, as a label; says so where a container is not one of Docker Engine's."""
    names = {"docker": "Docker", "swarm": "Docker Swarm", "gvisor": "gVisor", "qemu": "QEMU"}
    label = names.get(m.sandbox, shortened(m.sandbox, 24))
    return f"{label}, no Docker" if m.deployment == "container" and m.sandbox in ("namespaces", "process") else label


def machine(environment: Mapping[str, Any]) -> str:
    """The machine in a few words: processor, cores, memory; empty when unknown."""
    parts = []
    if environment.get("cpu"):
        parts.append(shortened(str(environment["cpu"]), 60))
    if environment.get("cores"):
        parts.append(f"{environment['cores']} cores")
    memory = environment.get("memory_mb")
    if isinstance(memory, int | float) and memory:
        parts.append(f"{memory / 1024:.0f} GB")
    return ", ".join(parts)


_NUMBER = re.compile(r"\d[\d.,]*\d|\d")


def _merged(ways: Iterable[str]) -> list[str]:
    """The ways without repetition; those that differ only in numbers become one, with the numbers' range."""
    alike: dict[str, list[list[str]]] = {}
    for way in dict.fromkeys(ways):
        alike.setdefault(_NUMBER.sub("{}", way.replace("{", "(").replace("}", ")")), []).append(_NUMBER.findall(way))
    return [form.format(*map(_range, zip(*found, strict=True))) for form, found in alike.items()]


def _range(values: tuple[str, ...]) -> str:
    different = sorted(dict.fromkeys(values), key=lambda text: float(text.replace(",", "")) if _plain(text) else 0.0)
    return different[0] if len(different) == 1 else f"{different[0]}–{different[-1]}"


def _plain(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).isdigit()


def _way(m: Measurement) -> str:
    p = m.provenance
    origin = p.source if p.date in p.source else ", ".join(part for part in (p.source, p.date) if part)
    if p.kind == "measured":
        return f"measured: {p.how}"
    if p.kind == "recorded":
        return f"recorded, not measured here: {p.how}" + (f" ({origin})" if origin else "")
    return f"modelled: {p.how}" + (f" ({origin})" if origin else "")
