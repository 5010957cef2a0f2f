"""What a wall costs: how many isolation probes a sandbox held, beside how long a new instance takes to start in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.findings.boxes import probes
from workbench.findings.finding import Finding
from workbench.findings.matrix import EXPERIMENT
from workbench.findings.selecting import Measured, select
from workbench.findings.wording import listed, milliseconds
from workbench.statistics import interval, percentile


@dataclass(frozen=True)
class Priced:
    """One sandbox: probes held of those tried, and its median start in ms with its 95 % interval where there is one."""

    name: str
    held: int
    tried: int
    start_ms: float
    interval: tuple[float, float] | None
    recorded: bool


def priced(measured: Measured) -> tuple[Priced, ...]:
    """The sandboxes of which both were measured, in the order of the matrix."""
    measured = measured if hasattr(measured, "of") else tuple(measured)  # type: ignore[arg-type]
    starts = {m.deployment: m for m in select(measured, "cold_start").measurements if m.samples}
    found = []
    for m in select(measured, EXPERIMENT).measurements:
        tried = [p for p in probes(m) if p.verdict != "not testable"]
        if m.deployment not in starts or not tried:
            continue
        samples = starts[m.deployment].samples
        low, high = interval(samples, 50)
        span = (float(low), float(high)) if low is not None and high is not None else None
        held = sum(p.verdict == "held" for p in tried)
        kind = starts[m.deployment].provenance.kind
        found.append(Priced(m.deployment, held, len(tried), percentile(samples, 50), span, kind == "recorded"))
    return tuple(found)


def walls(here: Measured, elsewhere: Measured = ()) -> Finding:
    """The finding: what each sandbox held and how long it took to start, here, and as recorded elsewhere."""
    given = [m if hasattr(m, "of") else tuple(m) for m in (here, elsewhere)]  # type: ignore[arg-type]
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
