"""What a wall costs: how many isolation probes a sandbox held, beside how long a new instance takes to start in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.findings.boxes import probes
from workbench.findings.finding import Finding
from workbench.findings.matrix import EXPERIMENT
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import listed, milliseconds
from workbench.records import Measurement, Run
from workbench.statistics import interval, percentile


@dataclass(frozen=True)
class Priced:
    """One sandbox by its label: probes held of those tried, median start in ms with its 95 % interval if it has one."""

    name: str
    held: int
    tried: int
    start_ms: float
    interval: tuple[float, float] | None


def priced(measured: Measured) -> tuple[Priced, ...]:
    """The sandboxes of which both were measured, in the order started."""
    given = measured if isinstance(measured, Run | Measurement) else tuple(measured)
    asked = {m.deployment: probes(m) for m in select(given, EXPERIMENT).measurements}
    found = []
    for m in select(given, "cold_start").measurements:
        # A restored machine has the walls of a booted one.
        each = asked.get(m.deployment) or asked.get(m.deployment.removesuffix("-snapshot"), ())
        tried = [p for p in each if p.verdict != "not testable"]
        if not m.samples or not tried:
            continue
        low, high = interval(m.samples, 50)
        span = (float(low), float(high)) if low is not None and high is not None else None
        held = sum(p.verdict == "held" for p in tried)
        found.append(Priced(m.sandbox, held, len(tried), percentile(m.samples, 50), span))
    return tuple(found)


def walls(here: Measured, elsewhere: Measured = ()) -> Finding:
    """The finding: what each sandbox held and how long it took to start, here, and as recorded elsewhere."""
    given = [m if isinstance(m, Run | Measurement) else tuple(m) for m in (here, elsewhere)]
    found, other = (priced(m) for m in given)
    provenance = "; ".join(s.provenance for m in given if (s := select(m, "cold_start")).measurements)
    if not found and not other:
        return Finding("No sandbox was both probed and started", (), (), provenance or "No numbers, so no provenance.")
    title = f"Probes held, and the time to start: {listed(_said(found or other))}"
    absent = [p.name for p in other if p.name not in {q.name for q in found}]
    notes = (f"Recorded only, not measured here: {listed(absent)}.",) if absent and found else ()
    return Finding(title, (), notes, provenance)


def _said(found: Sequence[Priced]) -> list[str]:
    return [f"{p.name} {p.held} of {p.tried}, {milliseconds(p.start_ms)}" for p in found]
